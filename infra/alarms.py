"""The alarms: one for each promise, one for each dead-letter queue, two that ring earlier.

Three more are for functions that do not run, whose own log lines and metrics then say nothing.

Each leads to its place in the runbook (`page_of`). The first ten alarms of an account are free,
each other costs 0.10 dollars a month. So each alarm looks at one metric, but one: metric math is
paid by the metric, and a composite alarm costs five times as much as the alarms that it would
replace.

Alarm only on what a person must act on: each threshold has its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from infra import metrics
from infra.metrics import LogMetric, Metric, Unanswered
from infra.stage import Stage
from orders.domain.promises import Promise

#: A stuck order is logged at least so often, and where its command is retried several times in this
#: (orders.domain.backoff.DELIVER).
LOGGED_EVERY_SECONDS = 900
#: Drain's longest wait is 180 s; this leaves a margin.
DRAIN_RETRY_SECONDS = 300
CLASHES_MAX = 10
SERVER_ERRORS_MAX = 5
RELAY_ERRORS_MAX = 20
FORGED_MAX = 10
#: Relay runs within a second of an order. Some minutes more may pass until its metric is there.
UNRELAYED_PERIODS = 10
#: Several of the longest waits, so that the alarm goes on while something waits.
NEEDS_FIX_PERIODS = LOGGED_EVERY_SECONDS // 60 + 1
#: One failed run an hour is made up for by the next.
RECONCILE_ERRORS_MAX, RECONCILE_HOURS = 2, 3
#: A check is due 15 min after it was set, and the watchdog needs a minute for it.
UNCHECKED_SECONDS = 2 * 60 * 60

#: SQS stops measuring a queue that nobody has touched for six hours, also one with messages in it:
#: an alarm goes on ringing until the queue is seen empty.
QUIET_QUEUE: Final = "ignore"

QUEUES_WITH_DEAD_LETTERS = (
    "inventory",
    "fulfilment",
    "accounting",
    "overflow",
    "watchdog",
    "relay",
)


def queues_with_dead_letters(stage: Stage) -> tuple[str, ...]:
    return (*QUEUES_WITH_DEAD_LETTERS, *(f"outcomes-{name}" for name in stage.tellers))


#: How the names of their alarms end.
DEAD_LETTERS: Final = "-dead-letters"

#: Alarms that share the section of another, because the cause and the cure are the same.
_SHARED_SECTIONS = {
    "never-half-done": "always-settles",
    "zero-idle": "failure-stays-local",
    "watchdog-stopped": "relay-stopped",
    "drain-stopped": "relay-stopped",
}


#: A promise has the alarm of its name, except for this one: what an undone order used up of coupons
#: is lost only with its check. An alarm of its own would ring for nothing else.
_GUARDED_BY_ANOTHER = {Promise.COUPON_WITHIN_LIMITS: "watchdog-dead-letters"}


def alarm_of(promise: Promise) -> str:
    """The name, without the stage's prefix, of the alarm that guards a promise."""
    return _GUARDED_BY_ANOTHER.get(promise, promise.value.replace("_", "-"))


def page_of(alarm: str) -> str:
    """Where the runbook treats an alarm; `alarm` is its name without the stage's prefix."""
    if alarm.endswith(DEAD_LETTERS):
        return "docs/runbook/dead-letters.md"
    if alarm.endswith("-release-errors"):
        alarm = "release-faults"
    return f"docs/runbook/alarms.md#{_SHARED_SECTIONS.get(alarm, alarm)}"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Rings when, in `breaching` of the last `periods` periods of `period_seconds`, `metric` of the
    thing called `of` (None where it needs none) was `threshold` or more.

    `missing`: what no data means. Most of these metrics have data only while something is wrong.
    """

    name: str
    metric: Metric | LogMetric | Unanswered
    threshold: int
    reason: str
    of: str | None = None
    period_seconds: int = 60
    periods: int = 1
    breaching: int = 1
    missing: Literal["notBreaching", "ignore"] = "notBreaching"

    @property
    def page(self) -> str:
        return page_of(self.name)

    @property
    def description(self) -> str:
        return f"{self.reason} What to do: {self.page}"

    @property
    def paid(self) -> int:
        """How many alarms AWS charges for: one for each metric."""
        return 2 if isinstance(self.metric, Unanswered) else 1


def alarms(stage: Stage) -> list[Alarm]:
    """Every alarm of a stage; `of` is a name without the stage's, or "api"."""
    return [
        *_promises(stage),
        *_before_the_promises(stage),
        *_when_nothing_runs(stage),
        *(_of_payments(stage) if stage.payments is not None else ()),
        *_told(stage),
        *(_dead_letters(queue, stage) for queue in queues_with_dead_letters(stage)),
    ]


