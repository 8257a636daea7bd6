"""Two counts of the same orders, by different means, agree; and so do two sizes of one item.

The emulator's was counted by the proxy (docs/measured, renewed by `spillway cost --measure`), the
other in the simulation, now.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from urllib3.connection import HTTPConnection

from infra.stage import EVERY_EVENT
from spillway.plan.cost.batches import CROWD, ONE_BY_ONE, BatchFill
from spillway.plan.cost.measurement import LOADS, Load, recorded
from spillway.plan.cost.model import CostModel, cost_model, queued
from spillway.plan.cost.simulated import counted, request_bytes

WITHIN = 0.05
#: The simulation has no heads of answers, and so not all of the data that goes out.
_SEEN_BY_ONE = {"transfer.out"}


@pytest.fixture(scope="module")
def ours() -> CostModel:
    """A stage that publishes and logs everything, as the measured runs did."""
    model = cost_model()
    every = msgspec.structs.replace(
        model.stage, events_published=EVERY_EVENT.published, good_news_one_in=1
    )
    return replace(model, stage=every)


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("fill", [CROWD, ONE_BY_ONE], ids=["full", "single"])
def test_emulator_and_simulation_agree(ours: CostModel, load: Load, fill: BatchFill) -> None:
    emulator, simulated = (
        replace(ours, measurement=measurement).an_order(fill).by_price()
        for measurement in (recorded(load), counted(load))
    )
    assert emulator.keys() == simulated.keys()
    for price in emulator.keys() - _SEEN_BY_ONE:
        assert simulated[price] == pytest.approx(emulator[price], rel=WITHIN), price


def test_one_by_one_they_agree_call_by_call() -> None:
    """Nothing is derived here: each call of each function, as often as it was made."""
    emulator, simulated = recorded("one by one"), counted("one by one")
    for name, use in emulator.functions.items():
        assert _calls(simulated.functions[name].calls, simulated.orders) == pytest.approx(
            _calls(use.calls, emulator.orders), rel=WITHIN
        ), name


def _calls(calls: object, orders: int) -> dict[str, float]:
    """Requests an order by operation and resource. Secrets are read when time passes, and the
    watchdog looks at whatever is in the table by then."""
    return {
        f"{call.operation} {call.resource}": call.requests / orders
        for call in calls  # type: ignore[attr-defined]
        if call.service != "ssm" and call.operation not in ("BatchGetItem", "Query")
    }


@pytest.mark.parametrize("load", LOADS)
def test_writes_are_what_dynamodb_said_they_consumed(load: Load) -> None:
    measured = recorded(load)
    written = measured.total("write_units", service="dynamodb")
    assert measured.consumed_units == pytest.approx(written)
    # So an update of it takes one unit, however many facts there are.
    assert measured.progress_bytes_max < 1_024


def test_a_crowd_taken_to_batches_of_one_costs_what_was_measured_one_by_one(
    ours: CostModel,
) -> None:
    crowd = replace(ours, measurement=recorded("crowd")).an_order(ONE_BY_ONE)
    single = replace(ours, measurement=recorded("one by one")).an_order(ONE_BY_ONE)
    assert crowd.units("sqs.requests") == pytest.approx(single.units("sqs.requests"), rel=WITHIN)
    assert crowd.units("sns.requests") == pytest.approx(single.units("sns.requests"), rel=WITHIN)
    assert crowd.units("lambda.requests") == pytest.approx(
        single.units("lambda.requests"), rel=WITHIN
    )


def test_all_that_is_logged_of_an_order_that_went_well_is_good_news() -> None:
    """So a stage that samples it leaves out all of them; whatever else is logged costs in full."""
    used = counted("crowd").functions
    logged = {name: (use.log_lines, use.good_lines) for name, use in used.items() if use.log_lines}
    logged.pop("reads", None)
    assert logged
    assert all(lines == good for lines, good in logged.values())


def test_each_order_was_confirmed_with_two_writes() -> None:
    measured = recorded("crowd")
    put = measured.total("requests", operation="PutItem")
    updated = measured.total("requests", operation="UpdateItem")
    assert (put, updated) == (measured.orders, measured.orders)
    assert measured.express_share == 1


def test_a_delivery_by_the_express_path_waits_for_two_answers_one_after_the_other() -> None:
    """A queued one waits for one, and is made three times for an order."""
    ours, name = cost_model(), "deliver-inventory"
    express, plain = (
        model.work(name, model.measurement.functions[name], 1_769) for model in (ours, queued(ours))
    )
    answer, call = ours.figures.downstream_seconds.value, ours.figures.dynamodb_seconds.value
    # By the express path the order is read from the table first. Some few read another again.
    waits = (2 * answer + 2 * call, answer + call)
    assert (express.wait, plain.wait) == pytest.approx(waits, rel=0.01)
    used = queued(ours).measurement.functions
    assert used["deliver-fulfilment"].records == used[name].records
    assert used["deliver-accounting"].records == used[name].records


class _Socket:
    """Takes what is sent."""

    def __init__(self) -> None:
        self.sent = b""

    def settimeout(self, _: object) -> None:
        """Nothing here waits."""

    def sendall(self, content: bytes) -> None:
        self.sent += content


@pytest.mark.parametrize(("method", "body"), [("POST", b'{"order_id":"1"}'), ("GET", b"")])
def test_a_request_to_a_downstream_weighs_what_urllib3_sends(method: str, body: bytes) -> None:
    url, headers = "http://inventory.example.com/reservations?a=1", {"x-api-key": "key"}
    connection, socket = HTTPConnection("inventory.example.com"), _Socket()
    connection.sock = socket
    connection.request(method, "/reservations?a=1", body=body or None, headers=headers)
    assert request_bytes(method, url, headers, body) == len(socket.sent)
