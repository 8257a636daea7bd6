"""The types of ids and times: at run time plain strings and integers."""

from typing import NewType

CustomerId = NewType("CustomerId", str)
#: A UUIDv7, which the customer's client makes.
OrderId = NewType("OrderId", str)
#: A moment, in Unix milliseconds. A length of time is a plain number with its unit in its name.
Millis = NewType("Millis", int)
