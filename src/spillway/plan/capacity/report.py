"""A plan: as JSON for scripts, and as one table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from spillway.plan.capacity.outcome import Outcome, Waits
from spillway.plan.capacity.planning import Plan, Without, service_of, without_express
from spillway.plan.capacity.recommendations import Raise, ScalingStep
from spillway.plan.capacity.simulate import simulate
from spillway.plan.cost.model import CostModel
from spillway.plan.profile import coupon
from spillway.plan.tables import UNCONFIRMED, Table
from spillway.target import limits
from spillway.ui.formatting import duration, large

if TYPE_CHECKING:
    from rich.console import Console


def document(plan: Plan) -> dict[str, Any]:
    """One JSON object. Its first four keys never change. Orders are whole, seconds are virtual."""
    came = plan.outcome
    return {
        "orders": {
            name: round(getattr(came, name))
            for name in ("offered", "accepted", "buffered", "resent", "lost")
        },
        "settle_seconds": _waits(came.settle),
        "bottlenecks": [
            {
                "name": one.name,
                "what": one.what,
                "from": round(one.began, 2),
                "to": round(one.ended, 2),
                "demand": round(one.demand, 1),
                "limit": round(one.limit, 1),
            }
            for one in came.bottlenecks
        ],
        "dollars": round(plan.bills[0], 4),
        "profile": plan.profile.name,
        "resend_seconds": _waits(came.resend),
        "buffer_seconds": _waits(came.buffer),
        "all_settled_at": round(came.all_settled_at, 1),
        "decide_later": plan.model.stage.decide_later,
        "needs_a_person": round(came.needs_a_person),
        "ids_older_than_a_day": round(came.late_ids),
        "kept_by": [
            {"mechanism": mechanism, "orders": round(orders)}
            for mechanism, orders in came.kept.items()
        ],
        "longest_wait_seconds": {
            "stream": round(came.stream_seconds_max, 1),
            "stream_keeps": limits.STREAM_RETENTION_SECONDS,
            "queue": round(came.queue_seconds_max, 1),
            "queue_keeps": limits.SQS_RETENTION_SECONDS,
        },
        "backlog_max": {name: round(most) for name, most in came.backlogs_max.items()},
        "looks": round(came.looks),
        "environments": round(came.flow.environments.ever),
        "checks": {
            "set": round(plan.checks.set),
            "unsettled_at_the_first": round(plan.checks.requeued),
            "postponed": round(plan.checks.postponed),
            "in_flight_max": round(plan.checks.in_flight_max),
            "dollars": round(plan.for_checks, 4),
        },
        "limited_coupon": _claims_document(plan),
        "without_express": [_without(one) for one in plan.without_express],
        "raises": [_step(step, bill) for step, bill in zip(plan.steps, plan.bills, strict=True)],
    }


def _claims_document(plan: Plan) -> dict[str, Any] | None:
    """At the profile's peak; None where orders have no limited coupon."""
    claims = plan.outcome.flow.service.claims
    if claims is None:
        return None
    met = claims.met(plan.profile.peak)
    return {
        "counters": claims.counters,
        "orders_per_second_of_each": round(plan.profile.peak / claims.counters, 2),
        "tries_per_order": round(claims.tries(met), 4),
        "refused": round(claims.refused(met), 6),
        "dollars": round(plan.for_claims, 4),
    }


def _waits(waits: Waits) -> dict[str, float | None]:
    return {name: value and round(value, 3) for name, value in asdict(waits).items()}


def _without(without: Without) -> dict[str, Any]:
    """Without [express], with the settings of the first step and of the last one."""
    return {**_settled(without.outcome), "dollars": round(without.dollars, 2)}


def _settled(came: Outcome) -> dict[str, Any]:
    return {
        "settle_seconds": _waits(came.settle),
        "resend_seconds": _waits(came.resend),
        "lost": round(came.lost),
        "all_settled_at": round(came.all_settled_at, 1),
    }


def _step(step: ScalingStep, bill: float) -> dict[str, Any]:
    raised = step.raised
    return {
        "raised": None
        if raised is None
        else {
            "setting": raised.setting,
            "before": raised.before,
            "after": round(raised.after, 1),
            "how": raised.how,
            "dollars": round(raised.dollars, 2),
            "confirmed": raised.confirmed,
        },
        **_settled(step.outcome),
        "dollars": round(bill, 2),
    }


def crowd_table(model: CostModel) -> Table:
    """A coupon's spike on a stage with [express] as it is, by the ways that its orders go."""
    spike, service = coupon(), service_of(model)
    express = service.express
    if express is None:
        raise ValueError(f"{model.stage.stage} has no [express]")
    ill = replace(service, express=replace(express, left_over=1.0))
    ways = {
        "by the express path": Outcome(simulate(spike, service)),
        **{
            f"without `[express]`, deliver with {size} MB": without_express(
                spike, service, size, model
            ).outcome
            for size in (min(express.sizes), express.memory_mb)
        },
        "with it, fulfilment or accounting not in time": Outcome(simulate(spike, ill)),
    }
    rows = [
        (
            way,
            *map(duration, (came.settle.p50, came.settle.p99, came.all_settled_at)),
            large(came.lost),
        )
        for way, came in ways.items()
    ]
    head = ("orders go", "half have settled after", "99% after", "the last after", "lost")
    return Table("", head, rows, (1, 2, 3, 4))


