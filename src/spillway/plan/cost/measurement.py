"""What a run used, as it was counted: nothing here is priced, scaled or assumed.

Two measurements are kept in docs/measured, so that a report needs no run and a change of the
service shows as a change of data. `spillway cost --measure` renews them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from spillway.errors import SpillwayError
from spillway.paths import PROJECT

MEASURED = PROJECT / "docs" / "measured"

#: one by one: each order is placed when the one before has settled, so every batch is of one.
#: crowd: all orders are in the stream before relay begins, so batches are as full as they get.
Load = Literal["one by one", "crowd"]
LOADS: tuple[Load, ...] = ("one by one", "crowd")


#: What is counted of calls: the numbers of `Calls`, in its order.
QUANTITIES = ("requests", "entries", "write_units", "read_units", "chunks")


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """A function's calls of one AWS operation on one resource.

    `resource` is the name without the stage: `orders`, `inventory`, `order-events`. `entries` are
    those of batches, else one a request. `chunks` of 64 KB.
    """

    service: str
    operation: str
    resource: str
    requests: float
    entries: float
    write_units: float = 0.0
    read_units: float = 0.0
    chunks: float = 0.0

    @classmethod
    def of(cls, service: str, operation: str, resource: str, sums: Sequence[float]) -> Calls:
        """`sums`: one for each of `QUANTITIES`."""
        counted = dict(zip(QUANTITIES, sums, strict=True))
        return cls(service=service, operation=operation, resource=resource, **counted)


class FunctionUse(msgspec.Struct, frozen=True, kw_only=True):
    """What one function did. `records`: what it handled: a stream's records, commands, checks,
    else its requests. `messages`: how many carried them, fewer where a message holds a batch.

    `log_bytes` and `log_lines` are its own lines, without Lambda's. `cpu_seconds`: of its processes
    on the machine that measured, None where it could not be read. `emulated_seconds` is the sum of
    the durations that the emulator reports, which is not AWS's speed.
    """

    invocations: float
    records: float
    messages: float
    calls: tuple[Calls, ...]
    log_bytes: float
    log_lines: float
    cpu_seconds: float | None = None
    emulated_seconds: float | None = None


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A run of `orders` orders, all of which were confirmed.

    `response_bytes` are the API's answers, heads included. `order_bytes` and `progress_bytes` are
    the sums of the stored items' sizes by DynamoDB's rule, and `progress_bytes_max` the largest: an
    update of up to 1 KB takes one write unit. `consumed_units` are the write units that DynamoDB
    itself reported as consumed.
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
    consumed_units: float | None = None

    def calls(self, **kind: str) -> list[Calls]:
        """All functions' calls with these values of `service`, `operation`, `resource`."""
        return [
            calls
            for function in self.functions.values()
            for calls in function.calls
            if all(getattr(calls, name) == value for name, value in kind.items())
        ]

    def total(self, quantity: str, **kind: str) -> float:
        """The sum of one of `Calls`' numbers over `calls(**kind)`."""
        return float(sum(getattr(calls, quantity) for calls in self.calls(**kind)))

    def save(self, folder: Path = MEASURED) -> Path:
        path = folder / file_name(self.load)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
        return path


def recorded(load: Load, folder: Path = MEASURED) -> Measurement:
    """The last measurement on the emulator. Raises SpillwayError when it cannot be read."""
    path = folder / file_name(load)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Measurement)
    except (OSError, msgspec.DecodeError) as error:
        raise SpillwayError(
            f"{path} holds no measurement ({error}): make one with `spillway cost --measure`."
        ) from error


def file_name(load: Load) -> str:
    return f"cost-{load.replace(' ', '-')}.json"
