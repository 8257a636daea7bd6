"""A spike planned with what was measured: handler times, units and prices from `plan.cost`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orders.domain.saga import DOWNSTREAMS
from spillway.plan.capacity.outcome import Outcome
from spillway.plan.capacity.remedies import Rung, ladder
from spillway.plan.capacity.service import Service
from spillway.plan.cost.loads import CROWD
from spillway.plan.cost.reckoning import Reckoning, reckoning
from spillway.plan.limits import limits
from spillway.plan.prices import Bill, Usage, Use, priced
from spillway.plan.profile import Profile
from spillway.plan.work import Work

#: A throttled put is tried once more and then sent to the overflow queue: a pause and two calls.
_SECOND_TRY_PAUSE_SECONDS = 0.05
#: Messages that SQS hands over, and deletes, at once.
_SQS_BATCH = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """A profile, what comes of it as the stage is, and what each raise would gain."""

    profile: Profile
    rungs: tuple[Rung, ...]
    bill: Bill
    ours: Reckoning

    @property
    def outcome(self) -> Outcome:
        return self.rungs[0].outcome

    @property
    def bills(self) -> list[float]:
        """What the spike costs on each rung, the raises up to there included."""
        total, dollars = 0.0, []
        for rung in self.rungs:
            total += rung.raised.dollars if rung.raised is not None else 0.0
            dollars.append(total + spike_bill(self.ours, rung.outcome).dollars)
        return dollars


def plan(profile: Profile, prices: Path | None = None, stage: str = "dev") -> Plan:
    """SpillwayError: there is no such stage, or a price book that cannot be read."""
    ours = reckoning(prices, stage)
    rungs = ladder(profile, service_of(ours), ours.book)
    return Plan(profile, tuple(rungs), spike_bill(ours, rungs[0].outcome), ours)


def service_of(ours: Reckoning) -> Service:
    """The stage's settings, and its functions' times as they were measured and calibrated."""
    stage, figures, works = ours.stage, ours.figures, ours.works()
    mappings, measured = stage.mappings, ours.measurement
    put = figures.dynamodb_seconds.value
    no_longer = put + _SECOND_TRY_PAUSE_SECONDS + figures.sqs_seconds.value
    written = measured.total("write_units", service="dynamodb", operation="PutItem")
    new_table = limits().table_new_write_units_per_second.value
    return Service(
        api_requests_per_second=stage.api_requests_per_second,
        api_burst=stage.api_burst,
        concurrency=limits().lambda_concurrency.value,
        intake=works["intake"],
        intake_init_seconds=figures.init_seconds.value,
        buffering_seconds=no_longer,
        order_write_units=written / measured.orders,
        warm_write_units=stage.warm_write_units or new_table,
        relay=works["relay"],
        relay_batch=mappings["relay"].batch_size,
        parallelization=mappings["relay"].parallelization,
        deliver={name: works[f"deliver-{name}"] for name in DOWNSTREAMS},
        deliver_batch=mappings["deliver-inventory"].batch_size * ours.commands_per_message(),
        deliver_concurrency={
            name: mappings[f"deliver-{name}"].concurrency_max or limits().sqs_pollers_max.value
            for name in DOWNSTREAMS
        },
        drain=_drain_work(ours),
        drain_batch=mappings["drain"].batch_size,
        drain_concurrency=mappings["drain"].concurrency_max or limits().sqs_pollers_max.value,
    )


def _drain_work(ours: Reckoning) -> Work:
    """Drain makes intake's put, one after the other, with its own memory."""
    figures, memory = ours.figures, ours.settings.memory_mb["drain"]
    slower = figures.processor_ratio.value * max(1.0, figures.full_processor_mb.value / memory)
    processor = ours.processor["intake"]
    per_record = processor.per_record * slower + figures.dynamodb_seconds.value
    return Work(processor.fixed * slower, per_record)


def spike_bill(ours: Reckoning, came: Outcome) -> Bill:
    """What the whole spike costs, at list price: every batch is full while it lasts.

    Refused requests are taken to cost nothing: AWS says so of throttled calls of its REST APIs, and
    nothing of its HTTP APIs.
    """
    memory = ours.settings.memory_mb
    flow = came.flow
    overflowed = flow.into_overflow.total
    init = flow.environments * ours.figures.init_seconds.value * memory["intake"] / 1024
    drain = _drain_work(ours)
    batches = overflowed / _SQS_BATCH
    drained = batches * drain.seconds(_SQS_BATCH) * memory["drain"] / 1024
    more = (
        Use("cold starts", "lambda.gb_seconds", init),
        Use("overflow: sent", "sqs.requests", overflowed),
        Use("overflow: received and deleted", "sqs.requests", 2 * batches),
        Use("drain: invocations", "lambda.requests", batches),
        Use("drain: time", "lambda.gb_seconds", drained),
    )
    usage = ours.an_order(CROWD).scaled(came.offered) + Usage(more)
    return priced(usage, ours.book)