def _promises(stage: Stage) -> list[Alarm]:
    limits = stage.alarms
    return [
        Alarm(
            "acknowledged-is-durable",
            metrics.BUFFERED,
            limits.buffered_seconds,
            f"An acknowledged order has waited outside the table for {limits.buffered_seconds:,} s."
            " The overflow queue keeps it for 14 days, but throttling lasts minutes: something else"
            " is wrong.",
            period_seconds=limits.period(DRAIN_RETRY_SECONDS),
            periods=2,
        ),
        Alarm(
            "one-order-per-id",
            metrics.ID_CLASHES,
            CLASHES_MAX,
            f"{CLASHES_MAX} orders in 5 min had an id that already holds another order. Each was"
            " refused, so no order was overwritten, but its customer has no order. A client that"
            " makes proper ids never causes this.",
            period_seconds=limits.period(300),
        ),
        Alarm(
            "one-effect-per-step",
            metrics.CONTRADICTIONS,
            1,
            "A downstream gave two different answers under one idempotency key: it does not honour"
            " its keys, and may have done a step twice.",
            period_seconds=limits.period(300),
        ),
        Alarm(
            "always-settles",
            metrics.UNSETTLED,
            limits.unsettled_seconds,
            f"An order has not settled for {limits.unsettled_seconds:,} s or longer. Orders settle"
            " within seconds, and after an outage of a downstream without help: this one lasts, or"
            " something is stuck. Commands are retried for a day, so there is still time.",
            period_seconds=LOGGED_EVERY_SECONDS,
            periods=2,
        ),
        Alarm(
            "never-half-done",
            metrics.HALF_DONE,
            limits.half_done_seconds,
            f"An order has been half done for {limits.half_done_seconds:,} s or longer and holds"
            " goods or money. Commands are retried for a day, so there is still time to repair what"
            " it waits for.",
            period_seconds=LOGGED_EVERY_SECONDS,
            periods=2,
        ),
        Alarm(
            "own-orders-only",
            metrics.FOREIGN_ORDERS,
            1,
            "Another customer's order was about to be shown; it was not. One is too many.",
            period_seconds=limits.period(300),
        ),
        Alarm(
            "failure-stays-local",
            metrics.BEHIND,
            limits.behind_seconds * 1000,
            f"Relay was {limits.behind_seconds} s or more behind the table for five minutes. All"
            " orders share relay, so every order is delayed. A healthy relay is less than a second"
            " behind.",
            of="relay",
            period_seconds=limits.period(60),
            periods=5,
            breaching=5,
        ),
        Alarm(
            "zero-idle",
            metrics.ERRORS,
            RELAY_ERRORS_MAX,
            f"Relay failed {RELAY_ERRORS_MAX} times in 15 min. Lambda retries a failed batch for"
            " 22 h, so relay runs and costs money although no order comes in. One failure alone is"
            " harmless.",
            of="relay",
            period_seconds=limits.period(900),
        ),
        Alarm(
            "priced-by-the-store",
            metrics.PRICE_BOOKS_UNREAD,
            1,
            "A price book, or the list of them, could not be read. The last one that could stays in"
            " force; where there is none, orders are answered 503.",
            period_seconds=limits.period(300),
        ),
    ]


