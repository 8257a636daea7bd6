"""A spike planned with what was measured: handler times, units and prices from `plan.cost`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec

from infra.event_sources import RELAY_BATCH_SIZE
from orders.domain.coupon_limits import COUNTERS_MAX
from orders.domain.saga import DOWNSTREAMS
from orders.telemetry import JsonLines
from spillway.plan.capacity.checks import Checks, checks_of
from spillway.plan.capacity.outcome import Outcome
from spillway.plan.capacity.recommendations import ScalingStep, scaling_steps
from spillway.plan.capacity.service import Claims, Express, Looks, Service, Sized
from spillway.plan.capacity.simulate import simulate
from spillway.plan.cost.batches import CROWD
from spillway.plan.cost.coupons import a_coupon
from spillway.plan.cost.meter import LOG_EVENT_BYTES
from spillway.plan.cost.model import CostModel, cost_model, queued
from spillway.plan.price_list import Bill, Usage, Use, priced
from spillway.plan.profile import Profile
from spillway.plan.work import Work
from spillway.target import limits

#: Intake tries a throttled put once more, then sends the order to the overflow queue.
_SECOND_TRY_PAUSE_SECONDS = 0.05
#: What memory the deliveries may be given.
_SIZES_MB = (128, 256, 512, 1_024)
#: Messages that SQS takes, hands over, and deletes at once.
_SQS_BATCH = 10
_GB = 1_000_000_000
_A_TIME_MS = 1_795_428_000_000


@dataclass(frozen=True)
class Plan:
    """A profile, its outcome on the stage as it is, and after each raise."""

    profile: Profile
    steps: tuple[ScalingStep, ...]
    model: CostModel

    @property
    def outcome(self) -> Outcome:
        return self.steps[0].outcome

    @cached_property
    def bills(self) -> list[float]:
        """What the spike costs after each step, with all raises so far."""
        total, dollars = 0.0, []
        for step in self.steps:
            total += step.raised.dollars if step.raised is not None else 0.0
            dollars.append(total + _spike_bill(self.model, step.outcome).dollars)
        return dollars

    @cached_property
    def without_express(self) -> tuple[Without, ...]:
        """The same spike with the settings of the first and of the last step, but each command by
        its own queue. Empty where the stage has no [express] anyway."""
        ends = (self.steps[0].outcome.flow.service, self.steps[-1].outcome.flow.service)
        return tuple(
            without_express(self.profile, service, service.express.memory_mb, self.model)
            for service in ends
            if service.express is not None
        )

    @cached_property
    def checks(self) -> Checks:
        """What the watchdog does meanwhile, with nothing raised."""
        return _checks(self.model, self.outcome)

    @property
    def for_checks(self) -> float:
        """Of the first bill, what orders add that had not settled at their first check."""
        return priced(_checked(self.model, self.checks), self.model.price_list).dollars

    @property
    def for_claims(self) -> float:
        """Of the first bill, what the orders' limited coupons add."""
        return priced(_claimed(self.model, self.outcome), self.model.price_list).dollars


@dataclass(frozen=True, slots=True)
class Without:
    """What a spike comes to without the express path. `dollars`: without those of the raises."""

    outcome: Outcome
    dollars: float


def without_express(
    profile: Profile, service: Service, memory_mb: int, model: CostModel
) -> Without:
    """`memory_mb`: of the deliveries."""
    model = _sized(queued(model), memory_mb)
    same = service_of(model)
    service = replace(
        service,
        express=None,
        deliver=_deliveries(model),
        deliver_concurrency=service.borne,
        deliver_batch=same.deliver_batch,
        relay=same.relay,
    )
    came = Outcome(simulate(profile, service))
    return Without(came, _spike_bill(model, came).dollars)


def plan(
    profile: Profile, prices: Path | None = None, stage: str = "dev", *, limited: bool = False
) -> Plan:
    """`limited`: each order has a coupon of the first so many, and all of them get it.

    Raises SpillwayError when there is no such stage or the price list cannot be read.
    """
    model = cost_model(prices, stage)
    service = service_of(model)
    if limited:
        service = with_claims(service, model)
    steps = scaling_steps(profile, service, model.price_list)
    return Plan(profile, tuple(steps), model)


