"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: A fault: orders would be refused, wait, or not be noticed. A warning: worth a look.
State = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`about` is what was asked about: a parameter, a stack, a downstream. `next_step` is empty
    where all is well."""

    about: str
    state: State
    says: str
    next_step: str = ""


def ok(about: str, says: str) -> Finding:
    return Finding(about, "ok", says)


def warning(about: str, says: str, next_step: str) -> Finding:
    return Finding(about, "warning", says, next_step)


def fault(about: str, says: str, next_step: str) -> Finding:
    return Finding(about, "fault", says, next_step)
