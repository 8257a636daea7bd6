"""A pricing engine's signature holds for one customer, one price and a time, and nothing in it can
be moved. The vectors are those that docs/pricing.md gives to engines in other languages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.domain import receipt
from orders.domain.order import Address, Discount, Line, Order, Payment
from orders.domain.price_signature import VALID_MAX_SECONDS, Verdict, canonical, sign, verify
from orders.domain.units import CustomerId, Millis
from tests.builders import (
    CUSTOMER,
    NOW,
    OTHER_CUSTOMER,
    PRICE_KEY,
    PRICE_KEY_ID,
    an_order,
    line,
    order_id,
    order_key,
)

VECTORS = json.loads(
    (
        Path(__file__).parents[3] / "docs" / "contracts" / "vectors" / "price_signature.json"
    ).read_text()
)
VALID_UNTIL = NOW // 1000 + 900
ORDER = an_order(
    lines=[line("MUG", 2, 1_400), line("NOTEBOOK", 1, 600)],
    discounts=[{"coupon": "SPRING", "amount": 340}],
    tax=10,
    total=3_465,
    payment={"reference": "pay_01", "amount": 3_465, "currency": "GBP"},
)


def of(vector: dict[str, Any]) -> Order:
    """A vector has only what is signed."""
    address = {"name": "A", "lines": ["1"], "city": "A", **vector["order"]["address"]}
    payment = {"reference": "p", "amount": 0, "currency": "GBP", "receipt": "r"}
    return msgspec.convert({**vector["order"], "address": address, "payment": payment}, Order)


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: str(vector["name"]))
def test_the_vectors_are_what_the_service_takes(vector: dict[str, Any]) -> None:
    order, key = of(vector), bytes.fromhex(VECTORS["key_hex"])
    valid_until, signature = VECTORS["valid_until"], vector["price_signature"]
    assert canonical(order, vector["customer"], valid_until).split("\n") == vector["signed"]
    at = Millis(valid_until * 1000)
    keys = {VECTORS["key_id"]: key}
    verdict = verify(signature, order, vector["customer"], keys, priced_at=at, now=at)
    assert verdict == "valid"


def signature(order: Order = ORDER, valid_until: int = VALID_UNTIL, **others: Any) -> str:
    terms = {"key": PRICE_KEY, "key_id": PRICE_KEY_ID, "customer_id": CUSTOMER, **others}
    return sign(order=order, valid_until=valid_until, **terms)


def verdict(
    text: str,
    order: Order = ORDER,
    customer_id: CustomerId = CUSTOMER,
    *,
    keys: Mapping[str, bytes] | None = None,
    priced_at: int = NOW,
) -> Verdict:
    keys = keys or {PRICE_KEY_ID: PRICE_KEY}
    return verify(text, order, customer_id, keys, priced_at=Millis(priced_at), now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"channel": "wholesale"},
        {"currency": "EUR"},
        {"shipping": 394},
        {"tax": 9},
        {"total": 3_464},
        {"lines": ORDER.lines[:1]},
        {"lines": ORDER.lines[::-1]},
        {"lines": (*ORDER.lines, ORDER.lines[0])},
        {"lines": (replace(ORDER.lines[0], quantity=3), ORDER.lines[1])},
        {"lines": (replace(ORDER.lines[0], unit_price=1), ORDER.lines[1])},
        {"lines": (replace(ORDER.lines[0], sku="MUG "), ORDER.lines[1])},
        {"discounts": ()},
        {"discounts": ORDER.discounts * 2},
        {"discounts": (Discount("SPRING", 341),)},
        {"discounts": (Discount("spring", 340),)},
        {"address": replace(ORDER.address, country="FR")},
        {"address": replace(ORDER.address, state="LDS")},
        {"address": replace(ORDER.address, postal_code="ZE1 0AA")},
    ],
    ids=str,
)
def test_nothing_that_costs_money_can_be_changed(change: dict[str, Any]) -> None:
    assert verdict(signature()) == "valid"
    assert verdict(signature(), replace(ORDER, **change)) == "invalid"


def test_what_costs_nothing_is_the_customers_own() -> None:
    address = replace(ORDER.address, name="Bob", lines=("2 Low Street",), city="York")
    other = replace(ORDER, address=address, payment=Payment("pay_02", 1, "EUR", "k9.00"))
    assert verdict(signature(), replace(other, purchase_order="PO-1")) == "valid"


def test_it_is_one_customers() -> None:
    assert verdict(signature(), customer_id=OTHER_CUSTOMER) == "invalid"
    assert verdict(signature(customer_id=OTHER_CUSTOMER)) == "invalid"


def test_it_is_valid_to_the_last_millisecond_and_not_for_years() -> None:
    assert verdict(signature(), priced_at=VALID_UNTIL * 1000) == "valid"
    assert verdict(signature(), priced_at=VALID_UNTIL * 1000 + 1) == "expired"
    longest = NOW // 1000 + VALID_MAX_SECONDS
    assert verdict(signature(valid_until=longest)) == "valid"
    assert verdict(signature(valid_until=longest + 1)) == "valid_too_long"
    # A mistaken engine: milliseconds.
    assert verdict(signature(valid_until=int(NOW))) == "invalid"


def test_two_keys_are_in_force_while_one_replaces_the_other() -> None:
    keys = {"p1": b"old", "p2": b"new"}
    assert verdict(signature(key=b"old"), keys=keys) == "valid"
    assert verdict(signature(key=b"new", key_id="p2"), keys=keys) == "valid"
    assert verdict(signature(key=b"new"), keys=keys) == "invalid"
    assert verdict(signature(key_id="p3"), keys=keys) == "key_unknown"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "key_unknown"),
        (".", "key_unknown"),
        ("p1", "invalid"),
        ("p1.", "invalid"),
        ("p1..", "invalid"),
        (f"p1.{VALID_UNTIL}", "invalid"),
        (f"p1.{VALID_UNTIL}.", "invalid"),
        (f"p1.-1.{'0' * 64}", "invalid"),
        (f"p1.{'9' * 5_000}.{'0' * 64}", "invalid"),
        (f"p1.1e9.{'0' * 64}", "invalid"),
        ("p1.²." + "0" * 64, "invalid"),
        (signature() + "0", "invalid"),
        (signature() + ".0", "invalid"),
        (signature()[:-1], "invalid"),
        (signature().upper().replace("P1", "p1"), "invalid"),
        (signature().replace(".", ".0", 1), "invalid"),
        (signature().translate({ord(str(n)): 0xFF10 + n for n in range(10)}), "key_unknown"),
        ("p1" + signature()[2:].translate({ord("1"): 0xFF11}), "invalid"),
        (signature().replace(str(VALID_UNTIL), str(VALID_UNTIL + 60)), "invalid"),
    ],
)
def test_a_signature_has_one_spelling(text: str, expected: str) -> None:
    assert verdict(text) == expected


@pytest.mark.parametrize("key_id", ["p1", "v2.p1"])
def test_a_receipt_signs_no_price_and_a_price_no_receipt(key_id: str) -> None:
    """Also where a store gives the gateway and the engine one key, whichever form it signs."""
    key = order_key(CUSTOMER, order_id())
    paid: dict[str, Any] = {"reference": "pay_01", "amount": 3_465, "currency": "GBP"}
    issued = receipt.sign(PRICE_KEY, key_id, order_key=key, **paid)
    assert verdict(f"p1.{VALID_UNTIL}.{issued.rpartition('.')[2]}") == "invalid"
    forged = Payment(**paid, receipt=f"{key_id}.{signature().rpartition('.')[2]}")
    assert receipt.verify(forged, key, {key_id: PRICE_KEY}) == "invalid"
    # Nor is either taken as it is.
    keys = {key_id: PRICE_KEY, f"{key_id}.{VALID_UNTIL}": PRICE_KEY}
    signed = signature(key_id=key_id)
    assert receipt.verify(Payment(**paid, receipt=signed), key, keys) == "invalid"
    assert verdict(issued, keys=keys) != "valid"


def test_a_line_break_is_in_no_signature() -> None:
    """Nor moves what was signed from one fact to the next."""
    mug, notebook = ORDER.lines
    one = replace(ORDER, lines=(replace(mug, sku=f"MUG\nline 1 600 {notebook.sku}"),))
    two = CustomerId(f"{CUSTOMER}\nchannel retail")
    for order, customer in ((one, CUSTOMER), (ORDER, two)):
        with pytest.raises(ValueError, match="line break"):
            signature(order, customer_id=customer)
        assert verdict(signature(), order, customer) == "invalid"


_texts = st.text(st.characters(exclude_categories=["Cc", "Zl", "Zp", "Cs"]), min_size=1, max_size=9)
_numbers = st.integers(0, 10**10)
_orders = st.builds(
    Order,
    channel=st.sampled_from(["retail", "wholesale"]),
    currency=_texts,
    lines=st.lists(st.builds(Line, _texts, _numbers, _numbers), max_size=4).map(tuple),
    discounts=st.lists(st.builds(Discount, _texts, _numbers), max_size=3).map(tuple),
    shipping=_numbers,
    tax=_numbers,
    total=_numbers,
    address=st.builds(
        Address,
        name=st.just(""),
        lines=st.just(()),
        city=st.just(""),
        country=_texts,
        postal_code=_texts | st.just(""),
        state=_texts | st.just(""),
    ),
    payment=st.just(Payment("", 0, "", "")),
)


@given(_orders, _texts, _numbers)
def test_what_is_signed_can_be_read_back_so_nothing_can_be_moved(
    order: Order, customer: str, valid_until: int
) -> None:
    text = canonical(order, CustomerId(customer), valid_until)
    assert read_back(text) == (order, customer, valid_until)


def read_back(text: str) -> tuple[Order, str, int]:
    first, *rest = text.split("\n")
    assert first == "spillway-price 1"
    facts: dict[str, list[str]] = {}
    for fact in rest:
        name, _, value = fact.partition(" ")
        facts.setdefault(name, []).append(value)
    one = {name: values[0] for name, values in facts.items() if name not in ("line", "discount")}
    lines = [re.fullmatch(r"(\d+) (\d+) (.+)", line, re.DOTALL) for line in facts.get("line", [])]
    discounts = [entry.partition(" ") for entry in facts.get("discount", [])]
    order = Order(
        channel=one["channel"],  # type: ignore[arg-type]
        currency=one["currency"],
        lines=tuple(Line(found[3], int(found[1]), int(found[2])) for found in lines if found),
        discounts=tuple(Discount(coupon, int(amount)) for amount, _, coupon in discounts),
        shipping=int(one["shipping"]),
        tax=int(one["tax"]),
        total=int(one["total"]),
        address=Address(
            "", (), "", one["country"], one.get("postal_code", ""), one.get("state", "")
        ),
        payment=Payment("", 0, "", ""),
    )
    return order, one["customer"], int(one["valid_until"])


def test_the_page_s_python_signs_as_the_service_does() -> None:
    page = (Path(__file__).parents[3] / "docs" / "pricing.md").read_text()
    (code,) = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the page's own code
    key = bytes.fromhex(VECTORS["key_hex"])
    for vector in VECTORS["vectors"]:
        made = names["price_signature"](
            key, VECTORS["key_id"], vector["order"], vector["customer"], VECTORS["valid_until"]
        )
        assert made == vector["price_signature"]