def service_of(model: CostModel) -> Service:
    """The stage's settings, and its functions' times as they were measured and estimated."""
    stage, figures, works = model.stage, model.figures, model.works
    sources, measured = stage.sources, model.measurement
    put = figures.dynamodb_seconds.value
    written = measured.total("write_units", service="dynamodb", operation="PutItem")
    return Service(
        api_requests_per_second=stage.api_requests_per_second,
        api_burst=stage.api_burst,
        concurrency=limits.LAMBDA_CONCURRENCY,
        intake=works["intake"],
        intake_init_seconds=figures.init_seconds.value,
        buffering_seconds=put + _SECOND_TRY_PAUSE_SECONDS + figures.sqs_seconds.value,
        order_write_units=written / measured.orders,
        warm_write_units=limits.TABLE_NEW_WRITE_UNITS_PER_SECOND,
        relay=works["relay"],
        relay_batch=RELAY_BATCH_SIZE,
        parallelization=stage.parallelization,
        deliver=_deliveries(queued(model)),
        deliver_batch=sources["deliver-inventory"].batch_size * model.commands_per_message(),
        deliver_concurrency={
            name: sources[f"deliver-{name}"].concurrency_max for name in DOWNSTREAMS
        },
        drain=_drain_work(model),
        drain_batch=sources["drain"].batch_size,
        drain_concurrency=sources["drain"].concurrency_max,
        looks=Looks(works["reads"], stage.api_looks_per_second, figures.watched_seconds.value),
        express=_express(model),
    )


def _express(model: CostModel) -> Express | None:
    """Inventory's deliveries as they were measured, with the memory they have and with more."""
    name, stage = "deliver-inventory", model.stage
    if stage.express_seconds is None:
        return None
    memory_mb = round(stage.memory_mb[name])
    sizes = {
        size: Sized(_sized(model, size).works[name], _deliveries(_sized(queued(model), size)))
        for size in (memory_mb, *_SIZES_MB)
    }
    return Express(sizes, memory_mb, stage.express_seconds, relayed=bool(stage.events_published))


def _deliveries(model: CostModel) -> Mapping[str, Work]:
    """Of a stage whose commands go by their own queues."""
    works = model.works
    return {name: works[f"deliver-{name}"] for name in DOWNSTREAMS}


def _sized(model: CostModel, memory_mb: int) -> CostModel:
    """The same with so much memory for the deliveries, which share one size."""
    sizes = {
        name: memory_mb if name.startswith("deliver-") else size
        for name, size in model.stage.memory_mb.items()
    }
    return replace(model, stage=msgspec.structs.replace(model.stage, memory_mb=sizes))


def with_claims(service: Service, model: CostModel) -> Service:
    """The same where each order has a limited coupon: intake waits for a transaction, which writes
    the order at twice its price, and the claim. A transaction is prepared, then committed: it is
    taken to last as long as two puts."""
    put = model.figures.dynamodb_seconds.value
    added, order = a_coupon().units("dynamodb.write_units"), service.order_write_units
    return replace(
        service,
        intake=replace(service.intake, wait=service.intake.wait + put),
        buffering_seconds=0.0,
        order_write_units=2 * order,
        claims=Claims(
            added - order, COUNTERS_MAX, 2 * put, limits.TABLE_NEW_WRITE_UNITS_PER_SECOND
        ),
    )


def _drain_work(model: CostModel) -> Work:
    """Drain makes intake's puts one after the other, with its own memory."""
    slower = model.figures.slower(model.stage.memory_mb["drain"])
    processor = model.processor["intake"]
    per_record = processor.per_record * slower + model.figures.dynamodb_seconds.value
    return Work(processor.fixed * slower, per_record)


def _spike_bill(model: CostModel, came: Outcome) -> Bill:
    """What the whole spike of web orders costs at list price, with full batches and all looks.

    Refused requests count as free: AWS states it for throttled calls of REST APIs, and nothing for
    HTTP APIs.
    """
    memory = model.stage.memory_mb
    flow = came.flow
    overflowed = flow.into_overflow.total
    init = flow.environments.ever * model.figures.init_seconds.value * memory["intake"] / 1024
    drain = _drain_work(model)
    batches = overflowed / _SQS_BATCH
    drained = batches * drain.seconds(_SQS_BATCH) * memory["drain"] / 1024
    more = (
        Use("cold starts", "lambda.gb_seconds", init),
        Use("overflow: sent", "sqs.requests", overflowed),
        Use("overflow: received and deleted", "sqs.requests", 2 * batches),
        Use("drain: invocations", "lambda.requests", batches),
        Use("drain: time", "lambda.gb_seconds", drained),
    )
    checked = _checked(model, _checks(model, came))
    orders = _orders(model, came)
    return priced(orders + Usage(more) + checked + _claimed(model, came), model.price_list)


