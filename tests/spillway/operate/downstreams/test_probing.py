"""What a downstream answers, and what that would mean to an order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from infra.stage import Stage, load
from orders.domain.saga import Step
from spillway.operate.probing import Probe, probe, service_of
from tests.orders.downstream.servers import Answering, Asked, answering

Answered = tuple[int, Mapping[str, str], bytes]
KEY = "s3cr3t"
NOTHING: Answered = (404, {}, b'{"code":"nothing_on_record"}')


class Ssm:
    """Parameter Store with a secret under each name."""

    def get_parameter(self, **_: Any) -> Any:
        return {"Parameter": {"Value": KEY}}


def client(_service: str, _timeout_seconds: float = 0.0, /) -> Any:
    return Ssm()


def probed(
    server: Answering,
    *,
    send: bool = False,
    name: Any = "inventory",
    step: Step = Step.RESERVE,
    **changes: Any,
) -> Probe:
    stage = stage_with(server, name, **changes)
    service = service_of(stage, name, server.url, client, None)
    return probe(stage, name, step, service, send=send)


def stage_with(server: Answering, name: str, **changes: Any) -> Stage:
    replace = msgspec.structs.replace
    dev = load("dev")
    changed = replace(getattr(dev.downstreams, name), url=server.url, **changes)
    return replace(dev, downstreams=replace(dev.downstreams, **{name: changed}))


def test_it_looks_up_an_order_that_never_was_and_shows_the_command_without_its_secret() -> None:
    with answering(lambda _asked: NOTHING) as server:
        found = probed(server)
    [asked] = server.asked
    assert (asked.method, asked.headers["x-api-key"]) == ("GET", KEY)
    assert found.lookup == server.url + asked.path
    assert found.request.method == "POST"
    assert found.request.url == f"{server.url}/reservations"
    assert found.request.headers["idempotency-key"].startswith("reserve-")
    assert found.request.body["lines"] == [{"sku": "MUG-SAGE", "quantity": 2}]
    assert KEY not in repr(found)
    assert (found.means, found.right, found.next_step) == ("nothing", True, "")
    assert found.rule is not None
    assert found.rule.endswith('means = "nothing"')
    assert found.timeout_ms == 5_000
    # Inventory is where the express path begins; it waits for the two others.
    assert found.express_ms is None


def test_it_says_how_long_the_express_path_waits() -> None:
    with answering(lambda _asked: NOTHING) as server:
        found = probed(server, name="accounting", step=Step.POST)
    assert found.express_ms == 500


@pytest.mark.parametrize(
    ("answered", "means", "says", "next_step"),
    [
        ((401, {}, b"{}"), "misconfigured", "answered 401", "/spillway/dev/inventory/api-key"),
        ((404, {}, b"<html>"), "misconfigured", "answered 404", "check url in [downstreams."),
        ((301, {"location": "/"}, b""), "misconfigured", "answered 301", "check url in"),
        ((503, {}, b""), "unknown", "answered 503", "ask its owners"),
        ((422, {}, b"{}"), "wrong", "would become a dead letter", "declare what that means in"),
        (
            (200, {}, b'{"reference":"R-1"}'),
            "done",
            "it says done of an order that never was",
            "descriptions/inventory.toml",
        ),
    ],
)
def test_what_would_not_go_well_is_explained(
    answered: Answered, means: str, says: str, next_step: str
) -> None:
    with answering(lambda _asked: answered) as server:
        found = probed(server)
    assert (found.means, found.right, found.status) == (means, False, answered[0])
    assert says in found.says
    assert next_step in found.next_step


def test_nobody_there_is_said_too() -> None:
    with answering(lambda _asked: NOTHING) as server:
        pass
    found = probed(server)
    assert (found.means, found.status, found.right) == ("unknown", None, False)
    assert "/spillway/dev/inventory/api-key" in found.next_step


def test_a_command_is_sent_only_where_that_is_wanted() -> None:
    def answer(asked: Asked) -> Answered:
        assert json.loads(asked.body)["order_id"]
        return 409, {}, b'{"code":"out_of_stock"}'

    with answering(answer) as server:
        found = probed(server, send=True)
    [asked] = server.asked
    assert (asked.method, found.lookup) == ("POST", None)
    assert json.loads(asked.body) == found.request.body
    assert (found.means, found.right) == ("refused", True)
    assert found.rule == 'status = [409], means = "refused"'


def test_without_a_lookup_nothing_is_asked() -> None:
    replace = msgspec.structs.replace
    dev = load("dev")
    url = "https://sqs.eu-west-1.amazonaws.com/111122223333/ship"
    queue = replace(
        dev.downstreams.fulfilment,
        description="warehouse",
        url=url,
        auth="sigv4",
        outcomes_from="arn:aws:iam::111122223333:root",
    )
    stage = replace(dev, downstreams=replace(dev.downstreams, fulfilment=queue))
    service = service_of(stage, "fulfilment", url, client, None)
    found = probe(stage, "fulfilment", Step.SHIP, service, send=False)
    assert (found.means, found.right) == ("not asked", True)
    assert "--send" in found.next_step
    assert found.request.url == url
    assert found.request.body["items"] == [{"itemNumber": "MUG-SAGE", "units": 2}]


@pytest.mark.parametrize("step", [Step.CANCEL_SHIPMENT, Step.RECALL_SHIPMENT])
def test_a_step_that_names_an_earlier_one_is_shown_with_a_made_up_name(step: Step) -> None:
    with answering(lambda _asked: NOTHING) as server:
        found = probed(server, name="fulfilment", step=step)
    assert found.right
