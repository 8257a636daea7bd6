"""One way of logging: a JSON object per line, one wide event per order and step.

The field names are here and nowhere else. What may be logged is a closed list, so that a name, an
address or a payment can't slip in: a field that isn't on it is a bug, and raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

FIELDS: Final = frozenset(
    {
        "at",  # Unix milliseconds
        "stage",
        "step",  # intake, drain, relay, deliver, watchdog, reads
        "outcome",  # what became of it, per step
        "order_id",
        "customer",  # hash of the customer id, as in the idempotency key
        "downstream",
        "command",  # the saga's step that was delivered
        "attempt",  # 1 for the first
        "duration_ms",
        "rules",  # names of the broken rules of a refused order
        "detail",  # a failure's own text: holds no personal data
        "error",  # a bug's type and place, never its message, which may quote the input
        "commands",  # how many a relay batch sent
        "events",
        "watches",
        "owed",  # the saga's steps that a stuck order still waits for
        "sent",  # those of them that the watchdog sent again
        "records",
    }
)


@dataclass(frozen=True, slots=True)
class JsonLines:
    """The `Log` port on a stream of lines."""

    write: Callable[[str], object]
    now: Callable[[], int]
    stage: str

    def __call__(self, step: str, outcome: str, **fields: object) -> None:
        unknown = fields.keys() - FIELDS
        if unknown:
            raise ValueError(f"not a log field: {', '.join(sorted(unknown))}")
        line = {"at": self.now(), "stage": self.stage, "step": step, "outcome": outcome}
        line.update((name, value) for name, value in fields.items() if value is not None)
        self.write(msgspec.json.encode(line).decode() + "\n")
