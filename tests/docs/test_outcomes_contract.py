"""docs/contracts/outcomes.yaml says what our own descriptions take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from orders.domain.parcels import PARCELS_MAX, TEXT_MAX, News, What
from orders.domain.saga import Downstream, Outcome, Step
from orders.downstream.description import described
from orders.downstream.keys import correlated
from orders.downstream.told import told
from orders.failures import PermanentFailure
from orders.handlers.outcomes import BODY_BYTES_MAX
from orders.ports import Told, ToldOfParcel
from tests.builders import NOW

CONTRACT = Path(__file__).parents[2] / "docs" / "contracts" / "outcomes.yaml"
DOCUMENT: dict[str, Any] = msgspec.yaml.decode(CONTRACT.read_text())
ROUTE = DOCUMENT["paths"]["/outcomes/{downstream}"]["post"]
EXAMPLES: dict[str, Any] = {
    name: example["value"]
    for name, example in ROUTE["requestBody"]["content"]["application/json"]["examples"].items()
}
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]

OUTCOMES = {
    "done": Outcome(NOW, reference="post_c0ffee0123456789"),
    "refused": Outcome(NOW, refusal="customer_blocked"),
}
NEWS = {
    "shipped": News("1", What.SHIPPED, NOW, "DHL", "00340434161094042557", 2),
    "delivered": News("1", What.DELIVERED, NOW),
    "returned": News("1", What.RETURNED, NOW),
    "order_returned": News("", What.RETURNED, NOW),
}
TAKERS: list[tuple[str, Downstream, bool, bool]] = [
    ("accounting-later", "accounting", True, False),
    ("fulfilment-later", "fulfilment", True, True),
    ("fulfilment-parcels", "fulfilment", False, True),
]


def valid(message: Any) -> bool:
    from jsonschema import Draft202012Validator

    schema = {"$ref": "#/components/schemas/Message", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema).is_valid(message)


@pytest.mark.parametrize(("name", "downstream", "takes_outcomes", "takes_news"), TAKERS)
def test_each_example_is_taken_by_the_descriptions_that_the_contract_names(
    name: str, downstream: Downstream, takes_outcomes: bool, takes_news: bool
) -> None:
    assert f"`{name}.toml`" in DOCUMENT["info"]["description"]
    outcomes = described(name, downstream).outcomes
    assert outcomes is not None
    assert EXAMPLES.keys() == OUTCOMES.keys() | NEWS.keys()
    for label, message in EXAMPLES.items():
        assert valid(message)
        named = correlated(message["correlation_id"])
        assert named is not None
        taken: Told | ToldOfParcel
        if label in OUTCOMES:
            taken, takes = Told(named[0], Step.POST, OUTCOMES[label]), takes_outcomes
        else:
            taken, takes = ToldOfParcel(named[0], Step.SHIP, NEWS[label]), takes_news
        body = msgspec.json.encode(message)
        if takes:
            assert told(body, outcomes, NOW) == taken
        else:
            with pytest.raises(PermanentFailure):
                told(body, outcomes, NOW)


def test_what_the_contract_rules_out_is_not_taken() -> None:
    outcomes = described("fulfilment-parcels", "fulfilment").outcomes
    assert outcomes is not None
    shipped, returned = EXAMPLES["shipped"], EXAMPLES["returned"]
    for wrong in (
        {"status": "lost"},
        {"parcel": "x" * (TEXT_MAX + 1)},
        {"carrier": "x" * (TEXT_MAX + 1)},
        {"tracking_number": ["1"]},
        {"parcels": 0},
        {"parcels": PARCELS_MAX + 1},
        {"parcel": ""},
        {"correlation_id": None},
        returned | {"parcel": None},
        returned | {"parcel": ""},
        EXAMPLES["order_returned"] | {"parcel": "1"},
    ):
        message = shipped | wrong
        assert not valid(message)
        with pytest.raises(PermanentFailure):
            told(msgspec.json.encode(message), outcomes, NOW)


def test_its_bounds_and_answers_are_the_codes() -> None:
    assert SCHEMAS["Parcels"]["maximum"] == PARCELS_MAX
    assert SCHEMAS["Parcel"]["maxLength"] == TEXT_MAX
    assert str(BODY_BYTES_MAX) in ROUTE["responses"]["413"]["description"]
    for name, downstream, _, _ in TAKERS:
        outcomes = described(name, downstream).outcomes
        assert outcomes is not None
        if outcomes.signature is not None:
            signed = {one["name"] for one in ROUTE["parameters"] if one["in"] == "header"}
            assert signed == {outcomes.signature.header, outcomes.signature.timestamp_header}
