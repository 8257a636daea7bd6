"""The downstreams' fault settings, as a form sends them: on this machine only. Pure."""

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
_RATES = ("error_rate", "lose_answers_rate", "refuse_rate")
_FLAGS = ("outage", "too_late")


def fault_settings_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The settings that a form asks for; those that it leaves out are off.

    The form has rates in percent, and SKUs separated by spaces or commas. SpillwayError: a value
    that no setting can have.
    """
    wanted: dict[str, Any] = {name: form.get(name) == "on" for name in _FLAGS}
    wanted["latency_ms"] = _whole(form, "latency_ms", LATENCY_MAX_MS)
    for name in _RATES:
        wanted[name] = _whole(form, name, 100) / 100
    shelves = form.get("refuse_skus", "").replace(",", " ").split()
    if len(shelves) > REFUSE_SKUS_MAX:
        raise SpillwayError(f"At most {REFUSE_SKUS_MAX:,} SKUs can be refused.")
    wanted["refuse_skus"] = shelves
    return wanted


def _whole(form: Mapping[str, str], name: str, most: int) -> int:
    text = form.get(name, "").strip() or "0"
    if not (text.isdecimal() and int(text) <= most):
        label = name.replace("_", " ").removesuffix(" ms").removesuffix(" rate")
        raise SpillwayError(f"{label.capitalize()}: a whole number from 0 to {most:,}, not {text}.")
    return int(text)
