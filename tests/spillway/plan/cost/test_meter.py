"""The meter on the deployed service: what it reads agrees with the simulation."""

from __future__ import annotations

import pytest

from spillway.plan.cost.measurement import Measurement
from spillway.plan.cost.running import measure, retail
from spillway.plan.cost.simulated import counted
from spillway.run.stack import running

pytestmark = pytest.mark.timeout(240)

ORDERS = 12


@pytest.fixture(scope="module")
def measured(own_stacks: None) -> Measurement:
    """On a stack of its own: on a shared one, orders of other tests that are retried count too."""
    with running() as stack:
        return measure(stack, "crowd", orders=ORDERS, warm_up_orders=3)


def _an_order(measurement: Measurement) -> dict[str, float]:
    """What does not depend on how full batches are."""
    return {
        f"{call.operation} {call.resource} {quantity}": getattr(call, quantity) / ORDERS
        for use in measurement.functions.values()
        for call in use.calls
        for quantity in ("entries", "write_units", "read_units")
        if call.operation not in ("GetParameter", "Query")
        # The number of messages depends on how full they are: see the records below.
        and (quantity, call.service) != ("entries", "sqs")
    }


def test_emulator_and_simulation_count_the_same(measured: Measurement) -> None:
    simulated = counted("crowd", retail(ORDERS))
    assert _an_order(measured) == pytest.approx(_an_order(simulated), rel=0.05)
    for name, use in measured.functions.items():
        assert use.records == simulated.functions[name].records, name


def test_what_dynamodb_said_was_consumed_is_what_was_counted(measured: Measurement) -> None:
    assert measured.consumed_units == measured.total("write_units", service="dynamodb")


def test_every_invocation_has_its_report_and_every_step_its_line(measured: Measurement) -> None:
    functions = measured.functions
    assert functions["intake"].invocations == ORDERS
    assert functions["intake"].log_lines == ORDERS
    for name in ("inventory", "fulfilment", "accounting"):
        use = functions[f"deliver-{name}"]
        assert (use.records, use.log_lines) == (ORDERS, ORDERS)
        assert use.messages < use.records
        assert use.messages / 10 <= use.invocations <= use.messages
    assert functions["relay"].records == 4 * ORDERS
    assert functions["drain"].invocations == 0


def test_orders_came_as_a_crowd(measured: Measurement) -> None:
    """They were held back until all were there: the first batch has them all."""
    relay = measured.functions["relay"]
    assert relay.records / relay.invocations > 2
