"""What a stage costs, for docs/production-inventory.md: from its own templates, the price book and
what was measured of an order (docs/cost.md tells how)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spillway.plan.cost.deployed import of_templates
from spillway.plan.cost.findings import Findings, find
from spillway.plan.cost.measurement import recorded
from spillway.plan.cost.reckoning import MILLION, of
from spillway.plan.cost.report import dollars, operations, price_of
from spillway.plan.prices import load

HEAD = ("what", "a month", "price", "dollars, list price")


def found(stage: str, by_stack: Mapping[str, Mapping[str, Any]]) -> Findings:
    """All that is worked out about a stage's costs."""
    deployed = of_templates(stage, list(by_stack.values()))
    return find(of(recorded("crowd"), recorded("one by one"), deployed, load(None)), MILLION)


def at_rest(findings: Findings) -> Iterator[tuple[str, ...]]:
    """Rows of what is paid for whether orders come or not, and of what is while they do."""
    for item in (*findings.idle_list.items, *findings.working_list.items):
        busy = " (only with orders)" if item in findings.working_list.items else ""
        units = operations(item.operations)
        yield f"{item.name}{busy}", units, price_of(item), dollars(item.dollars)


def orders(findings: Findings) -> Iterator[tuple[str, ...]]:
    """Rows of what a million orders cost, by the way in which they come."""
    for load_ in findings.loads:
        yield load_.what, dollars(load_.billed), dollars(load_.list_price)
    yield "kept, each month", "", dollars(findings.kept_per_million)


def bills(findings: Findings) -> Iterator[tuple[str, ...]]:
    """Rows of whole months as AWS bills them."""
    yield "none", dollars(findings.idle.dollars), dollars(findings.idle.dollars)
    for month in findings.months:
        yield f"{month.orders:,}", dollars(month.spiky), dollars(month.steady)
