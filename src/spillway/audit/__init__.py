"""The audit: does what the service told its customers agree with what the downstreams did?

Reading and judging are apart. `reading` fetches the orders table, the downstreams' own tables and
the queues; `judge` and its fellows are pure. They share no decision with orders.domain.saga: who
acts must not be the one who judges, or a mistake in the saga would excuse itself.

`spillway audit` puts them together for a running stack (`running`, with `spool` to keep memory
bounded); the demo and chaos call them themselves. `report` shows verdicts, for all three.
"""

from spillway.audit.judging import (
    judge,
    judge_access,
    judge_history,
    judge_idleness,
    judge_isolation,
    judge_order,
    outage_was_real,
)
from spillway.audit.promises import Promise, Verdict, Violation, verdicts
from spillway.audit.reading import read_depths, read_effects, read_invocations, read_orders
from spillway.audit.records import (
    Acknowledgement,
    Answer,
    Depth,
    Effect,
    Outage,
    Probe,
    Record,
    Size,
)

__all__ = [
    "Acknowledgement",
    "Answer",
    "Depth",
    "Effect",
    "Outage",
    "Probe",
    "Promise",
    "Record",
    "Size",
    "Verdict",
    "Violation",
    "judge",
    "judge_access",
    "judge_history",
    "judge_idleness",
    "judge_isolation",
    "judge_order",
    "outage_was_real",
    "read_depths",
    "read_effects",
    "read_invocations",
    "read_orders",
    "verdicts",
]
