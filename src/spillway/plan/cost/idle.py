"""What a month costs without any order, and what it costs whether few orders come or many."""

from __future__ import annotations

from spillway.plan.cost.deployed import Deployed
from spillway.plan.cost.durations import Calibration
from spillway.plan.limits import limits
from spillway.plan.prices import Usage, Use

MONTH_SECONDS = 30 * 24 * 60 * 60
#: Functions that hold a secret: intake, and a delivery for each downstream.
_WITH_SECRETS = ("intake", "deliver-inventory", "deliver-fulfilment", "deliver-accounting")


def idle(stage: Deployed) -> Usage:
    """Nothing runs, but Lambda goes on asking the queues whether there is anything to do.

    Each mapping has two pollers on a quiet queue, each of which waits for as long as SQS lets it.
    """
    pollers = limits().sqs_pollers_idle.value
    polls = pollers * MONTH_SECONDS / limits().sqs_poll_seconds.value
    fixed = (
        ("queues: polls that find nothing", "sqs.requests", stage.polled_queues * polls),
        ("alarms", "cloudwatch.alarms", stage.alarms),
        ("composite alarms", "cloudwatch.composite_alarms", stage.composite_alarms),
        ("dashboard", "cloudwatch.dashboards", stage.dashboards),
        ("encryption keys", "kms.keys", stage.encryption_keys),
    )
    return Usage(
        tuple(Use(name, price, units, per_month=True) for name, price, units in fixed if units)
    )


def working(stage: Deployed, figures: Calibration, users: float = 0) -> Usage:
    """What a month with orders has beyond them: metrics that are only there when something is
    counted, secrets that working environments read again, and customers who sign in.

    A busy function is taken to have one environment all month: each reads its secret anew when it
    is no longer fresh.
    """
    decrypted = len(_WITH_SECRETS) * MONTH_SECONDS / figures.parameter_fresh_seconds.value
    uses = [Use("secrets: decrypted", "kms.requests", decrypted, per_month=True)]
    if stage.custom_metrics:
        metrics = float(stage.custom_metrics)
        uses.append(Use("metrics", "cloudwatch.metrics", metrics, per_month=True))
    if users and stage.user_pools:
        uses.append(Use("customers who sign in", "cognito.users", users, per_month=True))
    return Usage(tuple(uses))
