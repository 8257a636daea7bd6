"""Asking the service, which blocks, from a page, which must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from spillway.target.options import explain_unreachable

T = TypeVar("T")


async def ask(read: Callable[[], T]) -> T:
    """Run `read` in a thread. SpillwayError: the service does not answer."""

    def explained() -> T:
        with explain_unreachable():
            return read()

    return await run_in_threadpool(explained)
