"""The proof that an id is void is the service's, for one customer's id, and for nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from orders.domain.order import OrderKey, Payment
from orders.domain.receipt import sign, verify
from orders.domain.void import is_proven, proofs
from tests.builders import CUSTOMER, KEY, OTHER_CUSTOMER, order_id, order_key

ONE = order_key(CUSTOMER, order_id())
KEYS = {"k1": KEY, "v2.k2": b"the gateway's next key"}


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