def _orders(model: CostModel, came: Outcome) -> Usage:
    """Those that went by the express path, and those that went by a queue for each step."""
    service, looks = came.flow.service, came.looks / came.offered
    plain = queued(model)
    if service.express is not None:
        memory_mb = service.express.memory_mb
        model, plain = _sized(model, memory_mb), _sized(plain, memory_mb)
    left = service.left_over
    express = model.a_web_order(CROWD, looks).scaled(came.offered * (1 - left))
    return express + plain.a_web_order(CROWD, looks).scaled(came.offered * left)


def _checks(model: CostModel, came: Outcome) -> Checks:
    stage = model.stage
    source, window = stage.sources["watchdog"], stage.stream_window_seconds
    return checks_of(came.flow, source, window, _postponing(model))


def _postponing(model: CostModel) -> Work:
    """The watchdog's time for single messages, each of which it postpones by a request."""
    work = model.works["watchdog"]
    return replace(work, per_record=work.per_record + model.figures.sqs_seconds.value)


def _checked(model: CostModel, checks: Checks) -> Usage:
    """What orders add whose first check, which is in each order's price, finds them unsettled: a
    line in the log, a message of their own, and looks until one finds them settled."""
    source, single = model.stage.sources["watchdog"], _postponing(model)
    runs = checks.looks / source.batch_size
    gb_seconds = runs * single.seconds(source.batch_size) * model.stage.memory_mb["watchdog"] / 1024
    measured = model.measurement
    read = measured.total("read_units", service="dynamodb", operation="BatchGetItem")
    logged = (checks.requeued + checks.postponed) * (UNSETTLED_LINE_BYTES + LOG_EVENT_BYTES)
    return Usage(
        (
            Use("checks: requeued", "sqs.requests", checks.requeued / _SQS_BATCH),
            Use("checks: postponed", "sqs.requests", checks.postponed),
            Use("checks: received", "sqs.requests", checks.looks / _SQS_BATCH),
            Use("checks: deleted", "sqs.requests", checks.requeued / _SQS_BATCH),
            Use(
                "checks: progress read",
                "dynamodb.read_units",
                checks.looks * read / measured.orders,
            ),
            Use("checks: invocations", "lambda.requests", runs),
            Use("checks: time", "lambda.gb_seconds", gb_seconds),
            Use("checks: logs", "logs.ingested", logged / _GB),
        )
    )


def _unsettled_line() -> str:
    """What the watchdog logs of an order that it finds unsettled, as long as it usually is."""
    lines: list[str] = []
    JsonLines(lines.append, lambda: _A_TIME_MS)(
        "watchdog",
        "stuck",
        order_id="0197a3f2-6b1c-7d3e-8f4a-5b6c7d8e9f00",
        customer="3f1c5a9e0b7d4c82",
        status="accepted",
        owed=["post", "ship"],
        sent=[],
        unsettled_s=2_700,
        half_done_s=2_700,
        duration_ms=12,
    )
    return lines[0]


UNSETTLED_LINE_BYTES = len(_unsettled_line())


def _claimed(model: CostModel, came: Outcome) -> Usage:
    """What limited coupons add. A cancelled transaction is taken to cost as much as another."""
    flow = came.flow
    service = flow.service
    if service.claims is None:
        return Usage(())
    cancelled = max(0.0, flow.claim_tries - flow.placed.total)
    units = cancelled * (service.order_write_units + service.claims.write_units)
    waited = flow.claim_tries * model.figures.dynamodb_seconds.value
    return a_coupon().scaled(came.offered) + Usage(
        (
            Use("coupons: cancelled transactions", "dynamodb.write_units", units),
            Use(
                "coupons: time",
                "lambda.gb_seconds",
                waited * model.stage.memory_mb["intake"] / 1024,
            ),
        )
    )
