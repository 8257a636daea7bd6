"""The price book as a merchant writes it: rules in a TOML file, articles in CSV files.

It is read strictly, and all its faults are found at once. What comes out is what intake prices
orders by (`orders.domain.book`), and what a store may show of it (`catalogue`).
docs/pricing.md describes both files field by field.
"""

from spillway.price_book.book import PriceBook
from spillway.price_book.catalogue import catalogue, encoded_catalogue, shown_book
from spillway.price_book.example import EXAMPLE, example
from spillway.price_book.faults import BookFaulty, Fault
from spillway.price_book.reading import read

__all__ = [
    "EXAMPLE",
    "BookFaulty",
    "Fault",
    "PriceBook",
    "catalogue",
    "encoded_catalogue",
    "example",
    "read",
    "shown_book",
]
