"""How an order is stored: what 0.2.0 reads, and no larger than 0.2.0 stored it."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

from orders.aws.items import compressed, decompressed
from tests.builders import an_order

AS_0_2_0_STORED_IT = zlib.compress(
    b'{"channel":"retail","currency":"GBP","lines":[{"sku":"HEART-LIGHT","quantity":2,'
    b'"unit_price":255}],"shipping":395,"tax":0,"total":905,"address":{"name":"Ada Fletcher",'
    b'"lines":["1 High Street"],"city":"Leeds","postal_code":"LS1 4AP","country":"GB"},'
    b'"payment":{"reference":"pay_01","amount":905,"currency":"GBP","receipt":"k1.00"},'
    b'"discounts":[],"purchase_order":null}'
)


def test_an_ordinary_order_is_stored_as_0_2_0_stored_it() -> None:
    order = an_order(payment={"reference": "pay_01", "amount": 905, "currency": "GBP"})
    assert order.payment is not None
    order = replace(order, payment=replace(order.payment, receipt="k1.00"))
    assert decompressed(AS_0_2_0_STORED_IT) == order
    assert compressed(order) == AS_0_2_0_STORED_IT


def test_an_address_without_a_postal_code_can_be_read_by_0_2_0_and_one_with_a_state_too() -> None:
    order = an_order()
    address = replace(order.address, postal_code="", state="Kowloon", email="a@example.com")
    stored = compressed(replace(order, address=address))
    assert decompressed(stored).address == address
    read = json.loads(zlib.decompress(stored))["address"]
    assert read.keys() == {"name", "lines", "city", "postal_code", "country", "state", "email"}
    assert read["postal_code"] == ""
