"""What was tried to make an order cheaper, each priced anew; and what was left, with the reason.

A saving that is kept is priced by taking it back, one that is not by taking it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec

from spillway.plan.cost.idle import MONTH_SECONDS
from spillway.plan.cost.loads import CROWD, PACKED, TRICKLE, Fills, Packing, parcels
from spillway.plan.cost.reckoning import MILLION, Reckoning
from spillway.plan.cost.sensitivity import SYSTEM_LINE_BYTES, SYSTEM_LINES, with_order_units
from spillway.plan.prices import Usage, priced

#: Write units of an order as JSON and with a preset dictionary, against zlib's, of 1,888 generated
#: retail orders and of the 866 retail sales of December 2010: measured 2026-11-23.
_AS_JSON_UNITS = 2.10 / 1.04
_DICTIONARY_UNITS = 1.110 / 1.155
#: What the functions wrote before what says nothing new was left out (2026-11-23, this meter).
_LOGGED_BEFORE = 1_158.0 / 883.0
#: With each delivery's downstream in its line, and without (docs/measured/log_bytes.json before and
#: after, the same day).
_LOGGED_WITH_DOWNSTREAM = 775.4 / 700.8
_RELAY_BATCH_BEFORE = 100.0
#: Memory of deliver, drain and watchdog before.
_MEMORY_BEFORE_MB = 256.0
_WINDOW_SECONDS = 5.0
#: A new table's.
_SHARDS = 4


@dataclass(frozen=True, slots=True)
class Saving:
    """Dollars that it saves, at list price, of a million orders in a crowd and one by one."""

    what: str
    crowd: float
    trickle: float
    kept: bool
    why: str


def savings(ours: Reckoning) -> list[Saving]:
    """All that was tried, what is kept first."""
    return [*_kept(ours), *_left(ours)]


def _kept(ours: Reckoning) -> Iterator[Saving]:
    def taken_back(what: str, before: Reckoning, why: str) -> Saving:
        return Saving(what, *_gain(before, ours), True, why)

    measured = ours.measurement
    units = measured.total("write_units", operation="PutItem") / measured.orders
    as_json = replace(ours, measurement=with_order_units(measured, units * _AS_JSON_UNITS))
    yield taken_back("an order's content as zlib instead of JSON", as_json, "decision 0003")
    yield taken_back(
        "Lambda's own log lines left out",
        _with_logs(ours, 1.0, system=True),
        "three lines an invocation, which say what metrics say for nothing",
    )
    yield taken_back(
        "own log lines only for what is new",
        _with_logs(ours, _LOGGED_BEFORE),
        "relay's and the watchdog's good news is in other lines",
    )
    yield taken_back(
        "deliver, drain and watchdog at 128 MB instead of 256",
        ours.with_memory(
            **{
                name: _MEMORY_BEFORE_MB
                for name in ours.settings.memory_mb
                if name.partition("-")[0] in ("deliver", "drain", "watchdog")
            }
        ),
        "they wait most of the time, and waiting is paid by memory",
    )
    dear = replace(ours.settings, access_log_price="logs.ingested")
    yield taken_back(
        "the API's access log in the infrequent class",
        replace(ours, settings=dear),
        "nobody reads it but to look for a request that never arrived",
    )
    yield taken_back(
        "the watchdog looks at a hundred in one eventually consistent read",
        _with_reads(ours, "BatchGetItem", 2.0),
        "decision 0009",
    )
    yield taken_back(
        "an order travels in its first command",
        _with_reads(ours, "GetItem", 1.5),
        "inventory need not read it; up to 6 KB, above that it is read",
    )
    yield taken_back(
        f"up to {PACKED.commands} commands in a message",
        ours.with_packing(Packing(1, PACKED.checks)),
        "decision 0023; in packs of 25 it would be a little more, and no pack done in one go",
    )
    yield taken_back(
        f"up to {PACKED.checks} watches in a message",
        ours.with_packing(Packing(PACKED.commands, 1)),
        "decision 0023: what is open goes on by itself",
    )
    smaller = replace(CROWD, relay=_RELAY_BATCH_BEFORE)
    yield Saving(
        f"relay works on {CROWD.relay:.0f} changes at once instead of {_RELAY_BATCH_BEFORE:.0f}",
        _dollars(ours, smaller) - _dollars(ours, CROWD),
        0.0,
        True,
        "a quarter of them fills one send of packs to each queue",
    )
    yield taken_back(
        "a delivery's line leaves out the downstream",
        _with_logs(ours, _LOGGED_WITH_DOWNSTREAM),
        "its command says it",
    )


def _left(ours: Reckoning) -> Iterator[Saving]:
    def taken(what: str, after: Reckoning, why: str) -> Saving:
        return Saving(what, *_gain(ours, after), False, why)

    measured = ours.measurement
    units = measured.total("write_units", operation="PutItem") / measured.orders
    smaller = replace(ours, measurement=with_order_units(measured, units * _DICTIONARY_UNITS))
    yield taken("zlib with a preset dictionary", smaller, "could never be changed: decision 0003")
    yield taken(
        "intake at 256 MB instead of 512",
        ours.with_memory(intake=256.0),
        "a customer waits: its processor time doubles",
    )
    yield taken(
        "relay at 256 MB instead of 512",
        ours.with_memory(relay=256.0),
        "relay is the first bottleneck of a spike (`spillway capacity`)",
    )
    evenly = ours.steady(MILLION)
    yield Saving(
        f"a batching window of {_WINDOW_SECONDS:.0f} s for relay, at a million orders a month",
        0.0,
        _dollars(ours, evenly) - _dollars(ours, _with_window(ours, evenly)),
        False,
        "two of them lie between an order and its confirmation",
    )
    yield _scaled(
        ours,
        "relay reads an order once for both of its later commands",
        {"table: orders read": 0.5},
        "relay would depend on the table; deliver's wait would be spared too",
    )


def _gain(before: Reckoning, after: Reckoning) -> tuple[float, float]:
    crowd, trickle = (
        _dollars(before, fills) - _dollars(after, fills) for fills in (CROWD, TRICKLE)
    )
    return crowd, trickle


def _dollars(ours: Reckoning, fills: Fills) -> float:
    return ours.per_million(fills).dollars


def _with_logs(ours: Reckoning, factor: float, *, system: bool = False) -> Reckoning:
    functions = {
        name: msgspec.structs.replace(
            use,
            log_bytes=use.log_bytes * factor
            + system * use.invocations * SYSTEM_LINES * SYSTEM_LINE_BYTES,
            log_lines=use.log_lines + system * use.invocations * SYSTEM_LINES,
        )
        for name, use in ours.measurement.functions.items()
    }
    return replace(ours, measurement=msgspec.structs.replace(ours.measurement, functions=functions))


def _with_reads(ours: Reckoning, operation: str, factor: float) -> Reckoning:
    functions = {
        name: msgspec.structs.replace(
            use,
            calls=tuple(
                msgspec.structs.replace(calls, read_units=calls.read_units * factor)
                if calls.operation == operation
                else calls
                for calls in use.calls
            ),
        )
        for name, use in ours.measurement.functions.items()
    }
    return replace(ours, measurement=msgspec.structs.replace(ours.measurement, functions=functions))


def _with_window(ours: Reckoning, evenly: Fills) -> Fills:
    """How full batches are when a million orders a month come evenly and relay waits for more:
    each shard by itself."""
    records = ours.measurement.functions["relay"].records / ours.measurement.orders
    of_a_shard = MILLION / MONTH_SECONDS * records / _SHARDS
    gathered = 1 + of_a_shard * _WINDOW_SECONDS
    messages = parcels(gathered, 1 / records, ours.settings.packing.commands)
    return Fills(gathered, max(1.0, messages), evenly.watchdog)


def _scaled(ours: Reckoning, what: str, shares: Mapping[str, float], why: str) -> Saving:
    """A design that was only worked out: items whose names begin so, times their share."""

    def gain(fills: Fills) -> float:
        return _part(ours, fills, shares, lambda share: 1 - share)

    # One by one there is nothing to put together.
    apart = {name: share for name, share in shares.items() if name.startswith("table:")}
    return Saving(what, gain(CROWD), _part(ours, TRICKLE, apart, lambda s: 1 - s), False, why)


def _part(
    ours: Reckoning, fills: Fills, shares: Mapping[str, float], of: Callable[[float], float]
) -> float:
    uses = [
        replace(use, units=use.units * of(share))
        for use in ours.an_order(fills)
        for name, share in shares.items()
        if use.name.startswith(name)
    ]
    return priced(Usage(tuple(uses)).scaled(MILLION), ours.book).dollars
