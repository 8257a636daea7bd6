"""What a month costs without any order, and what a month with orders adds to it."""

from __future__ import annotations

from spillway.plan.cost.deployed import Deployed
from spillway.plan.cost.durations import Calibration
from spillway.plan.limits import limits
from spillway.plan.prices import Usage, Use

MONTH_SECONDS = 30 * 24 * 60 * 60
#: Functions that read a secret: intake, and a delivery for each downstream.
_WITH_SECRETS = ("intake", "deliver-inventory", "deliver-fulfilment", "deliver-accounting")


def idle(stage: Deployed) -> Usage:
    """No function runs, but Lambda keeps polling the queues.

    Counted with two pollers on each quiet queue, and with the longest long poll that SQS allows.
    """
    pollers = limits().sqs_pollers_idle.value
    polls = pollers * MONTH_SECONDS / limits().sqs_poll_seconds.value
    return _monthly(
        ("queues: polls that find nothing", "sqs.requests", stage.polled_queues * polls),
        ("alarms", "cloudwatch.alarms", stage.alarms),
        ("composite alarms", "cloudwatch.composite_alarms", stage.composite_alarms),
        ("dashboard", "cloudwatch.dashboards", stage.dashboards),
        ("encryption keys", "kms.keys", stage.encryption_keys),
    )


def working(stage: Deployed, figures: Calibration) -> Usage:
    """What a month with orders adds: metrics, charged once they have data, and secrets, which each
    working environment reads again when they are no longer fresh.

    Counted with one environment of each busy function all month.
    """
    decrypted = len(_WITH_SECRETS) * MONTH_SECONDS / figures.parameter_fresh_seconds.value
    return _monthly(
        ("secrets: decrypted", "kms.requests", decrypted),
        ("metrics", "cloudwatch.metrics", stage.custom_metrics),
    )


def _monthly(*uses: tuple[str, str, float]) -> Usage:
    return Usage(
        tuple(Use(name, price, units, per_month=True) for name, price, units in uses if units)
    )
