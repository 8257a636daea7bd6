"""One way of logging: a JSON object per line, one wide event per order and step.

The field names are here and nowhere else; docs/logs.md explains them to whoever reads logs. What
may be logged is this closed list, so that a name, an address or a payment can't slip in: a field
that isn't on it is a bug, and raises.

A line is paid by the byte, and logs are easily dearer than the functions that write them: what goes
well without telling anything new is not logged (decision 0012).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec

from orders.domain.trace import Trace

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "at": "when it was over, Unix milliseconds by the function's clock",
        "step": "`intake`, `drain`, `relay`, `deliver`, `watchdog`, `reads` or `archive`",
        "outcome": "what became of it: see the table of outcomes",
        "order_id": "left out where what was given is no order id",
        "customer": "hash of the customer id, the same as at the end of an idempotency key",
        "trace": "the trace id that the client named, in the lines of intake, drain and deliver;"
        " where they name none, the order id's 32 digits are it",
        "downstream": "`inventory`, `fulfilment` or `accounting`, where `command` does not say it",
        "command": "the saga's step that was delivered: `reserve`, `ship`, `post` and so on",
        "attempt": "which try it was; left out at the first",
        "duration_ms": "how long it took",
        "reason": "the downstream's code for why it refused",
        "express": "the steps that inventory's delivery had done too, recorded with `reserve`",
        "status": "of the order: where a delivery settled it, and where the watchdog found it",
        "settle_ms": "from the customer's last request to the outcome that settled the order",
        "rules": "names of the rules that a refused order breaks: see refusals.md",
        "receipt": "`without_customer`: the payment's receipt is of a key that signs the form of"
        " 0.2.0, which is still to be replaced",
        "owed": "the saga's steps that an unsettled order waits for",
        "sent": "those of them that the watchdog sent again",
        "buffered_s": "age of an order that drain could not bring into the table",
        "unsettled_s": "age of an order that a delivery failed for or the watchdog found unsettled",
        "half_done_s": "the same, where a downstream has already given its answer to one step",
        "records": "how many changes were in a batch that could not be relayed",
        "messages": "how many messages a batch message was split into",
        "archived": "how many orders a run has moved to the archive",
        "left": "how many it would have, and left in the table, because something had changed",
        "detail": "a failure's own text; it holds no personal data",
        "error": "a bug's type and place, never its text, which may quote the input",
    }
)


@dataclass(frozen=True, slots=True)
class JsonLines:
    """The `Log` port on a stream of lines."""

    write: Callable[[str], object]
    now: Callable[[], int]

    def __call__(self, step: str, outcome: str, **fields: object) -> None:
        unknown = fields.keys() - FIELDS.keys()
        if unknown:
            raise ValueError(f"not a log field: {', '.join(sorted(unknown))}")
        line = {"at": self.now(), "step": step, "outcome": outcome}
        line.update((name, value) for name, value in fields.items() if value is not None)
        self.write(msgspec.json.encode(line).decode() + "\n")


def trace_id(trace: Trace | None) -> str | None:
    """What the field `trace` says. 43 bytes of each line, where the order id would not say it."""
    return None if trace is None else trace.trace_id
