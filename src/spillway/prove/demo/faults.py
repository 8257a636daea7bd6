"""Downstreams that misbehave for a while, and how often that was felt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from orders.domain.saga import Downstream
from spillway.run.stack import Stack


@dataclass
class Retries:
    """Counts the commands that downstreams failed to answer, from now on.

    Each of them makes deliver put its message back: nothing else lets deliver call SQS.
    """

    stack: Stack
    downstreams: tuple[Downstream, ...]
    _before: int = 0

    def __post_init__(self) -> None:
        self._before = self._calls()

    def fired(self) -> int:
        return self._calls() - self._before

    def _calls(self) -> int:
        counts = self.stack.proxy.counts()
        return sum(
            counts.entries(service="sqs", function=f"deliver-{downstream}")
            for downstream in self.downstreams
        )


@contextmanager
def failing(stack: Stack, *downstreams: Downstream, **fault_settings: Any) -> Iterator[Retries]:
    """These downstreams have these fault settings; yields the count of what they failed."""
    with faulty(stack, dict.fromkeys(downstreams, fault_settings)):
        yield Retries(stack, downstreams)


@contextmanager
def faulty(stack: Stack, fault_settings: Mapping[str, Mapping[str, object]]) -> Iterator[None]:
    """These downstreams have these fault settings during the block, afterwards their old ones."""
    before = {
        downstream: {name: stack.fault_settings(downstream)[name] for name in changes}
        for downstream, changes in fault_settings.items()
    }
    try:
        for downstream, changes in fault_settings.items():
            stack.set_fault_settings(downstream, **changes)
        yield
    finally:
        for downstream, changes in before.items():
            stack.set_fault_settings(downstream, **changes)