def show(plan: Plan, console: Console) -> None:
    """The whole plan."""
    came = plan.outcome
    rows = [*_orders(plan), *_bottlenecks(came), *_raises(plan)]
    console.print(Table(f"The spike: {plan.profile.name}", ("", "", ""), rows, (1,)).panel())
    style = "bold red" if came.lost else "bold green"
    console.print(f"{large(came.lost)} of {large(came.offered)} orders lost.", style=style)
    console.print(
        "A model: orders as a flow, AWS's published limits, handler times as in `spillway cost`."
        f" {UNCONFIRMED} marks a price that no source confirms.",
        style="dim",
    )
    if plan.model.stage.left_out:
        console.print(plan.model.stage.left_out, style="yellow")


def _orders(plan: Plan) -> Iterator[tuple[str, str, str]]:
    came = plan.outcome
    lasting = f"{duration(plan.profile.seconds)}, up to {large(plan.profile.peak)} a second"
    yield "offered", large(came.offered), lasting
    yield "accepted", large(came.accepted), "at once, into the table"
    yield "buffered", large(came.buffered), f"overflow queue; drained after {_pair(came.buffer)}"
    yield "resent", large(came.resent), f"refused first; acknowledged after {_pair(came.resend)}"
    yield "lost", large(came.lost), ""
    for mechanism, orders in came.kept.items():
        yield "", large(orders), mechanism
    yield "settled", "", f"after {_pair(came.settle)} from acknowledgement (p50, p99)"
    yield "", duration(came.all_settled_at), "after the start, the last one"
    for place, most in came.backlogs_max.items():
        if most >= 1:
            yield "waited", large(most), f"at most, at one time: {place}"
    for longest, place, keeps in (
        (came.stream_seconds_max, "the stream", limits.STREAM_RETENTION_SECONDS),
        (came.queue_seconds_max, "a queue", limits.SQS_RETENTION_SECONDS),
    ):
        yield "longest", duration(longest), f"in {place}, which keeps {duration(keeps)}"
    yield (
        "looks",
        large(came.looks),
        "of customers at their orders, as many as the API lets through",
    )
    yield "dollars", f"{plan.bills[0]:,.2f}", "at list price, through CloudFront, with all looks"
    yield from _checks(plan)
    claims = _claims_document(plan)
    if claims is not None:
        yield "", f"{claims['dollars']:,.2f}", "of them for the limited coupons"
        each = large(claims["orders_per_second_of_each"])
        tries, refused = f"{claims['tries_per_order']:.2f}", f"{claims['refused']:.2%}"
        what = f"each for {each} orders a second; {tries} tries an order, {refused} sent again"
        yield "counters", large(claims["counters"]), what


def _checks(plan: Plan) -> Iterator[tuple[str, str, str]]:
    checks = plan.checks
    if checks.requeued >= 1:
        what = f"of them for the watchdog, which finds {large(checks.requeued)} orders unsettled"
        yield "", f"{plan.for_checks:,.2f}", what
    yield "checks", large(checks.set), "of orders that had not settled at once"
    if checks.in_flight_max > limits.SQS_IN_FLIGHT_MAX:
        most = large(limits.SQS_IN_FLIGHT_MAX)
        what = f"checks would wait in flight; SQS lets {most}, so others begin up to 4 h late"
        yield "", large(checks.in_flight_max), what


def _bottlenecks(came: Outcome) -> Iterator[tuple[str, str, str]]:
    """In the order in which they began."""
    for one in came.bottlenecks:
        worst = f"{large(one.demand)} for a limit of {large(one.limit)} a second"
        ended = duration(one.ended)
        yield "delayed by", duration(one.began), f"to {ended}: {one.what}; at worst {worst}"
    if not came.bottlenecks:
        yield "delayed by", "", "nothing: every order goes straight through"


def _raises(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """One after the other: the spike's price with all raises so far, and what they gain."""
    for step, bill in zip(plan.steps, plan.bills, strict=True):
        label, what = (
            ("raised", _raise(step.raised)) if step.raised else ("as it is", "nothing raised")
        )
        yield label, f"${bill:,.2f}", f"{what}: {_gained(step.outcome)}"
    for one, settings in zip(
        plan.without_express, ("nothing raised", "all of it raised"), strict=False
    ):
        what = f"without [express], {settings}: {_gained(one.outcome)}"
        yield "compare", f"${one.dollars:,.2f}", what


def _gained(came: Outcome) -> str:
    resent, settled = duration(came.resend.p99), duration(came.settle.p99)
    last = duration(came.all_settled_at)
    return f"resent p99 {resent}, settled p99 {settled}, all settled after {last}"


def _raise(raised: Raise) -> str:
    mark = "" if raised.confirmed else UNCONFIRMED
    price = f"${raised.dollars:,.2f}{mark}" if raised.dollars else "free"
    change = f"{large(raised.before)} → {large(raised.after)}"
    return f"{raised.setting} {change} ({raised.how}, {price})"


def _pair(waits: Waits) -> str:
    """Both percentiles."""
    return f"{duration(waits.p50)}, {duration(waits.p99)}"
