"""One way of logging: a JSON object per line, one wide event per order and step.

The field names are here and nowhere else; docs/logs.md explains them to whoever reads logs. What
may be logged is this closed list, so that a name, an address or a payment can't slip in: a field
that isn't on it is a bug, and raises.

A line is paid by the byte, and logs are easily dearer than the functions that write them: what goes
well without telling anything new is not logged (decision 0012), and a stage may have good news
logged of one order in N only (decision 0054):

    good news                      of the orders in the sample, each line standing for N;
                                   of all orders for a while after a failure
    whatever else there is to say  of every order
    `settle_ms`                    only of the orders in the sample

A hash of customer and order id decides which orders are in the sample, so all functions agree. The
last rule keeps percentiles right. An order on which anything goes wrong is always logged, and it is
slow: if each of its lines had the field, slow orders would count N times as much as others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

import msgspec

from orders.domain.saga import Step
from orders.domain.status import Status
from orders.domain.trace import Trace

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "at": "when it was over, Unix milliseconds by the function's clock",
        "step": "`intake`, `drain`, `relay`, `deliver`, `outcomes`, `watchdog`, `reads`,"
        " `archive` or `payments`",
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
        "settle_ms": "from the last request, of a customer or an approver, to the outcome that"
        " settled the order; where good news is sampled, only of the orders in the sample",
        "stands_for": "how many orders' lines this one stands for, where good news is sampled; left"
        " out where it stands for its own order alone",
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
        "payments": "how many payments a run has held against the orders",
        "given_back": "how many of them it has given back",
        "for_a_person": "how many of them a person must look at: see [payments](payments.md)",
        "detail": "a failure's own text; it holds no personal data",
        "error": "a bug's type and place, never its text, which may quote the input",
    }
)


#: An order that takes longer to settle is slow, which is no good news. The watchdog and the alarms
#: look at orders later than that (`infra.stage`), so whichever they have seen leaves a line when it
#: settles.
GOOD_NEWS_WITHIN_MS: Final = 300_000
#: For so long after a failure a process logs everything. As long as `spillway status` looks back
#: for a downstream's answers, when it says since when there have been none.
AFTER_FAILURE_MS: Final = 16 * 60 * 1000

_FAILURES = frozenset(
    {"postponed", "misconfigured", "unavailable", "bug", "dead_lettered", "contradicted"}
)
_GOOD_STEPS = frozenset({Step.RESERVE, Step.SHIP, Step.POST})
#: By what the sample is chosen.
_CHOSEN_BY = frozenset({"customer", "order_id"})
#: A line with any other field has something else to tell, like a second attempt.
_GOOD_FIELDS = _CHOSEN_BY | {"trace", "duration_ms", "command", "express", "status", "settle_ms"}


def is_good_news(step: str, outcome: str, fields: Mapping[str, Any]) -> bool:
    """Whether a line with these fields tells of nothing but success at the first attempt."""
    if not _CHOSEN_BY <= fields.keys() <= _GOOD_FIELDS:
        return False
    if step == "intake":
        return outcome == "accepted"
    if (
        step not in ("deliver", "outcomes")
        or outcome != "done"
        or fields.get("command") not in _GOOD_STEPS
    ):
        return False
    if "status" not in fields:
        # An order that went by the express path and has not settled had a step refused, or left to
        # another delivery.
        return "express" not in fields
    slow = fields.get("settle_ms", GOOD_NEWS_WITHIN_MS) >= GOOD_NEWS_WITHIN_MS
    return fields["status"] == Status.CONFIRMED and not slow


def in_sample(customer: str, order_id: str, one_in: int) -> bool:
    """Whether an order is one of those whose good news is logged. `customer` is the hash."""
    digest = sha256(f"{customer}/{order_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % one_in == 0


@dataclass(slots=True)
class JsonLines:
    """The `Log` port on a stream of lines.

    `good_news_one_in`: of how many orders one has its good news logged, 1 for all. `now` is in Unix
    milliseconds. One for each process: it remembers the last failure.
    """

    write: Callable[[str], object]
    now: Callable[[], int]
    good_news_one_in: int = 1
    _all_until: int = field(default=0, init=False)

    def __call__(self, step: str, outcome: str, **fields: object) -> None:
        unknown = fields.keys() - FIELDS.keys()
        if unknown:
            raise ValueError(f"not a log field: {', '.join(sorted(unknown))}")
        now = self.now()
        given = {name: value for name, value in fields.items() if value is not None}
        if self.good_news_one_in > 1 and not self._sampled(step, outcome, given, now):
            return
        line = {"at": now, "step": step, "outcome": outcome, **given}
        self.write(msgspec.json.encode(line).decode() + "\n")

    def _sampled(self, step: str, outcome: str, fields: dict[str, Any], now: int) -> bool:
        """Whether the line is to be written; `fields` are then as they must be."""
        one_in = self.good_news_one_in
        good = is_good_news(step, outcome, fields)
        sampled = in_sample(fields.get("customer", ""), fields.get("order_id", ""), one_in)
        if outcome in _FAILURES:
            self._all_until = now + AFTER_FAILURE_MS
        if not sampled:
            fields.pop("settle_ms", None)
        if not good or now < self._all_until:
            return True
        fields["stands_for"] = one_in
        return sampled


def trace_id(trace: Trace | None) -> str | None:
    """What the field `trace` says. 43 bytes of each line, where the order id would not say it."""
    return None if trace is None else trace.trace_id
