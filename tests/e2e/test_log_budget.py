"""What a confirmed order may cost in logs; the figures kept for the cost report are such."""

from __future__ import annotations

import json

from benchmarks.log_bytes import BUDGET_BYTES, OUT, bytes_of, with_overhead
from spillway.run.stack import Stack


def test_a_confirmed_order_keeps_to_its_log_budget(stack: Stack) -> None:
    figures = bytes_of(stack, 5, traced=False)
    assert round(figures["lines"]) == 4
    assert set(figures["by_function"]) == {
        "intake",
        "deliver-inventory",
        "deliver-fulfilment",
        "deliver-accounting",
    }
    assert with_overhead(figures) <= BUDGET_BYTES


def test_the_figures_that_are_kept_are_within_it_too() -> None:
    kept = json.loads(OUT.read_text())
    assert with_overhead(kept["confirmed_order"]) <= kept["budget_bytes"] == BUDGET_BYTES
    assert kept["confirmed_order_with_a_traceparent"]["bytes"] <= BUDGET_BYTES
