"""What a run used, as it was counted: nothing here is priced, scaled or assumed.

Two measurements are kept in docs/measured, so that a report needs no run and a change of the
service shows as a change of data. `spillway cost --measure` renews them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from orders.aws.items import Item, is_progress
from orders.telemetry import is_good_news
from spillway.errors import SpillwayError
from spillway.paths import PROJECT
from spillway.run.proxy.units import item_bytes

MEASURED = PROJECT / "docs" / "measured"

#: one by one: each order is placed when the one before has settled, so every batch is of one.
#: crowd: all orders are in the stream before relay begins, so batches are as full as they get.
Load = Literal["one by one", "crowd"]
LOADS: tuple[Load, ...] = ("one by one", "crowd")


class Calls(msgspec.Struct, kw_only=True):
    """A function's calls of one AWS operation on one resource.

    `resource` is the name without the stage: `orders`, `inventory`, `order-events`. `entries` are
    those of batches, else one a request. `chunks` of 64 KB.
    """

    service: str
    operation: str
    resource: str
    requests: float = 0.0
    entries: float = 0.0
    write_units: float = 0.0
    read_units: float = 0.0
    chunks: float = 0.0


class FunctionUse(msgspec.Struct, kw_only=True):
    """What one function did. `records`: what it handled: a stream's records, commands, checks,
    else its requests. `messages`: how many carried them, fewer where a message holds a batch.

    `log_bytes` and `log_lines` are its own lines, without Lambda's; `good_bytes` and `good_lines`
    are those that a stage may log less of (`is_good_news`), None in a run of before they were told
    apart: then all of them are. `cpu_seconds`: of its processes on the machine that measured, None
    where it could not be read.
    """

    invocations: float = 0.0
    records: float = 0.0
    messages: float = 0.0
    calls: list[Calls] = []
    log_bytes: float = 0.0
    log_lines: float = 0.0
    good_bytes: float | None = None
    good_lines: float | None = None
    cpu_seconds: float | None = None

    def count_line(self, line: str) -> None:
        """A line as the function wrote it, without its end."""
        size = len(line.encode())
        self.log_lines += 1
        self.log_bytes += size
        fields = msgspec.json.decode(line, type=dict[str, Any])
        _, step, outcome = (fields.pop(name, "") for name in ("at", "step", "outcome"))
        good = is_good_news(step, outcome, fields)
        self.good_lines = (self.good_lines or 0.0) + good
        self.good_bytes = (self.good_bytes or 0.0) + good * size

    def calls_of(self, service: str, operation: str, resource: str) -> Calls:
        """The calls of this kind, to be counted up."""
        for calls in self.calls:
            if (calls.service, calls.operation, calls.resource) == (service, operation, resource):
                return calls
        self.calls.append(Calls(service=service, operation=operation, resource=resource))
        return self.calls[-1]


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A run of `orders` orders, all of which were confirmed.

    `request_bytes` and `response_bytes` are the orders and the API's answers to them, heads of the
    answers included; `look_bytes` are the answers to `reads`. `downstream_bytes` are all requests
    to downstreams, heads included: those of the same orders in the simulation, because no run's
    proxy sees them. Both are 0 in a run of before 2026-11-30. `order_bytes` and `progress_bytes`
    are the sums of the stored items' sizes by DynamoDB's rule, and `progress_bytes_max` the
    largest: an update of up to 1 KB takes one write unit. `consumed_units` are the write units that
    DynamoDB itself reported as consumed.
    """

    source: Literal["emulator", "model"]
    load: Load
    orders: int
    workload: str
    taken_at: str
    requests: float
    request_bytes: float
    response_bytes: float
    order_bytes: float
    progress_bytes: float
    progress_bytes_max: float
    functions: Mapping[str, FunctionUse]
    look_bytes: float = 0.0
    downstream_bytes: float = 0.0
    consumed_units: float | None = None

    @property
    def cpu_seconds(self) -> float:
        return sum(use.cpu_seconds or 0.0 for use in self.functions.values())

    @property
    def express_share(self) -> float:
        """Of the orders, those that were also shipped and posted by inventory's delivery."""
        reserved = self.functions["deliver-inventory"].records
        return 1 - self.functions["deliver-fulfilment"].records / reserved

    def calls(self, **kind: str) -> list[Calls]:
        """All functions' calls with these values of `service`, `operation`, `resource`."""
        return calls_of(self.functions, **kind)

    def total(self, quantity: str, **kind: str) -> float:
        """The sum of one of `Calls`' numbers over `calls(**kind)`."""
        return float(sum(getattr(calls, quantity) for calls in self.calls(**kind)))

    def save(self) -> None:
        path = MEASURED / _file_name(self.load)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


def calls_of(functions: Mapping[str, FunctionUse], **kind: str) -> list[Calls]:
    return [
        calls
        for function in functions.values()
        for calls in function.calls
        if all(getattr(calls, name) == value for name, value in kind.items())
    ]


def stored_bytes(stored: Iterable[Item]) -> dict[str, int]:
    """The fields of a measurement about the items of its orders."""
    sizes: dict[bool, list[int]] = {True: [], False: []}
    for item in stored:
        sizes[is_progress(item)].append(item_bytes(item))
    return {
        "order_bytes": sum(sizes[False]),
        "progress_bytes": sum(sizes[True]),
        "progress_bytes_max": max(sizes[True]),
    }


def recorded(load: Load, *, queued: bool = False) -> Measurement:
    """The last measurement on the emulator; `queued`: the last one of a stage without [express],
    where each command goes by its own queue. Raises SpillwayError when it cannot be read."""
    path = MEASURED / _file_name(load, queued=queued)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Measurement)
    except (OSError, msgspec.DecodeError) as error:
        raise SpillwayError(
            f"{path} holds no measurement ({error}): make one with `spillway cost --measure`."
        ) from error


def _file_name(load: Load, *, queued: bool = False) -> str:
    return f"{'queued' if queued else 'cost'}-{load.replace(' ', '-')}.json"
