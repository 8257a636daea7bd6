"""The downstreams' fault settings, from a form and in words: on this machine only. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulation.downstreams.fault_settings import LATENCY_MAX_MS, REFUSE_SKUS_MAX, FaultSettings
from spillway.errors import SpillwayError
from spillway.ui.formatting import counted

_RATES = ("error_rate", "lose_answers_rate", "refuse_rate")
_FLAGS = ("outage", "too_late")
_WRONG_KEY = "wrong_key"


def fault_settings_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The settings that a form asks for; those that it leaves out are off.

    The form has rates in percent, and SKUs separated by spaces or commas. SpillwayError: a value
    that no setting can have.
    """
    wanted: dict[str, Any] = {name: form.get(name) == "on" for name in _FLAGS}
    wanted["misconfigured"] = _WRONG_KEY if form.get(_WRONG_KEY) == "on" else None
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


def fault_labels(fault_settings: Mapping[str, Any]) -> list[str]:
    """The settings that are on, in words."""
    at_rest = FaultSettings().document()
    return [
        _LABELS[name](value)
        for name, value in fault_settings.items()
        # JSON makes a list of a tuple.
        if value not in (at_rest[name], [])
    ]


_LABELS: Mapping[str, Callable[[Any], str]] = {
    "outage": lambda _: "outage",
    "misconfigured": lambda value: f"misconfigured ({value.replace('_', ' ')})",
    "latency_ms": lambda value: f"{value:,} ms slow",
    "error_rate": lambda value: f"{value:.0%} errors",
    "lose_answers_rate": lambda value: f"{value:.0%} answers lost",
    "lose_callbacks_rate": lambda value: f"{value:.0%} callbacks lost",
    "idempotency_keys": lambda _: "no idempotency keys",
    "refuse_rate": lambda value: f"{value:.0%} refused",
    "refuse_skus": lambda value: counted(len(value), "empty shelf", "empty shelves"),
    "too_late": lambda _: "too late to cancel",
    "dispatch_after_ms": lambda value: f"leaves after {value:,} ms",
}
