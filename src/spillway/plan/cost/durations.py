"""How long Lambda would bill a batch: the processor time that was measured, and the calls it waits
for.

An emulated duration is not AWS's: here everything shares one machine without a network. The
processor time of the functions' own processes (the real SDK and handlers) and the number of calls
carry over. `Estimates` has the rest: how long AWS's services take to answer and how its processors
compare with this one.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orders.wiring import CONCURRENT_MAX
from spillway.plan.cost.measurement import FunctionUse, Measurement
from spillway.plan.work import Work

#: Works on the records of a batch side by side.
_CONCURRENT = "deliver-"
#: Lambda: at so much memory a function has one whole processor; less in proportion.
_FULL_PROCESSOR_MB = 1_769


class Estimate(msgspec.Struct, frozen=True):
    value: float
    source: str


class Estimates(msgspec.Struct, frozen=True):
    """What no source confirms and no run here measures. Reports list all of it."""

    processor_ratio: Estimate = Estimate(
        1.0,
        "Lambda's arm64 (Python 3.13, TLS) against the machine that measured (x86, Python 3.11):"
        " not measured, taken as equal",
    )
    dynamodb_seconds: Estimate = Estimate(
        0.005, "DynamoDB: single-digit milliseconds, as AWS says of it"
    )
    sqs_seconds: Estimate = Estimate(
        0.010, "a send to SQS from the same Region, as commonly observed"
    )
    sns_seconds: Estimate = Estimate(
        0.020, "a publish to SNS from the same Region, as commonly observed"
    )
    downstream_seconds: Estimate = Estimate(
        0.100, "what a downstream takes to answer: the same for every design compared here"
    )
    settle_seconds: Estimate = Estimate(
        2.0,
        "how long an order takes to settle while all is well, with downstreams as above: what the"
        " watch's batch must outlast to need no check",
    )
    watched_seconds: Estimate = Estimate(
        120.0, "how long a customer keeps the page of an order open that waits in a crowd's backlog"
    )
    init_seconds: Estimate = Estimate(
        0.6,
        "a cold start of intake at 512 MB; its imports alone take 0.19 s here with all of a"
        " processor",
    )

    def wait_seconds(self, service: str) -> float:
        """How long a call of an AWS service takes; of parameters 0, which are read rarely."""
        estimate = getattr(self, f"{service}_seconds", None)
        return estimate.value if isinstance(estimate, Estimate) else 0.0

    def slower(self, memory_mb: float) -> float:
        """How many times as long as here the same instructions take with so much memory."""
        return self.processor_ratio.value * max(1.0, _FULL_PROCESSOR_MB / memory_mb)


def processor_times(one_by_one: Measurement, crowd: Measurement) -> Mapping[str, Work]:
    """Each function's processor time. Derived from two loads with batches of different sizes.

    A process's clock ticks only a hundred times a second, so short runs are inexact: a part that
    comes out negative counts as zero.
    """
    times = {}
    for name, full in crowd.functions.items():
        single = one_by_one.functions[name]
        if not full.invocations or not full.cpu_seconds:
            continue
        per_batch = full.cpu_seconds / full.invocations
        records = full.records / full.invocations
        per_record = per_batch / records
        fixed = 0.0
        if single.invocations and single.cpu_seconds and records > 1.5:
            alone = single.cpu_seconds / single.invocations
            alone_records = single.records / single.invocations
            slope = (per_batch - alone) / (records - alone_records)
            per_record = min(max(slope, 0.0), per_record)
            fixed = per_batch - per_record * records
        times[name] = Work(fixed, per_record)
    return times


def work(
    name: str,
    use: FunctionUse,
    processor: Work,
    memory_mb: float,
    figures: Estimates,
    answers: float = 1.0,
) -> Work:
    """How long a function takes for a batch at this much memory. Exact for batches as full as those
    of `use`: it waits for their calls. `answers`: how many answers of downstreams a delivery waits
    for, one after the other."""
    slower = figures.slower(memory_mb)
    fixed, per_record = processor.fixed * slower, processor.per_record * slower
    # All calls, one after the other.
    waits = sum(calls.requests * figures.wait_seconds(calls.service) for calls in use.calls)
    if name.startswith(_CONCURRENT):
        # Each delivery waits for downstreams and its own calls, some deliveries at a time.
        wait = answers * figures.downstream_seconds.value + waits / use.records
        return Work(fixed, per_record, wait, CONCURRENT_MAX)
    # The watchdog may have had nothing to check, and so nothing to wait for.
    return Work(fixed, per_record + waits / max(use.records, 1.0))
