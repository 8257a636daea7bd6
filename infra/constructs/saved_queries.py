"""Logs Insights queries, saved in the CloudWatch console. Saving is free; a run costs 0.005 dollars
per gigabyte read.

Where good news is sampled a line stands for several orders (orders.telemetry), so what is counted
is the sum of what its lines stand for. Percentiles are of lines that all stand for as many (but in
the minutes after a failure), or of `settle_ms`, which only the orders in the sample have.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.metrics import DELIVERIES, EVERY_FUNCTION
from infra.stage import Stage

#: How many orders' lines one stands for.
_LINES = "coalesce(stands_for, 1) as lines"
#: By name: the functions with the log lines, and the query.
QUERIES: dict[str, tuple[Sequence[str], str]] = {
    "one order's life (put its id in)": (
        EVERY_FUNCTION,
        """fields @timestamp, step, command, outcome, attempt, detail, error
| filter order_id = "ORDER_ID"
| sort @timestamp asc""",
    ),
    "one trace (put its id in)": (
        EVERY_FUNCTION,
        """fields @timestamp, order_id, step, command, outcome, attempt, detail
| filter trace = "TRACE_ID" or replace(order_id, "-", "") = "TRACE_ID"
| sort @timestamp asc""",
    ),
    "orders accepted, replayed, buffered, refused": (
        ("intake",),
        f"""fields {_LINES}
| filter ispresent(outcome)
| stats sum(lines) as requests, pct(duration_ms, 50) as p50_ms, pct(duration_ms, 99) as p99_ms
    by outcome, bin(5m)""",
    ),
    "refused, by rule": (
        ("intake",),
        """filter outcome = "refused"
| stats count(*) as requests by rules.0, rules.1, rules.2
| sort requests desc""",
    ),
    "delivered, by command and outcome": (
        DELIVERIES,
        f"""fields {_LINES}, ispresent(attempt) as again
| filter ispresent(outcome)
| stats sum(lines) as deliveries, pct(duration_ms, 50) as p50_ms, pct(duration_ms, 99) as p99_ms
    by command, outcome, again
| sort command, outcome, again""",
    ),
    # A step that is missing came too late or was not tried: its own queue has it.
    "done at once by the express path": (
        ("deliver-inventory",),
        f"""fields {_LINES}
| filter command = "reserve"
| filter outcome = "done"
| stats sum(lines) as orders by express.0, express.1, bin(5m)""",
    ),
    "why deliveries fail": (
        DELIVERIES,
        """filter outcome in ["postponed", "misconfigured", "dead_lettered", "contradicted",
    "unavailable", "bug"]
| stats count(*) as deliveries, count_distinct(order_id) as orders
    by command, downstream, detail, error
| sort deliveries desc""",
    ),
    "time to settle": (
        DELIVERIES,
        f"""fields {_LINES}
| filter ispresent(status)
| stats sum(lines) as orders, pct(settle_ms, 50) as p50_ms, pct(settle_ms, 99) as p99_ms
    by status, bin(5m)""",
    ),
    "unsettled orders, the oldest first": (
        (*DELIVERIES, "watchdog"),
        """filter ispresent(unsettled_s)
| stats max(unsettled_s) as age_s, latest(outcome) as last, latest(detail) as why
    by order_id, customer
| sort age_s desc""",
    ),
}


class SavedQueries(Construct):
    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_)
        for number, (name, (functions, query)) in enumerate(QUERIES.items(), 1):
            logs.CfnQueryDefinition(
                self,
                f"Query{number}",
                # A slash makes a folder of it in the console.
                name=f"spillway/{stage.name}/{name}",
                log_group_names=[
                    f"/aws/lambda/{stage.resource_name(function)}" for function in functions
                ],
                query_string=query,
            )
