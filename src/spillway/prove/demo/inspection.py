"""Inspects a stack after a run, and gives the verdict on each promise."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Sequence
from itertools import chain

from orders.domain.promises import Promise
from orders.domain.saga import DOWNSTREAMS
from spillway.operate.coupons import uses
from spillway.prove.audit.coupons import coupon_evidence, judge_coupons
from spillway.prove.audit.judging import (
    judge,
    judge_access,
    judge_history,
    judge_idleness,
    judge_isolation,
    not_preventable,
    outage_was_real,
)
from spillway.prove.audit.payments import judge_payments, payment_evidence
from spillway.prove.audit.pricing import PriceAudit
from spillway.prove.audit.verdicts import Violation, verdicts
from spillway.prove.demo.result import Run, now, shipped_after
from spillway.run.load.clients import Client
from spillway.run.load.patience import Patience
from spillway.run.load.placing import Placed
from spillway.run.load.records import Outage, Probe
from spillway.run.stack import Stack
from spillway.run.workload import CUSTOMERS
from spillway.target.reading import read_depths, read_effects, read_invocations
from spillway.target.service import of_stack
from spillway.ui.formatting import duration
from spillway.ui.statistics import percentile

PROBED_ORDERS_MAX = 10

#: Quiesced: queues empty and no function run for so long.
QUIET_SECONDS = 3.0


async def probe(client: Client, placed: Sequence[Placed]) -> AsyncIterator[Probe]:
    """For a sample of orders: the owner reads it, another customer tries to read and cancel it."""
    known = [order for order in placed if order.acknowledged]
    step = max(1, len(known) // PROBED_ORDERS_MAX)
    for number, order in enumerate(known[::step][:PROBED_ORDERS_MAX]):
        others = [customer for customer in CUSTOMERS if customer != order.customer]
        other = others[number % len(others)]
        key, order_id = order.key, order.key.order_id
        yield Probe("GET", key, True, (await client.order(order.customer, order_id)).status)
        yield Probe("GET", key, False, (await client.order(other, order_id)).status)
        yield Probe("cancellation", key, False, (await client.cancel(other, order_id)).status)


def quiesce(stack: Stack, done: Run, *, private: bool) -> None:
    """Wait until nothing moves, or until it is clear that something never stops."""
    sqs, logs = stack.client("sqs"), stack.client("logs")
    fewest, patience = math.inf, Patience()
    while True:
        since = now()
        time.sleep(QUIET_SECONDS)
        done.depths = read_depths(sqs, stack.queues)
        # Others' requests run functions: that says nothing about this run.
        done.invocations = read_invocations(logs, since) if private else None
        fewest = min(fewest, sum(depth.messages for depth in done.depths))
        if not _still_moving(done) or patience.is_over(fewest):
            return


def read_tables(stack: Stack, done: Run, *, private: bool) -> None:
    dynamodb = stack.client("dynamodb")
    service = of_stack(stack)
    records = service.orders.orders()
    effects = [
        effect
        for downstream in DOWNSTREAMS
        for effect in read_effects(dynamodb, stack.tables[downstream], downstream)
    ]
    if not private:
        ids = {order.key.order_id for order in done.placed}
        records = [record for record in records if record.key.order_id in ids]
        effects = [effect for effect in effects if effect.key.order_id in ids]
    done.records = {record.key: record for record in records}
    done.effects = effects
    done.prices = PriceAudit.of(service)
    done.coupons = uses.audit(service.orders, stack.tables["coupons"])


def judge_run(done: Run) -> None:
    """Set the verdict on each promise."""
    owner_of: dict[str, str] = {order.key.order_id: order.key.customer_id for order in done.placed}
    violations = [
        *judge(done.records.values(), done.effects, done.placed),
        *judge_access(done.probes),
        *judge_history(done.histories, owner_of),
        *_still_moving(done),
        *done.violations,
    ]
    evidence = _evidence(done)
    if done.prices is not None:
        violations += chain.from_iterable(map(done.prices.judge, done.records.values()))
        evidence |= done.prices.evidence
    if done.coupons is not None:
        violations += judge_coupons(done.coupons.findings)
        evidence |= coupon_evidence(done.coupons)
    violations += judge_payments(done.payments, done.records, now())
    evidence |= payment_evidence(done.payments, done.records)
    outage = done.outage
    if outage is not None and outage.keys and outage_was_real(outage, done.effects):
        violations += judge_isolation(outage, done.effects)
        evidence[Promise.FAILURE_STAYS_LOCAL] = _outage_evidence(done, outage)
    not_judged = {} if done.prices is None else done.prices.not_judged
    done.promises = verdicts(violations, evidence, not_judged)


def _outage_evidence(done: Run, outage: Outage) -> str:
    """How soon orders were shipped while accounting was out, and how soon otherwise."""
    seconds = (outage.ended_at - outage.began_at) / 1000
    shipped = shipped_after(done.records, done.effects)
    during = [shipped.pop(key) for key in outage.keys if key in shipped]
    within, usual = percentile(during, 0.5), percentile([*shipped.values()], 0.5)
    text = f"{outage.downstream} was {outage.was} for {seconds:.1f} s"
    text += f": {len(outage.keys)} orders placed"
    if within is None or usual is None:
        return text
    return f"{text}, shipped after {duration(within)} (p50, else {duration(usual)})"


def _effects_evidence(done: Run) -> str:
    text = f"{len(done.effects):,} entries in the downstreams' tables"
    twice = len(not_preventable(done.effects))
    return f"{text}, {twice:,} a second time which no lookup prevents" if twice else text


def _still_moving(done: Run) -> list[Violation]:
    """What still runs or waits, apart from messages that were in the queues before the run."""
    before = {depth.queue: depth.messages for depth in done.depths_before}
    grown = [depth for depth in done.depths if depth.messages > before.get(depth.queue, 0)]
    return judge_idleness(grown, done.invocations or {})


def _evidence(done: Run) -> dict[Promise, str]:
    """What each promise was judged by, in numbers; a promise that was not judged is left out."""
    acknowledged = sum(order.acknowledged for order in done.placed)
    answers = sum(len(order.answers) for order in done.placed)
    attempts = sum(not probe.by_owner for probe in done.probes)
    queues = f"{len(done.depths)} queues empty"
    evidence = {Promise.ZERO_IDLE: f"{queues}; functions not judged on a shared stack"}
    if done.invocations is not None:
        evidence[Promise.ZERO_IDLE] = (
            f"{queues}, {len(done.invocations)} functions quiet for {QUIET_SECONDS:.0f} s"
        )
    if not acknowledged:
        return evidence
    return evidence | {
        Promise.ACKNOWLEDGED_IS_DURABLE: f"{acknowledged:,} orders read back and compared",
        Promise.ONE_ORDER_PER_ID: f"{answers:,} answers to {acknowledged:,} ids",
        Promise.ONE_EFFECT_PER_STEP: _effects_evidence(done),
        Promise.ALWAYS_SETTLES: f"{len(done.records):,} orders and every dead-letter queue",
        Promise.NEVER_HALF_DONE: f"{len(done.records):,} final states against three tables",
        Promise.OWN_ORDERS_ONLY: (
            f"{attempts} attempts by other customers, {len(done.histories)} histories"
        ),
    }
