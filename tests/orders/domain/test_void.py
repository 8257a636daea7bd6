"""The proof that an id is void is the service's, for one customer's id, and for nothing else. The
vectors are those that docs/client.md gives to gateways in other languages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from orders.domain.order import OrderKey, Payment
from orders.domain.receipt import sign, verify
from orders.domain.void import is_proven, proofs
from tests.builders import CUSTOMER, KEY, OTHER_CUSTOMER, order_id, order_key

DOCS = Path(__file__).parents[3] / "docs"
VECTORS = json.loads((DOCS / "contracts" / "vectors" / "void.json").read_text())
VECTOR_KEYS = {VECTORS["key_id"]: bytes.fromhex(VECTORS["key_hex"])}
ONE = order_key(CUSTOMER, order_id())
KEYS = {"k1": KEY, "v2.k2": b"the gateway's next key"}


def code_of_the_page() -> Any:
    """What a gateway's server is to copy, with the modules that the receipt's code imports."""
    page = (DOCS / "client.md").read_text()
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.+?)```", page, re.DOTALL):
        exec(code, names)  # noqa: S102
    return names["is_proven"]


@pytest.mark.parametrize("kind", ["proven", "refused"])
def test_the_vectors_and_the_page_s_code_are_the_service_s(kind: str) -> None:
    from_the_page = code_of_the_page()
    assert len(VECTORS[kind]) >= 3
    for vector in VECTORS[kind]:
        customer, id_, proof = vector["customer"], vector["order_id"], vector["proof"]
        assert is_proven(proof, order_key(customer, id_), VECTOR_KEYS) == (kind == "proven"), vector
        assert from_the_page(proof, VECTOR_KEYS, customer, id_) == (kind == "proven"), vector
        if kind == "proven":
            assert proofs(order_key(customer, id_), VECTOR_KEYS) == [proof]


def test_there_is_a_proof_for_whichever_key_the_gateway_has() -> None:
    made = proofs(ONE, KEYS)
    for name, key in KEYS.items():
        assert [is_proven(proof, ONE, {name: key}) for proof in made] == [
            proof.startswith(f"{name}.") for proof in made
        ]


@pytest.mark.parametrize(
    "other",
    [
        order_key(CUSTOMER, order_id()),
        order_key(OTHER_CUSTOMER, ONE.order_id),
        order_key(f"{CUSTOMER}\n", ONE.order_id),
    ],
    ids=["another id", "another customer", "a longer customer"],
)
def test_it_proves_nothing_of_another_order(other: OrderKey) -> None:
    [proof] = proofs(ONE, {"k1": KEY})
    assert not is_proven(proof, other, {"k1": KEY})


@pytest.mark.parametrize("proof", ["", "k1", "k1.", "k2." + "0" * 64, "k1." + "0" * 64, "k1.ä"])
def test_what_was_not_signed_proves_nothing(proof: str) -> None:
    assert not is_proven(proof, ONE, {"k1": KEY})


def test_a_proof_of_another_key_or_changed_proves_nothing() -> None:
    [proof] = proofs(ONE, {"k1": KEY})
    assert not is_proven(proof, ONE, {"k1": b"another key"})
    for changed in (proof[:-1], proof + "0", proof.upper(), proof.replace("k1.", "v2.k2.")):
        assert not is_proven(changed, ONE, KEYS)


def test_a_proof_is_no_receipt_and_a_receipt_no_proof() -> None:
    for key_id in KEYS:
        paid: dict[str, Any] = {"reference": "pay_1", "amount": 905, "currency": "GBP"}
        receipt = sign(KEY, key_id, order_key=ONE, **paid)
        assert not is_proven(receipt, ONE, {key_id: KEY})
        [proof] = proofs(ONE, {key_id: KEY})
        assert verify(Payment(**paid, receipt=proof), ONE, {key_id: KEY}) == "invalid"
