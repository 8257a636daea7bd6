"""docs/contracts/events.yaml says what the code announces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.stage import load
from orders.aws.topic import SnsEvents, cloud_event
from orders.domain.events import SOURCE, Event, EventType, became_true
from orders.domain.order import OrderKey
from orders.domain.parcels import News, What
from orders.domain.saga import Facts
from orders.domain.units import Millis
from tests.builders import CUSTOMER, NOW, order_id

CONTRACT = Path(__file__).parents[2] / "docs" / "contracts" / "events.yaml"
DOCUMENT: dict[str, Any] = msgspec.yaml.decode(CONTRACT.read_text())
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
CHANNEL: dict[str, Any] = DOCUMENT["channels"]["orderEvents"]

# Source: the AsyncAPI 3.0.0 specification, its objects' fixed fields as far as this document uses
# them, the required ones first. No validator of AsyncAPI 3 is kept on PyPI.
FIELDS = {
    "document": (
        {"asyncapi", "info"},
        {"id", "defaultContentType", "servers", "channels", "operations", "components"},
    ),
    "info": ({"title", "version"}, {"description", "license", "contact", "tags", "externalDocs"}),
    "server": (
        {"host", "protocol"},
        {"protocolVersion", "pathname", "description", "title", "summary", "variables", "security"},
    ),
    "channel": (
        set(),
        {"address", "messages", "title", "summary", "description", "servers", "parameters"}
        | {"tags", "externalDocs", "bindings"},
    ),
    "operation": (
        {"action", "channel"},
        {"title", "summary", "description", "security", "tags", "bindings", "messages", "reply"},
    ),
    "message": (
        set(),
        {"headers", "payload", "correlationId", "contentType", "name", "title", "summary"}
        | {"description", "tags", "bindings", "examples", "traits"},
    ),
    "example": (set(), {"headers", "payload", "name", "summary"}),
}


class TestItIsAsyncApi:
    def test_every_object_has_the_fields_of_the_specification(self) -> None:
        objects: list[tuple[str, dict[str, Any]]] = [
            ("document", DOCUMENT),
            ("info", DOCUMENT["info"]),
            *(("server", server) for server in DOCUMENT["servers"].values()),
            *(("channel", channel) for channel in DOCUMENT["channels"].values()),
            *(("operation", operation) for operation in DOCUMENT["operations"].values()),
            *(("message", message) for message in MESSAGES.values()),
            *(("example", shown) for message in MESSAGES.values() for shown in message["examples"]),
        ]
        for kind, described in objects:
            required, optional = FIELDS[kind]
            assert required <= described.keys() <= required | optional, kind
        assert DOCUMENT["asyncapi"] == "3.0.0"

    def test_every_reference_leads_somewhere(self) -> None:
        references = list(references_in(DOCUMENT))
        assert references
        for reference in references:
            resolved(reference)

    def test_an_operation_speaks_of_its_channels_own_messages(self) -> None:
        (operation,) = DOCUMENT["operations"].values()
        assert resolved(operation["channel"]["$ref"]) is CHANNEL
        assert [one["$ref"] for one in operation["messages"]] == [
            f"#/channels/orderEvents/messages/{name}" for name in CHANNEL["messages"]
        ]
        assert operation["action"] == "send"

    def test_every_parameter_and_variable_is_described(self) -> None:
        assert set(re.findall(r"{(\w+)}", CHANNEL["address"])) == CHANNEL["parameters"].keys()
        for server in DOCUMENT["servers"].values():
            assert set(re.findall(r"{(\w+)}", server["host"])) == server["variables"].keys()

    @pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
    def test_every_schema_is_one(self, schema: dict[str, Any]) -> None:
        """AsyncAPI's own schema objects are a superset of JSON Schema Draft 07."""
        from jsonschema import Draft7Validator

        Draft7Validator.check_schema(schema)

    @pytest.mark.parametrize("name", MESSAGES)
    def test_every_example_is_valid(self, name: str) -> None:
        for example in MESSAGES[name]["examples"]:
            check(name, payload=example["payload"], headers=example["headers"])


