"""How times and ages are told to people."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def clock(at: int) -> str:
    """Unix milliseconds as this machine's time of day: `14:03:07.120`."""
    return _local(at).strftime("%H:%M:%S.%f")[:-3]


def date_and_clock(at: int) -> str:
    return _local(at).strftime("%Y-%m-%d %H:%M:%S")


def age(seconds: float) -> str:
    """In its two largest units: `3 h 20 min`."""
    rest = max(0, round(seconds))
    told = []
    for unit, name in _UNITS:
        count, rest = divmod(rest, unit)
        if count:
            told.append(f"{count} {name}")
    if rest or not told:
        told.append(f"{rest} s")
    return " ".join(told[:2])


def milliseconds(count: float) -> str:
    return f"{count:,.0f} ms" if count < 10_000 else age(count / 1000)


def rfc3339(at: int) -> str:
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _local(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone()
