"""What a confirmed order may cost in logs."""

from __future__ import annotations

import pytest

from orders.domain.trace import Trace
from spillway.plan.cost.measurement import Measurement, recorded
from spillway.plan.cost.meter import LOG_EVENT_BYTES
from spillway.plan.cost.running import measure
from spillway.run.stack import Stack

BUDGET_BYTES = 1_000
ORDERS = 5
TRACED = {"traceparent": Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True).header}


def _log_bytes(measured: Measurement) -> float:
    uses = [use for name, use in measured.functions.items() if name != "reads"]
    return sum(use.log_bytes + LOG_EVENT_BYTES * use.log_lines for use in uses) / measured.orders


@pytest.mark.parametrize("headers", [{}, TRACED], ids=["untraced", "traced"])
def test_a_confirmed_order_keeps_to_its_log_budget(stack: Stack, headers: dict[str, str]) -> None:
    measured = measure(stack, "crowd", orders=ORDERS, warm_up_orders=1, headers=headers)
    lines = {name: use.log_lines for name, use in measured.functions.items() if use.log_lines}
    lines.pop("reads", None)
    assert lines == dict.fromkeys(
        ("intake", "deliver-inventory", "deliver-fulfilment", "deliver-accounting"), ORDERS
    )
    assert _log_bytes(measured) <= BUDGET_BYTES


def test_the_recorded_measurement_keeps_to_it_too() -> None:
    assert _log_bytes(recorded("crowd")) <= BUDGET_BYTES
