"""What passed through the proxy: one series per kind of call, only ever counted up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from spillway.run.proxy.batches import sent_fields
from spillway.run.proxy.calls import Answer, Call, Request
from spillway.run.proxy.units import consumed, units_of

#: Beyond so many series, calls of a new kind are counted together as `OTHER`.
SERIES_MAX = 4_096
OTHER = "other"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls of one series have in common.

    `status` is what the caller saw, None for a connection that was closed. `fault` is the proxy's,
    where one was injected. `consistent` marks DynamoDB's strongly consistent reads, which cost
    twice as much.
    """

    service: str
    operation: str
    resource: str | None = None
    function: str | None = None
    status: int | None = None
    fault: str | None = None
    consistent: bool = False


_REST = Kind(service=OTHER, operation=OTHER)


class Series(msgspec.Struct, kw_only=True):
    """One kind of call and how much there was of it.

    `requests` by callers and how often they were `forwarded` to the emulator (twice, for a
    duplicate); `entries` of batches, else one a request. `write_units`, `read_units` and `chunks`
    are what AWS bills, see `run.proxy.units`; `consumed_units` are what DynamoDB itself said, where
    it was asked.
    """

    kind: Kind
    requests: int = 0
    forwarded: int = 0
    entries: int = 0
    write_units: float = 0.0
    read_units: float = 0.0
    chunks: int = 0
    consumed_units: float = 0.0


class Counts(msgspec.Struct, frozen=True):
    """All series at one moment."""

    series: tuple[Series, ...]

    def requests(self, **kind: Any) -> int:
        """How many requests there were of the `kind`: any of `Kind`'s fields."""
        return sum(series.requests for series in self._of(kind))

    def entries(self, **kind: Any) -> int:
        return sum(series.entries for series in self._of(kind))

    def _of(self, kind: Mapping[str, Any]) -> list[Series]:
        return [
            series
            for series in self.series
            if all(getattr(series.kind, name) == value for name, value in kind.items())
        ]


@dataclass(slots=True)
class Exchange:
    """One request and what became of it.

    `answer` is what the caller saw, None for a closed connection; `forwarded` counts how often
    the emulator got the request.
    """

    request: Request
    call: Call
    answer: Answer | None = None
    forwarded: int = 0
    fault: str | None = None


@dataclass
class Tally:
    """The counter. Its memory is bounded by `SERIES_MAX` and by what one payload may have."""

    _series: dict[Kind, Series] = field(default_factory=dict)

    def record(self, exchange: Exchange) -> None:
        call, answer = exchange.call, exchange.answer
        series = self._of(_kind(exchange))
        series.requests += 1
        series.forwarded += exchange.forwarded
        series.entries += call.entries
        answered = _fields(answer)
        units = units_of(call.service, call.operation, sent_fields(call), answered)
        series.write_units += units.write
        series.read_units += units.read
        series.chunks += units.chunks
        series.consumed_units += consumed(answered) or 0.0

    def counts(self) -> Counts:
        return Counts(tuple(self._series.values()))

    def clear(self) -> None:
        self._series.clear()

    def _of(self, kind: Kind) -> Series:
        if kind not in self._series and len(self._series) >= SERIES_MAX:
            kind = _REST
        return self._series.setdefault(kind, Series(kind=kind))


def _kind(exchange: Exchange) -> Kind:
    call, answer = exchange.call, exchange.answer
    return Kind(
        service=call.service,
        operation=call.operation,
        resource=call.resource,
        function=call.function,
        status=None if answer is None else answer.status,
        fault=exchange.fault,
        consistent=call.body.get("ConsistentRead") is True,
    )


def _fields(answer: Answer | None) -> Mapping[str, Any]:
    """What a JSON answer says; nothing for another, or for one that is an error."""
    if answer is None or answer.status != HTTPStatus.OK:
        return {}
    try:
        content = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return {}
    return content if isinstance(content, dict) else {}
