"""The meter on the deployed service: what it reads agrees with the simulation, and is no more than
a confirmed order may cost in logs."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from orders.domain.trace import Trace
from spillway.errors import SpillwayError
from spillway.plan.cost.measurement import FunctionUse, Measurement, recorded
from spillway.plan.cost.meter import LOG_EVENT_BYTES
from spillway.plan.cost.running import measure, retail
from spillway.plan.cost.simulated import counted_in_a_crowd
from spillway.run.stack import Stack

pytestmark = pytest.mark.timeout(600)

ORDERS = 12
#: Of an order's two log lines together, as CloudWatch counts them.
LOG_BUDGET_BYTES = 550
TRACED = {"traceparent": Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True).header}


@pytest.fixture(scope="module")
def measured(expendable_stack: Stack) -> Measurement:
    """Orders that are traced: their log lines and their items have all that others have, and more.

    Measured again where it refuses to, because the machine was so busy that a call was repeated.
    """
    options: dict[str, Any] = {"orders": ORDERS, "warm_up_orders": 3, "headers": TRACED}
    for _ in range(2):
        with suppress(SpillwayError):
            return measure(expendable_stack, "crowd", **options)
    return measure(expendable_stack, "crowd", **options)


def _an_order(measurement: Measurement) -> dict[str, float]:
    """What does not depend on how full batches are, nor on how many processes came to run and for
    how long: secrets and the price book are read once by each, and looked at again in time."""
    return {
        f"{call.operation} {call.resource} {quantity}": getattr(call, quantity) / ORDERS
        for use in measurement.functions.values()
        for call in use.calls
        for quantity in ("entries", "write_units", "read_units")
        if call.operation not in ("GetParameter", "Query")
        and call.service != "s3"
        # The number of messages depends on how full they are: see the records below.
        and (quantity, call.service) != ("entries", "sqs")
    }


def test_emulator_and_simulation_count_the_same(measured: Measurement) -> None:
    simulated = counted_in_a_crowd(retail(ORDERS))
    assert _an_order(measured) == pytest.approx(_an_order(simulated), rel=0.05)
    for name, use in measured.functions.items():
        # Without parcels the simulated world has no `outcomes`, and here nobody tells of any.
        there = simulated.functions.get(name, FunctionUse())
        assert use.records == there.records, name


def test_what_dynamodb_said_was_consumed_is_what_was_counted(measured: Measurement) -> None:
    assert measured.consumed_units == measured.total("write_units", service="dynamodb")


def test_every_invocation_has_its_report_and_every_step_its_line(measured: Measurement) -> None:
    functions = measured.functions
    assert functions["intake"].invocations == ORDERS
    assert functions["intake"].log_lines == ORDERS
    use = functions["deliver-inventory"]
    assert (use.records, use.log_lines) == (ORDERS, ORDERS)
    assert use.messages < use.records
    assert use.messages / 10 <= use.invocations <= use.messages
    for name in ("deliver-fulfilment", "deliver-accounting"):
        assert functions[name].invocations == 0
    assert functions["relay"].records == 2 * ORDERS
    assert functions["drain"].invocations == 0


def test_orders_came_as_a_crowd(measured: Measurement) -> None:
    """They were held back until all were there: the first batch has them all."""
    relay = measured.functions["relay"]
    assert relay.records / relay.invocations > 2


def _log_bytes(measured: Measurement) -> float:
    uses = [use for name, use in measured.functions.items() if name != "reads"]
    return sum(use.log_bytes + LOG_EVENT_BYTES * use.log_lines for use in uses) / measured.orders


def test_a_confirmed_order_keeps_to_its_log_budget(measured: Measurement) -> None:
    lines = {name: use.log_lines for name, use in measured.functions.items() if use.log_lines}
    lines.pop("reads", None)
    assert lines == dict.fromkeys(("intake", "deliver-inventory"), measured.orders)
    assert _log_bytes(measured) <= LOG_BUDGET_BYTES


def test_the_recorded_measurement_keeps_to_it_too() -> None:
    assert _log_bytes(recorded("crowd")) <= LOG_BUDGET_BYTES
