"""The alarms: one for each promise, one for each dead-letter queue, and two that ring before those.

Each has a page, docs/runbook/<name>.md, which a test demands. The first ten alarms of an account
are free, the others are 0.10 dollars a month each. So none is on more than one metric: metric math
is paid by the metric, and a composite alarm costs five times as much as what it would put together.

An alarm that a person need not get up for is no alarm: each threshold has its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra import metrics
from infra.metrics import Metric, ToldByLogs

if TYPE_CHECKING:
    from infra.stage import Stage

#: A downstream's command comes again after 15 min at the most (orders.domain.backoff.DELIVER), so
#: an order that is stuck is heard of at least so often.
HEARD_OF_SECONDS = 900
#: The longest wait of drain, 180 s, and some.
DRAINED_AGAIN_SECONDS = 300
CLASHES_MAX = 10
SERVER_ERRORS_MAX = 5
RELAY_ERRORS_MAX = 20

QUEUES_WITH_DEAD_LETTERS = (
    "inventory",
    "fulfilment",
    "accounting",
    "overflow",
    "watchdog",
    "relay",
)


@dataclass(frozen=True, slots=True)
class Alarm:
    """Rings when, in one of the last `periods` periods of `period_seconds`, `metric` of the thing
    called `of` (None for our own metrics) was `threshold` or more. No data is no trouble.

    `consecutive`: in all of them instead.
    """

    name: str
    metric: Metric | ToldByLogs
    threshold: int
    reason: str
    of: str | None = None
    period_seconds: int = 60
    periods: int = 1
    consecutive: bool = False

    @property
    def page(self) -> str:
        return f"docs/runbook/{self.name}.md"

    @property
    def description(self) -> str:
        return f"{self.reason} What to do: {self.page}"


def alarms(stage: Stage) -> list[Alarm]:
    """Every alarm of a stage; `of` is a name without the stage's, or "api"."""
    return [
        *_promises(stage),
        *_before_the_promises(stage),
        *(_dead_letters(queue, stage) for queue in QUEUES_WITH_DEAD_LETTERS),
    ]


def _promises(stage: Stage) -> list[Alarm]:
    limits = stage.alarms
    return [
        Alarm(
            "acknowledged-is-durable",
            metrics.BUFFERED,
            limits.buffered_seconds,
            "An order that was answered as accepted has waited outside the table for"
            f" {limits.buffered_seconds:,} s. The queue keeps it for 14 days, but a table throttles"
            " for minutes: something else is wrong.",
            period_seconds=limits.period(DRAINED_AGAIN_SECONDS),
            periods=2,
        ),
        Alarm(
            "one-order-per-id",
            metrics.ID_CLASHES,
            CLASHES_MAX,
            f"{CLASHES_MAX} orders in 5 min had an id that holds another order. Each was refused,"
            " so the promise stands; a client that makes its ids well has none in a lifetime, and"
            " one that doesn't loses its customers' orders.",
            period_seconds=limits.period(300),
        ),
        Alarm(
            "one-effect-per-step",
            metrics.CONTRADICTIONS,
            1,
            "A downstream answered otherwise than before under the same idempotency key: it does"
            " not honour keys, and may have done a step twice.",
            period_seconds=limits.period(300),
        ),
        Alarm(
            "always-settles",
            metrics.UNSETTLED,
            limits.unsettled_seconds,
            f"An order has not settled for {limits.unsettled_seconds:,} s. Orders settle within"
            " seconds, and one slow or lost answer costs a quarter of an hour at most; a downstream"
            " is out for longer than that, or something is stuck.",
            period_seconds=HEARD_OF_SECONDS,
            periods=2,
        ),
        Alarm(
            "never-half-done",
            metrics.HALF_DONE,
            limits.half_done_seconds,
            f"An order has been half done for {limits.half_done_seconds:,} s: goods or money are"
            " held for it. A command is tried for a day, so there is time left to mend what it"
            " waits for.",
            period_seconds=HEARD_OF_SECONDS,
            periods=2,
        ),
        Alarm(
            "own-orders-only",
            metrics.FOREIGN_ORDERS,
            1,
            "Another customer's order was about to be shown, and was held back. One is too many.",
            period_seconds=limits.period(300),
        ),
        Alarm(
            "failure-stays-local",
            metrics.BEHIND,
            limits.behind_seconds * 1000,
            f"Relay was {limits.behind_seconds} s or more behind the table, five minutes running."
            " It is what all orders share: while it lags, one part's trouble delays every order."
            " A healthy one is behind by the moments that a batch takes.",
            of="relay",
            period_seconds=limits.period(60),
            periods=5,
            consecutive=True,
        ),
        Alarm(
            "zero-idle",
            metrics.ERRORS,
            RELAY_ERRORS_MAX,
            f"Relay failed {RELAY_ERRORS_MAX} times in 15 min. A failed batch is called again at"
            " once for 22 h: the one part that runs hot when no order comes in. A single failure"
            " mends itself.",
            of="relay",
            period_seconds=limits.period(900),
        ),
    ]


def _before_the_promises(stage: Stage) -> list[Alarm]:
    limits = stage.alarms
    return [
        Alarm(
            "customers-turned-away",
            metrics.SERVER_ERRORS,
            SERVER_ERRORS_MAX,
            f"{SERVER_ERRORS_MAX} requests in 5 min were answered with 5xx. Nothing is lost, for"
            " clients send again; but customers wait, and one such answer now and then is normal.",
            of="api",
            period_seconds=limits.period(300),
        ),
        Alarm(
            "bugs",
            metrics.BUGS,
            1,
            "A fault of our own was met with. What it met with comes again or is set aside, and"
            " will meet with it again until it is mended.",
            period_seconds=limits.period(300),
        ),
    ]


def _dead_letters(queue: str, stage: Stage) -> Alarm:
    return Alarm(
        f"{queue}-dead-letters",
        metrics.WAITING,
        1,
        "A message waits for a person: each is an order that will not go on by itself.",
        of=f"{queue}-dead-letters",
        period_seconds=stage.alarms.period(60),
    )
