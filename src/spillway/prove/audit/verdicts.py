"""What breaks a promise, and the verdict on each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from orders.domain.order import OrderKey
from orders.domain.promises import Promise

EXAMPLES_MAX = 5


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise, with the order it was broken for (None: not of one order)."""

    promise: Promise
    key: OrderKey | None
    detail: str

    def __str__(self) -> str:
        return self.detail if self.key is None else f"order {self.key.order_id}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit found of one promise. `evidence` says what was read, and how much.

    `examples` are the first few of `violations`. Where nothing was read for a promise, `judged` is
    False, and `held` only means that no violation was found.
    """

    promise: Promise
    violations: int
    examples: tuple[str, ...]
    evidence: str
    judged: bool

    @property
    def held(self) -> bool:
        return self.violations == 0


def verdicts(
    violations: Iterable[Violation],
    evidence: Mapping[Promise, str],
    not_judged: Mapping[Promise, str] = MappingProxyType({}),
) -> dict[Promise, Verdict]:
    """One verdict a promise; one without evidence was not judged, `not_judged` may say why."""
    found: dict[Promise, list[Violation]] = {promise: [] for promise in Promise}
    for violation in violations:
        found[violation.promise].append(violation)
    return {
        promise: Verdict(
            promise=promise,
            violations=len(broken),
            examples=tuple(str(violation) for violation in broken[:EXAMPLES_MAX]),
            evidence=evidence.get(promise) or not_judged.get(promise, "not judged in this run"),
            judged=promise in evidence,
        )
        for promise, broken in found.items()
    }
