"""Serves the console before it is imported, so that a local stack does not wait for it.

The imports take a second, and most stacks (the demo's, a test's) never show their console.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from spillway.errors import SpillwayError


@dataclass(slots=True)
class WhenAsked:
    """An ASGI application that `make` makes for the first request. A SpillwayError that it raises
    is the answer, and the next request tries again."""

    make: Callable[[], ASGIApp]
    _made: ASGIApp | None = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._making:
            if self._made is None:
                try:
                    self._made = await run_in_threadpool(self.make)
                except SpillwayError as error:
                    await PlainTextResponse(f"{error}\n", 503)(scope, receive, send)
                    return
        await self._made(scope, receive, send)
