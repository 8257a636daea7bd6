"""Durations, ages, times and counts, formatted for people."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from spillway.currencies import in_major_units

_MINUTE = 60
_UNITS = ((86_400, "d"), (3_600, "h"), (_MINUTE, "min"), (1, "s"))


def duration(seconds: float | None) -> str:
    """Three digits below a minute, else the two largest units: `71 ms`, `1.62 s`, `3 h 20 min`.

    None is formatted as `-`: there is no figure.
    """
    if seconds is None:
        return "-"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3g} s" if seconds < _MINUTE else age(seconds)


def age(seconds: float) -> str:
    """Whole seconds in the two largest units: `0 s`, `45 s`, `3 h 20 min`."""
    whole = max(0, round(seconds))
    for (unit, name), (below, small) in pairwise(_UNITS):
        if whole >= unit:
            count, rest = divmod(round(whole / below), unit // below)
            return f"{count} {name} {rest} {small}" if rest else f"{count} {name}"
    return f"{whole} s"


def clock(at: int) -> str:
    """Unix milliseconds as a time of day in UTC: `14:03:07.120Z`."""
    return rfc3339(at)[11:]


def date_and_clock(at: int) -> str:
    """Unix milliseconds as a date and a time of day: `2026-11-27 14:03:07 UTC`. Logs, alarms and
    the console have the same zone, so that a time in one is found in the others."""
    return f"{rfc3339(at)[:19].replace('T', ' ')} UTC"


def with_zone(at: int) -> str:
    """Unix milliseconds in this machine's zone, as `--from` takes it:
    `2026-11-27T14:03:07+01:00`."""
    local = datetime.fromtimestamp(at / 1000, UTC).astimezone()
    return local.isoformat(timespec="seconds").replace("+00:00", "Z")


def rfc3339(at: int) -> str:
    """Unix milliseconds in UTC, as the API writes them: `2026-11-27T14:03:07.120Z`."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def money(amount: int, currency: str) -> str:
    """Minor units of a currency, as people write them: `9.05 GBP`, `1,200 JPY`."""
    return f"{in_major_units(amount, currency):,f} {currency}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun: `1 order`, `2,000 orders`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def large(number: float) -> str:
    """A whole number below a million, else three digits: `999,999`, `36 M`."""
    return f"{number / 1e6:,.3g} M" if number >= 1e6 else f"{number:,.0f}"
