"""Downstreams that misbehave for a while, and how often that failed a command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from orders.domain.saga import Downstream
from spillway.run.stack import Stack
from spillway.run.stack.fakes import Fakes


class Retries:
    """Counts the commands that downstreams failed to answer, from now on.

    Each of them makes deliver put its message back. Deliver calls SQS for nothing else, unless
    downstreams decide later: then it also sends commands, and those that were taken once more.
    """

    def __init__(self, stack: Stack, downstreams: Iterable[Downstream]) -> None:
        self._stack = stack
        self._functions = [f"deliver-{downstream}" for downstream in downstreams]
        self._before = self._calls()

    def fired(self) -> int:
        return self._calls() - self._before

    def _calls(self) -> int:
        counts = self._stack.proxy.counts()
        later = self._stack.fakes is Fakes.EXAMPLES
        kind = {"operation": "ChangeMessageVisibility"} if later else {}
        return sum(counts.entries(service="sqs", function=name, **kind) for name in self._functions)


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
