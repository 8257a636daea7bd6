"""A payment's receipt holds for one order of one customer, and nothing in it can be moved. The
vectors are those that docs/client.md gives to gateways in other languages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.domain.order import OrderKey, Payment
from orders.domain.receipt import Verdict, canonical, canonical_of_credit, sign, verify
from tests.builders import CUSTOMER, KEY, KEY_ID, OTHER_CUSTOMER, order_id, order_key

ROOT = Path(__file__).parents[3]
VECTORS, CREDIT = (
    json.loads((ROOT / "docs" / "contracts" / "vectors" / f"{name}.json").read_text())
    for name in ("receipt", "credit")
)
RELEASE = ROOT / "tests" / "releases" / "0.2.0" / "orders.zip"
OURS = order_key(CUSTOMER, order_id())
TERMS: dict[str, Any] = {"reference": "pay_01", "amount": 3_465, "currency": "GBP"}
#: As the gateway signs it: with the customer, and as it did until 0.2.0.
FORMS = {KEY_ID: KEY, "k0": b"a key until now"}


def paid(key_id: str = KEY_ID, order: OrderKey = OURS, **terms: Any) -> Payment:
    terms = {**TERMS, **terms}
    return Payment(**terms, receipt=sign(FORMS[key_id], key_id, order_key=order, **terms))


def verdict(payment: Payment, order: OrderKey = OURS) -> Verdict:
    return verify(payment, order, FORMS)


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: str(vector["name"]))
def test_the_vectors_are_what_the_service_takes(vector: dict[str, Any]) -> None:
    order, terms = order_key(vector["customer"], vector["order_id"]), vector["payment"]
    assert canonical(order, **terms).split("\n") == vector["signed"]
    payment = Payment(**terms, receipt=vector["receipt"])
    keys = {VECTORS["key_id"]: bytes.fromhex(VECTORS["key_hex"])}
    assert verify(payment, order, keys) == "valid"


@pytest.mark.parametrize("vector", CREDIT["vectors"], ids=lambda vector: str(vector["name"]))
def test_the_vectors_of_credit_are_what_the_service_takes(vector: dict[str, Any]) -> None:
    order, terms = order_key(vector["customer"], vector["order_id"]), vector["payment"]
    assert canonical_of_credit(order, **terms).split("\n") == vector["signed"]
    payment = Payment(**terms, receipt=vector["receipt"])
    keys = {CREDIT["key_id"]: bytes.fromhex(CREDIT["key_hex"])}
    assert verify(payment, order, keys) == "valid"
    for change in ({"terms": "net90"}, {"terms": None}, {"amount": 2}, {"reference": "x"}):
        assert verify(replace(payment, **change), order, keys) == "invalid"
    assert verify(payment, order_key("mallory", order.order_id), keys) == "invalid"


def test_a_decision_and_a_payment_never_pass_for_each_other() -> None:
    """Also where a store gives all its keys the same bytes."""
    keys = dict.fromkeys(("k0", KEY_ID, "credit.k1"), KEY)
    decision = Payment(**TERMS, terms="net30", receipt="")
    signed = sign(KEY, "credit.k1", order_key=OURS, terms="net30", **TERMS)
    assert verify(replace(decision, receipt=signed), OURS, keys) == "valid"
    payments = [sign(KEY, key_id, order_key=OURS, **TERMS) for key_id in ("k0", KEY_ID)]
    for receipt in (signed, *payments):
        for key_id in keys:
            renamed = f"{key_id}.{receipt.rpartition('.')[2]}"
            for terms in (None, "net30"):
                fits = renamed == receipt and (terms is not None) == (receipt == signed)
                found = verify(replace(decision, terms=terms, receipt=renamed), OURS, keys)
                assert (found == "valid") == fits, (renamed, terms)


@pytest.mark.parametrize("key_id", FORMS)
@pytest.mark.parametrize(
    "change", [{"reference": "pay_02"}, {"amount": 3_464}, {"currency": "EUR"}], ids=str
)
def test_nothing_that_was_paid_can_be_changed(change: dict[str, Any], key_id: str) -> None:
    assert verdict(paid(key_id)) == "valid"
    assert verdict(replace(paid(key_id), **change)) == "invalid"


@pytest.mark.parametrize("key_id", FORMS)
def test_it_is_one_orders(key_id: str) -> None:
    assert verdict(paid(key_id), order_key(CUSTOMER, order_id())) == "invalid"


def test_it_is_one_customers() -> None:
    theirs = order_key(OTHER_CUSTOMER, OURS.order_id)
    assert verdict(paid(), theirs) == "invalid"
    assert verdict(paid(order=theirs)) == "invalid"


def test_until_0_2_0_it_was_anybodys() -> None:
    """This is why a gateway changes over."""
    assert verdict(paid("k0"), order_key(OTHER_CUSTOMER, OURS.order_id)) == "valid"


def test_each_key_signs_one_form() -> None:
    """Also where a store keeps the key and changes only its id."""
    for signer, named in ((KEY_ID, "k0"), ("k0", KEY_ID)):
        payment = paid(signer)
        other = f"{named}.{payment.receipt.rpartition('.')[2]}"
        keys = {named: FORMS[signer], signer: FORMS[signer]}
        assert verify(payment, OURS, keys) == "valid"
        assert verify(replace(payment, receipt=other), OURS, keys) == "invalid"


def test_a_line_break_is_in_no_receipt() -> None:
    """Nor moves what was signed from one fact to the next."""
    two = order_key(f"{CUSTOMER}\norder {OURS.order_id}", OURS.order_id)
    for order, reference in ((two, "pay_01"), (OURS, "pay_01\nreference pay_02")):
        with pytest.raises(ValueError, match="line break"):
            paid(order=order, reference=reference)
        assert verdict(replace(paid(), reference=reference), order) == "invalid"


@pytest.mark.parametrize(
    ("receipt", "expected"),
    [
        ("", "key_unknown"),
        (".", "key_unknown"),
        ("v2.k1", "key_unknown"),
        ("v2.k1.", "invalid"),
        ("v2.k1..", "key_unknown"),
        ("k0", "key_unknown"),
        ("k0.", "invalid"),
        (paid().receipt + "0", "invalid"),
        (paid().receipt[:-1], "invalid"),
        (paid().receipt + ".0", "key_unknown"),
        (paid().receipt.upper().replace("V2.K1", "v2.k1"), "invalid"),
        (paid().receipt.removeprefix("v2."), "key_unknown"),
        ("v2." + paid("k0").receipt, "key_unknown"),
        ("v2.k1." + "\u0660" * 64, "invalid"),
    ],
)
def test_a_receipt_has_one_spelling(receipt: str, expected: str) -> None:
    assert verdict(replace(paid(), receipt=receipt)) == expected


_lines = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=9)


@given(_lines, _lines, _lines, st.integers(0, 10**10), _lines)
def test_what_is_signed_can_be_read_back_so_nothing_can_be_moved(
    customer: str, order: str, reference: str, amount: int, currency: str
) -> None:
    signed = canonical(order_key(customer, order), reference, amount, currency)
    first, *facts = signed.split("\n")
    assert first == "spillway-receipt 2"
    assert [fact.partition(" ")[::2] for fact in facts] == [
        ("customer", customer),
        ("order", order),
        ("amount", str(amount)),
        ("currency", currency),
        ("reference", reference),
    ]


_IN_0_2_0 = """
import json, sys
sys.path.insert(0, sys.argv[1])
from orders.domain.order import Payment
from orders.domain.receipt import sign, verify
terms, keys, ours = json.loads(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
keys = {key_id: bytes.fromhex(key) for key_id, key in keys.items()}
new = terms.pop("receipt")
old = sign(keys["k0"], "k0", order_id=ours, **terms)
verdicts = [verify(Payment(**terms, receipt=each), ours, keys) for each in (old, new)]
print(json.dumps([old, *verdicts]))
"""


def test_while_0_2_0_runs_beside_this_code_both_take_the_receipts_of_the_old_key() -> None:
    """And 0.2.0 reads a list of keys that has the new one, whose receipts it does not take."""
    terms = json.dumps({**TERMS, "receipt": paid().receipt})
    keys = json.dumps({key_id: key.hex() for key_id, key in FORMS.items()})
    done = subprocess.run(  # noqa: S603 - the command is ours
        [sys.executable, "-c", _IN_0_2_0, str(RELEASE), terms, keys, OURS.order_id],
        capture_output=True,
        check=True,
        text=True,
    )
    old, *verdicts = json.loads(done.stdout)
    assert verdicts == ["valid", "key_unknown"]
    assert verdict(Payment(**TERMS, receipt=old)) == "valid"
    # Until the old key is removed.
    assert verify(Payment(**TERMS, receipt=old), OURS, {KEY_ID: KEY}) == "key_unknown"


def test_the_page_s_python_signs_as_the_service_does() -> None:
    page = (ROOT / "docs" / "client.md").read_text()
    code, *_ = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the page's own code
    key = bytes.fromhex(VECTORS["key_hex"])
    for vector in VECTORS["vectors"]:
        made = names["receipt"](
            key, VECTORS["key_id"], vector["customer"], vector["order_id"], vector["payment"]
        )
        assert made == vector["receipt"]
