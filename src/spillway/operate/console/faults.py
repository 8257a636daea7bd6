"""The downstreams' fault settings, as a form sends them: local only. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulation.downstreams.fault_settings import LATENCY_MAX_MS, REFUSE_SKUS_MAX
from spillway.errors import SpillwayError

AT_REST: Mapping[str, Any] = {
    "outage": False,
    "latency_ms": 0,
    "error_rate": 0.0,
    "lose_answers_rate": 0.0,
    "refuse_rate": 0.0,
    "refuse_skus": [],
    "too_late": False,
}
_SHARES = ("error_rate", "lose_answers_rate", "refuse_rate")
_SWITCHES = ("outage", "too_late")


def fault_settings_of(form: Mapping[str, str]) -> dict[str, Any]:
    """What a form asks for; what it leaves out is off. Shares are percentages there, shelves words
    with space or commas between them.

    Raises SpillwayError for what no switch can be set to.
    """
    wanted: dict[str, Any] = {name: form.get(name) == "on" for name in _SWITCHES}
    wanted["latency_ms"] = _whole(form, "latency_ms", LATENCY_MAX_MS)
    for name in _SHARES:
        wanted[name] = _whole(form, name, 100) / 100
    shelves = form.get("refuse_skus", "").replace(",", " ").split()
    if len(shelves) > REFUSE_SKUS_MAX:
        raise SpillwayError(f"At most {REFUSE_SKUS_MAX:,} shelves can be empty.")
    wanted["refuse_skus"] = shelves
    return wanted


def _whole(form: Mapping[str, str], name: str, most: int) -> int:
    text = form.get(name, "").strip() or "0"
    if not (text.isdecimal() and int(text) <= most):
        told = name.replace("_", " ").removesuffix(" ms").removesuffix(" rate")
        raise SpillwayError(f"{told.capitalize()}: a whole number from 0 to {most:,}, not {text}.")
    return int(text)
