"""The page docs/cost.md and its charts, made from the tools: `make costs` renews them.

A test holds the page against what this would write now, so it cannot be edited or grow old.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from spillway.paths import PROJECT
from spillway.plan.capacity import chart as capacity_chart
from spillway.plan.capacity.planning import Plan, plan
from spillway.plan.capacity.report import count, moment, span
from spillway.plan.cost import chart, real
from spillway.plan.cost.alternatives import Compared
from spillway.plan.cost.findings import Findings, find
from spillway.plan.cost.loads import CROWD, TRICKLE
from spillway.plan.cost.reckoning import MILLION, Reckoning, reckoning
from spillway.plan.cost.report import (
    UNCONFIRMED,
    break_even,
    dollars,
    operations,
    parts,
    price_of,
    unconfirmed,
)
from spillway.plan.cost.savings import savings
from spillway.plan.profile import coupon

PAGE = PROJECT / "docs" / "cost.md"
CHARTS = PROJECT / "docs" / "cost"

_WHY = (
    ("takes orders", "API Gateway HTTP API", "REST API, otherwise the same",
     "checks the token and throttles before any code of ours is paid for"),
    ("runs code", "Lambda, arm64", "Fargate and MySQL, small",
     "nothing runs when nobody orders, and a thousand environments start in ten seconds"),
    ("keeps orders", "DynamoDB, on demand", "Spillway on provisioned capacity",
     "one write is durable in three zones; paid by the write, with no peak to provision"),
    ("hands on what is owed", "DynamoDB's stream", "EventBridge instead of stream and queues",
     "the outbox comes with the table: no second write that could tear apart"),
    ("waits for downstreams", "SQS, standard", "Step Functions Express",
     "a downstream may be out for a day; a queue a downstream keeps it to its own step"),
    ("decides what is owed", "a pure function", "Step Functions Standard",
     "a workflow service bills each step of each order, a function of the facts nothing"),
    ("tells others", "SNS", "EventBridge instead of stream and queues",
     "ten events a publish, and free delivery to queues"),
)  # fmt: skip


def write(page: Path = PAGE, charts: Path = CHARTS) -> None:
    """Write the page and its charts."""
    ours = reckoning()
    found, planned = find(ours, MILLION), plan(coupon())
    page.write_text(text(ours, found, planned), encoding="utf-8")
    charts.mkdir(exist_ok=True)
    chart.draw_parts(found, charts / "parts.png")
    chart.draw_months(found, charts / "months.png")
    chart.draw_alternatives(found, charts / "alternatives.png")
    capacity_chart.draw(planned, charts / "spike.png")


def text(ours: Reckoning, found: Findings, planned: Plan) -> str:
    """The page, the same for the same measurements, prices and settings."""
    return (
        "\n\n".join(
            [
                "# What it costs, and why each service was chosen",
                _intro(found),
                "![What a million orders cost, by part](cost/parts.png)",
                "## A month's bill",
                _months(found),
                "![A month's bill against orders a month](cost/months.png)",
                "## Why each service was chosen",
                _why(found),
                "## The same orders on other designs",
                _alternatives(found),
                "![A million orders on each design](cost/alternatives.png)",
                "## Real orders",
                _real(ours),
                "## How far it goes: a coupon's spike",
                _spike(planned),
                "![The spike: where orders wait and what to raise](cost/spike.png)",
                "## Item by item",
                _items(found),
                "## What moves the price",
                _sensitivity(found),
                "## What was tried to make it cheaper",
                _savings(ours),
                "## How it is counted",
                _counted(found),
            ]
        )
        + "\n"
    )


def _intro(found: Findings) -> str:
    crowd, steady, single = found.loads
    rows = [
        (f"a million orders in a {crowd.name}", dollars(crowd.billed), dollars(crowd.list_price),
         "a coupon's spike: every batch is full"),
        ("a million orders, evenly over a month", dollars(steady.billed),
         dollars(steady.list_price), ""),
        ("a million orders one by one", dollars(single.billed), dollars(single.list_price),
         "every batch is of one: the most that an order can cost"),
        ("keeping a million orders, each month", "", dollars(found.kept_per_million),
         "the first 25 GB are free"),
        ("a month without any order", dollars(found.idle.dollars), dollars(found.idle_list.dollars),
         "alarms, dashboard, and Lambda asking the queues"),
        ("metrics and secrets, a month with orders", "", dollars(found.working_list.dollars), ""),
    ]  # fmt: skip
    return (
        "This page is made by `make costs` from `spillway cost` and `spillway capacity`."
        " Dollars; us-east-1. *Billed* is what AWS bills in a month of"
        f" {found.orders_per_month:,} orders in an account of its own: the free tiers that every"
        " account has for good are taken off. *List* is the same without them, which is what many"
        f" more orders cost each.\n\n{_table(('', 'billed', 'list', ''), rows)}"
    )


def _months(found: Findings) -> str:
    rows = [(f"{m.orders:,}", dollars(m.spiky), dollars(m.steady)) for m in found.months]
    return (
        "All orders of the month kept, free tiers taken off. In crowds, batches are full; evenly,"
        " they are as full as the rate makes them.\n\n"
        + _table(("orders a month", "in crowds", "evenly"), rows, right=(0, 1, 2))
    )


def _why(found: Findings) -> str:
    known = {one.alternative.name: one for one in found.alternatives}
    crowd = found.loads[0].list_price
    rows = []
    for part, chosen, instead, why in _WHY:
        other = known[instead]
        rows.append((part, chosen, instead, _against(other, crowd), why))
    heads = ("what", "chosen", "instead of", f"a million there (here {dollars(crowd)})", "why")
    return (
        "Cost decides, then performance and operating effort. The last word is the table of"
        " alternatives below.\n\n" + _table(heads, rows)
    )


def _against(other: Compared, crowd: float) -> str:
    if other.alternative.based_on == "ours" and other.per_month > 1_000:
        return f"{dollars(other.per_million)}, and {dollars(other.per_month)} a month"
    if not other.per_million:
        return f"{dollars(other.per_month)} a month, busy or not"
    return f"{dollars(other.per_million)} ({other.per_million / crowd:.1f} times)"


def _alternatives(found: Findings) -> str:
    crowd = found.loads[0].list_price
    rows = [("**Spillway**", f"**{dollars(crowd)}**", dollars(found.idle_list.dollars), "", "")]
    for one in sorted(found.alternatives, key=lambda one: one.per_million + one.per_month):
        mark = "" if one.confirmed else UNCONFIRMED.replace("*", "\\*")
        rows.append((
            one.alternative.name,
            dollars(one.per_million) + mark,
            dollars(one.per_month) + mark,
            break_even(one),
            one.alternative.but,
        ))  # fmt: skip
    heads = ("", "a million", "a month", "cheaper from, orders a month", "but")
    return (
        "At list price, orders in a crowd. Each from operation counts with their sources, in"
        " `src/spillway/plan/cost/alternatives.toml`. What is there whether used or not takes only"
        " so many orders a second, and drops the rest.\n\n" + _table(heads, rows, right=(1, 2, 3))
    )


def _real(ours: Reckoning) -> str:
    rows = [
        (line.channel, f"{line.orders:,}", f"{line.bytes_stored:,.0f}", f"{line.write_units:.2f}",
         dollars(line.billed), dollars(line.list_price))
        for line in real.lines(ours, real.recorded())
    ]  # fmt: skip
    heads = ("", "orders", "stored, bytes", "write units", "a million, billed", "list")
    return (
        "The sales of December 2010 in the UCI data set Online Retail (D. Chen, CC BY 4.0,"
        " doi 10.24432/C5BW33), each placed, settled and counted in the simulation's model;"
        " `spillway cost --from FILE` does it with others.\n\n"
        + _table(heads, rows, right=(1, 2, 3, 4, 5))
    )


def _spike(planned: Plan) -> str:
    came = planned.outcome
    bottlenecks = [
        (span(one.began), span(one.ended), one.what, count(one.demand), count(one.limit))
        for one in came.bottlenecks
    ]
    kept = "\n".join(f"- {count(one.orders)}: {one.mechanism}." for one in came.kept)
    raises = []
    for rung, bill in zip(planned.rungs, planned.bills, strict=True):
        raised = rung.raised
        mark = "" if raised is None or raised.confirmed else "\\*"
        raises.append((
            "as it is" if raised is None
            else f"{raised.setting}: {count(raised.before)} → {count(raised.after)} ({raised.how})",
            "" if raised is None else f"{dollars(raised.dollars)}{mark}",
            moment(rung.outcome.resend.p99),
            moment(rung.outcome.settle.p99),
            span(rung.outcome.all_settled_at),
            dollars(bill),
        ))  # fmt: skip
    return (
        f"`spillway capacity`: 0 to {count(planned.profile.peak)} orders a second in 10 s, for"
        f" {span(planned.profile.seconds)}, on the settings of stage dev and a new table, against"
        f" AWS's published limits. {count(came.offered)} orders offered:"
        f" {count(came.accepted)} accepted at once, {count(came.buffered)} buffered,"
        f" {count(came.resent)} refused at first and acknowledged when their clients sent them"
        f" again (p50 {moment(came.resend.p50)}), **{count(came.lost)} lost**. Settled after"
        f" {moment(came.settle.p50)} (p50) and {moment(came.settle.p99)} (p99);"
        f" {dollars(planned.bill.dollars)} dollars at list price."
        f"\n\nWhy none is lost:\n\n{kept}\n\n"
        + _table(("from", "to", "bottleneck", "at worst", "limit a second"), bottlenecks,
                 right=(3, 4))
        + "\n\nWhat to raise, one after the other:\n\n"
        + _table(("raise", "price, once", "resent p99", "settled p99", "all settled",
                  "whole spike"), raises, right=(1, 2, 3, 4, 5))
    )  # fmt: skip


def _items(found: Findings) -> str:
    single = {item.name: item for item in found.ours.per_million(TRICKLE).items}
    crowd = found.ours.per_million(CROWD)
    rows = [
        (item.name, operations(item.operations), price_of(item),
         f"{item.dollars:.3f}{'' if item.confirmed else UNCONFIRMED.replace('*', chr(92) + '*')}",
         operations(single[item.name].operations), f"{single[item.name].dollars:.3f}")
        for item in crowd.largest_first()
    ]  # fmt: skip
    total = sum(item.dollars for item in single.values())
    rows.append(("**together**", "", "", f"**{crowd.dollars:.3f}**", "", f"**{total:.3f}**"))
    largest, share = next(iter(parts(crowd).items()))
    heads = ("a million orders", "in a crowd", "price", "dollars", "one by one", "dollars")
    return (
        f"Operations times price, at list price. The largest part is the {largest}:"
        f" {dollars(share)} of {dollars(crowd.dollars)} in a crowd, four writes an order.\n\n"
        + _table(heads, rows, right=(1, 2, 3, 4, 5))
    )


def _sensitivity(found: Findings) -> str:
    rows = [
        (row.what, row.value, dollars(row.dollars) + (" a month" if row.per_month else ""),
         "as it is" if row.base else "")
        for row in found.rows
    ]  # fmt: skip
    return "One thing at a time; a million orders in a crowd, at list price.\n\n" + _table(
        ("", "", "dollars", ""), rows, right=(2,)
    )


def _savings(ours: Reckoning) -> str:
    rows = [
        (one.what, f"{one.crowd:.3f}", f"{one.trickle:.3f}", "yes" if one.kept else "no", one.why)
        for one in savings(ours)
    ]
    return (
        "Dollars saved of a million orders, at list price. `make check` counts an order anew in the"
        " simulation's model and fails, naming the culprit, when operations or dollars exceed"
        " `src/spillway/plan/cost/budget.toml`.\n\n"
        + _table(("", "in a crowd", "one by one", "kept", "why"), rows, right=(1, 2))
    )


def _counted(found: Findings) -> str:
    measured = found.ours.measurement
    notes = "\n".join(f"- {note}" for note in unconfirmed(found))
    return (
        f"Measured on {measured.taken_at}: {measured.orders} confirmed orders"
        f" ({measured.workload}) through the deployed service on the emulator, once as a crowd and"
        " once one by one. Every call of the functions is counted on the wire, with DynamoDB's"
        " units and the 64 KB chunks of messages; sizes are those of the items; invocations are the"
        " REPORT lines, log bytes the functions' own lines plus 26 for each. Lambda's polling of"
        " queues does not pass the wire: a receipt and a deletion for each started ten messages of"
        " a batch, and idle polls by its documented pollers. What a batch or a message shares is"
        " derived anew for other batches, and tests hold that against the other run. The"
        " simulation's model counts the same orders by other means; the two agree within 5%,"
        " tested.\n\n"
        "Times: processor time of the functions' own processes as measured here, at the processor"
        " share of their memory, plus the calls that they wait for. The emulator's durations are"
        " not used. How long AWS's services and a downstream take to answer is an estimate, and so"
        f" are these:\n\n{notes}\n\n"
        "Prices and their sources: `src/spillway/plan/prices/us-east-1.toml`; others with"
        " `spillway cost --prices FILE`."
    )


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = (1, 2)
) -> str:
    rule = ["--:" if place in right else "---" for place in range(len(heads))]
    lines = [heads, rule, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main() -> None:
    """Renew the page; with a file of real sales, also what they cost."""
    parser = argparse.ArgumentParser(prog="spillway.plan.docs", description=__doc__)
    parser.add_argument("--sales", type=Path, help="count the sales of this file anew")
    sales = parser.parse_args().sales
    if sales is not None:
        real.record(sales)
    write()


if __name__ == "__main__":
    main()
