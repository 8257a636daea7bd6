"""What moves the price, one thing at a time: each row is a whole new bill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec

from spillway.plan.cost.loads import CROWD, NOT_PACKED, PACKED, TRICKLE, Fills, Packing
from spillway.plan.cost.measurement import Measurement
from spillway.plan.cost.reckoning import MILLION, Reckoning
from spillway.plan.prices import Usage, Use, priced

#: Lambda's own START, END and REPORT lines in JSON, at level INFO: three events.
SYSTEM_LINES, SYSTEM_LINE_BYTES = 3, 170
_MEMORIES = (128, 256, 512, 1024)
_ANSWERS = {0.02: "20 ms", 0.1: "100 ms", 0.5: "500 ms", 2.0: "2 s"}
_PROCESSORS = {0.5: "half as long as ours", 1.0: "as long as ours", 2.0: "twice as long as ours"}


@dataclass(frozen=True, slots=True)
class Row:
    """`dollars` a million orders (a month, where `per_month`) when `what` is `value`."""

    what: str
    value: str
    dollars: float
    base: bool = False
    per_month: bool = False


def sensitivity(ours: Reckoning) -> list[Row]:
    """All rows, in a crowd unless they say otherwise; `base` marks how it is."""
    return [
        *_order_sizes(ours),
        *_batches(ours),
        *_memory(ours),
        *_figures(ours, "downstream_seconds", "a downstream answers after", _ANSWERS),
        *_figures(ours, "processor_ratio", "Lambda's processor takes", _PROCESSORS),
        *_logs(ours),
        *_repeats(ours),
        *_looks(ours),
        *_ways(ours),
        *_users(ours),
    ]


def _dollars(ours: Reckoning, fills: Fills = CROWD) -> float:
    return ours.per_million(fills).dollars


def _order_sizes(ours: Reckoning) -> Iterator[Row]:
    units = _order_units(ours.measurement)
    for size in (1, 2, 4, 8):
        larger = replace(ours, measurement=with_order_units(ours.measurement, size))
        yield Row("order size", f"{size} KB stored", _dollars(larger))
    yield Row("order size", f"{units:.2f} units, as measured", _dollars(ours), base=True)


def _order_units(measurement: Measurement) -> float:
    written = measurement.total("write_units", service="dynamodb", operation="PutItem")
    return written / measurement.orders


def with_order_units(measurement: Measurement, units: float) -> Measurement:
    """The same run with orders of so many write units."""
    functions = {
        name: msgspec.structs.replace(
            use,
            calls=tuple(
                msgspec.structs.replace(calls, write_units=calls.requests * units)
                if calls.operation == "PutItem"
                else calls
                for calls in use.calls
            ),
        )
        for name, use in measurement.functions.items()
    }
    return msgspec.structs.replace(measurement, functions=functions)


def _batches(ours: Reckoning) -> Iterator[Row]:
    yield Row("batches", "each of one", _dollars(ours, TRICKLE))
    for rate in (10, 100, 1_000):
        value = f"as {rate:,} orders a second fill them"
        yield Row("batches", value, _dollars(ours, ours.fills_at(rate)))
    yield Row("batches", "full", _dollars(ours), base=True)
    yield Row("packs", "none: each command in a message", _dollars(ours.with_packing(NOT_PACKED)))
    for commands in (PACKED.commands, 2 * PACKED.commands, 5 * PACKED.commands):
        packing = Packing(commands, PACKED.checks)
        yield Row(
            "packs",
            f"of up to {commands} commands",
            _dollars(ours.with_packing(packing)),
            packing == ours.settings.packing,
        )


def _memory(ours: Reckoning) -> Iterator[Row]:
    for name in ("intake", "relay", "deliver"):
        functions = [one for one in ours.settings.memory_mb if one.partition("-")[0] == name]
        for memory in _MEMORIES:
            changed = ours.with_memory(**dict.fromkeys(functions, float(memory)))
            base = memory == ours.settings.memory_mb[functions[0]]
            yield Row(f"memory of {name}", f"{memory} MB", _dollars(changed), base)


def _figures(ours: Reckoning, name: str, what: str, values: Mapping[float, str]) -> Iterator[Row]:
    """One of the calibration's figures at other values."""
    now = getattr(ours.figures, name).value
    for value, said in values.items():
        changed = replace(ours, figures=ours.figures.with_values(**{name: value}))
        yield Row(what, said, _dollars(changed), value == now)


def _logs(ours: Reckoning) -> Iterator[Row]:
    def with_lines(factor: float, system: bool) -> Reckoning:
        functions = {
            name: msgspec.structs.replace(
                use,
                log_lines=use.log_lines * factor + (use.invocations * SYSTEM_LINES * system),
                log_bytes=use.log_bytes * factor
                + (use.invocations * SYSTEM_LINES * SYSTEM_LINE_BYTES * system),
            )
            for name, use in ours.measurement.functions.items()
        }
        measurement = msgspec.structs.replace(ours.measurement, functions=functions)
        return replace(ours, measurement=measurement)

    yield Row("log level", "application WARN: only what goes wrong", _dollars(with_lines(0, False)))
    yield Row("log level", "application INFO", _dollars(ours), base=True)
    yield Row("log level", "and Lambda's own lines", _dollars(with_lines(1, True)))


def _repeats(ours: Reckoning) -> Iterator[Row]:
    """An order that is sent again is a request, an invocation and a failed condition, which pays
    like a write; a delivery that is tried again goes on by itself: a message, a receipt, a wait and
    a share of an invocation."""
    order, alone = ours.an_order(CROWD), ours.with_packing(NOT_PACKED).an_order(CROWD)
    again = ("API: ", "intake: ", "table: orders written", "logs: of the API")
    tried = ("deliver-", "queues: commands sent", "queues: commands received")
    for what, of, names, share in (
        ("orders sent twice", order, again, 0.1),
        ("orders sent twice", order, again, 1.0),
        ("deliveries tried twice", alone, tried, 0.1),
        ("deliveries tried twice", alone, tried, 1.0),
    ):
        extra = [use for use in of if use.name.startswith(names)]
        bill = priced(Usage(tuple(extra)).scaled(share * MILLION), ours.book)
        yield Row(what, f"{share:.0%}", _dollars(ours) + bill.dollars)


def _looks(ours: Reckoning) -> Iterator[Row]:
    look = priced(ours.a_look().scaled(MILLION), ours.book).dollars
    for looks in (0, 1, 5):
        value = f"{looks} times" if looks != 1 else "once"
        yield Row("customers look at an order", value, _dollars(ours) + looks * look, looks == 0)


def _ways(ours: Reckoning) -> Iterator[Row]:
    """A store whose pages and API are one origin has CloudFront before both. It also carries the
    answers, at about the price that the API's own would have."""
    through = priced(Usage((Use("CloudFront", "cloudfront.requests", MILLION),)), ours.book)
    yield Row("orders come", "straight to the API", _dollars(ours), base=True)
    yield Row("orders come", "through CloudFront", _dollars(ours) + through.dollars)


def _users(ours: Reckoning) -> Iterator[Row]:
    """With Spillway's own user pool. An issuer of one's own costs nothing here."""
    for users in (10_000, 100_000, 1_000_000):
        bill = priced(ours.working(users), ours.book, free_tiers=True)
        dollars = sum(item.dollars for item in bill.items if item.price_name == "cognito.users")
        yield Row("users of Cognito", f"{users:,} a month", dollars, per_month=True)