def _before_the_promises(stage: Stage) -> list[Alarm]:
    limits = stage.alarms
    return [
        Alarm(
            "customers-turned-away",
            metrics.SERVER_ERRORS,
            SERVER_ERRORS_MAX,
            f"{SERVER_ERRORS_MAX} requests in 5 min were answered with 5xx. No order is lost,"
            " because clients send again, but customers wait. A single 5xx is normal.",
            of="api",
            period_seconds=limits.period(300),
        ),
        Alarm(
            "needs-a-fix",
            metrics.NEEDS_FIX,
            1,
            "A downstream gave an answer that says nothing of the order, such as 401 to a wrong key"
            " (`misconfigured`), or our code failed (`bug`). It fails again until somebody has"
            " fixed it; what waits for a downstream then goes on without help.",
            # The first line rings, and each further one keeps it ringing.
            period_seconds=limits.period(60),
            periods=NEEDS_FIX_PERIODS,
        ),
    ]


def _when_nothing_runs(stage: Stage) -> list[Alarm]:
    limits = stage.alarms
    return [
        Alarm(
            "relay-stopped",
            metrics.UNRELAYED,
            1,
            f"Orders were placed, and relay has not run for {UNRELAYED_PERIODS} min: no step of"
            " them begins, and nothing else notices. The table's stream keeps them for 24 h.",
            period_seconds=limits.period(60),
            # Half as many more: one order alone is still seen when its ten minutes are over.
            periods=UNRELAYED_PERIODS + UNRELAYED_PERIODS // 2,
            breaching=UNRELAYED_PERIODS,
        ),
        Alarm(
            "watchdog-stopped",
            metrics.OLDEST,
            UNCHECKED_SECONDS,
            f"A check of an order has waited for {UNCHECKED_SECONDS // 3600} h and was not begun:"
            " the watchdog does not run, or has far too much to do. What it would find and send"
            " again is not found.",
            of="watchdog",
            period_seconds=limits.period(300),
            missing=QUIET_QUEUE,
        ),
        Alarm(
            "drain-stopped",
            metrics.OLDEST,
            limits.buffered_seconds,
            f"An acknowledged order has waited outside the table for {limits.buffered_seconds:,} s"
            " and was not begun: drain does not run, or has far too much to do. The overflow queue"
            " keeps it for 14 days.",
            of="overflow",
            period_seconds=limits.period(300),
            missing=QUIET_QUEUE,
        ),
    ]


def _of_payments(stage: Stage) -> list[Alarm]:
    limits = stage.alarms
    return [
        Alarm(
            "paid-is-ordered-or-refunded",
            metrics.PAYMENTS_FOR_A_PERSON,
            1,
            "A payment is neither ordered nor given back, and only a person can say what is right;"
            " or more had to go back than one run may give back.",
            period_seconds=limits.period(300),
        ),
        Alarm(
            "payments-stopped",
            metrics.ERRORS,
            RECONCILE_ERRORS_MAX,
            f"{RECONCILE_ERRORS_MAX} hourly runs in {RECONCILE_HOURS} h could not hold payments"
            " against the orders. Nothing is lost: later runs look at the same payments, for the"
            " days of the stage's window.",
            of=metrics.PAYMENTS,
            period_seconds=RECONCILE_HOURS * 60 * 60,
        ),
    ]


def _told(stage: Stage) -> list[Alarm]:
    if not any(told_by.by == "callback" for told_by in stage.tellers.values()):
        return []
    return [
        Alarm(
            "outcomes-forged",
            metrics.FORGED,
            FORGED_MAX,
            f"{FORGED_MAX} callbacks in 5 min had a signature that did not hold. Either a"
            " downstream signs with a key that is not in force here, and its orders settle only as"
            " it is asked, or somebody tries.",
            period_seconds=stage.alarms.period(300),
        )
    ]


def _dead_letters(queue: str, stage: Stage) -> Alarm:
    return Alarm(
        f"{queue}-dead-letters",
        metrics.WAITING,
        1,
        "A message needs manual action: its order does not continue until then.",
        of=f"{queue}-dead-letters",
        period_seconds=stage.alarms.period(60),
        missing=QUIET_QUEUE,
    )
