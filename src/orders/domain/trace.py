"""W3C Trace Context: one name for everything that is done for an order.

Source: W3C Recommendation "Trace Context", 23 November 2021, sections 3.2 and 4.3. A header that
is not exactly right is ignored, as the specification asks, and the order gets a trace of its own.

That one is made of the order's id: a UUIDv7 is as long as a trace id and ends in more random bits
than a trace id must have. So it needs no randomness here, a client's retry stays in the same trace,
and nothing has to be stored or logged for it: only a trace that the client named costs any bytes.

`tracestate` is not passed on. It may hold 512 bytes of other parties' data, which would have to be
stored with the order, and the specification lets a participant drop it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from orders.domain.units import OrderId

_VERSION_0 = "00"
# Any version begins like this. What a later one appends is not ours to read.
_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_VERSION = "ff"
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class Trace:
    """32 and 16 lower-case hexadecimal digits; `parent_id` names the caller's own part in it.

    `sampled`: the caller may have recorded its part.
    """

    trace_id: str
    parent_id: str
    sampled: bool

    @property
    def header(self) -> str:
        """As a `traceparent`."""
        return f"{_VERSION_0}-{self.trace_id}-{self.parent_id}-{int(self.sampled):02x}"

    def called_by(self, part: str) -> Trace:
        """The same trace for a call of ours, under a name made of what is unique to that call."""
        parent_id = hashlib.sha256(part.encode()).hexdigest()[:16]
        return Trace(self.trace_id, parent_id, self.sampled)


def parsed(header: str | None) -> Trace | None:
    """The trace that a `traceparent` names; None for a missing or malformed one."""
    found = _HEADER.fullmatch(header) if header else None
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == _NO_VERSION or (version == _VERSION_0 and more):
        return None
    if not trace_id.strip("0") or not parent_id.strip("0"):
        return None
    return Trace(trace_id, parent_id, bool(int(flags, 16) & _SAMPLED))


def of_order(order_id: OrderId) -> Trace:
    """The trace of an order whose client named none. Sampled, because our logs record each step."""
    digits = order_id.replace("-", "")
    return Trace(digits, digits[16:], sampled=True)