class TestItIsTheCodes:
    def test_the_types(self) -> None:
        described = {name: message["name"] for name, message in MESSAGES.items()}
        assert described == {type_.name.lower(): type_.value for type_ in EventType}
        assert CHANNEL["messages"].keys() == MESSAGES.keys()

    def test_the_required_attributes_are_all_that_is_sent(self) -> None:
        for name in MESSAGES:
            sent, _ = published(name)
            assert list(sent) == SCHEMAS["Event"]["required"]
            assert list(sent) == list(SCHEMAS["Event"]["properties"])
            data = resolved(data_schema(name)["$ref"])
            assert list(sent["data"]) == data["required"] == list(data["properties"])
        assert SCHEMAS["Event"]["properties"]["source"] == {"const": SOURCE}

    @pytest.mark.parametrize("name", MESSAGES)
    def test_an_event_as_it_is_published(self, name: str) -> None:
        payload, attributes = published(name)
        check(name, payload=payload, headers=attributes)

    @pytest.mark.parametrize("name", MESSAGES)
    def test_an_event_sent_again_is_the_same(self, name: str) -> None:
        event = an_event(name)
        assert cloud_event(event) == cloud_event(event)
        assert json.loads(cloud_event(event))["id"] == event.id

    @pytest.mark.parametrize("name", MESSAGES)
    def test_no_event_passes_for_another(self, name: str) -> None:
        from jsonschema import ValidationError

        for other in MESSAGES.keys() - {name}:
            payload, attributes = published(other)
            with pytest.raises(ValidationError):
                check(name, payload=payload, headers=attributes)

    @pytest.mark.parametrize("name", MESSAGES)
    def test_an_event_that_lacks_anything_is_found(self, name: str) -> None:
        from jsonschema import ValidationError

        payload, attributes = published(name)
        for missing in payload:
            without = {key: value for key, value in payload.items() if key != missing}
            with pytest.raises(ValidationError):
                check(name, payload=without, headers=attributes)

    @pytest.mark.parametrize("stage", ["local", "dev"])
    def test_the_topics_name(self, stage: str) -> None:
        name = load(stage).resource_name("order-events")
        assert CHANNEL["address"].replace("{stage}", stage) == name
        assert CHANNEL["bindings"]["sns"]["name"] == CHANNEL["address"]


class Topic:
    """An SNS client that takes everything."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def publish_batch(self, PublishBatchRequestEntries: Any, **_: str) -> dict[str, Any]:  # noqa: N803
        self.entries += PublishBatchRequestEntries
        return {}


def an_event(name: str) -> Event:
    type_ = EventType[name.upper()]
    reasons = {EventType.REJECTED: "out_of_stock", EventType.PAYMENT_RETURNED: "no_order"}
    about = "0123456789abcdef" if type_ is EventType.PAYMENT_RETURNED else None
    key = OrderKey(CUSTOMER, order_id())
    if name in [*What]:
        news = News("1", What(name), Millis(NOW + 123), "DHL", "00340434161094042557")
        [event] = became_true(key, Facts(), Facts(news={news.key: news}))
        return event
    return Event(type_, key, Millis(NOW + 123), reasons.get(type_), about)


def published(name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """An event's body and its message attributes, as SNS gets them."""
    topic = Topic()
    SnsEvents(topic, "arn", frozenset(EventType)).publish([an_event(name)])
    (entry,) = topic.entries
    attributes = entry["MessageAttributes"]
    return json.loads(entry["Message"]), {
        key: value["StringValue"] for key, value in attributes.items()
    }


def check(name: str, *, payload: Any, headers: Any) -> None:
    from jsonschema import Draft7Validator

    for part, value in (("payload", payload), ("headers", headers)):
        schema = {**MESSAGES[name][part], "components": DOCUMENT["components"]}
        Draft7Validator(schema).validate(value)


def data_schema(name: str) -> dict[str, Any]:
    schema = resolved(MESSAGES[name]["payload"]["$ref"])
    described: dict[str, Any] = schema["allOf"][1]["properties"]["data"]
    return described


def references_in(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references_in(value)
    elif isinstance(part, list):
        for value in part:
            yield from references_in(value)


def resolved(reference: str) -> Any:
    found: Any = DOCUMENT
    root, *steps = reference.split("/")
    assert root == "#", reference
    for step in steps:
        found = found[step]
    return found
