"""Pages that stay up to date: server-sent events with the part of the page that may have changed.

The same template renders the page and its events. Each open page has a stream of its own and reads
again after a pause. A page closes its stream when it is closed or hidden, and reads nothing then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import StreamingResponse

from spillway.errors import SpillwayError


@dataclass(frozen=True, slots=True)
class Fragment:
    """The part of a page that may change. `final`: it will not change again."""

    html: str
    final: bool = False


def stream(read: Callable[[], Awaitable[Fragment]], pause_seconds: float) -> StreamingResponse:
    """Events: `fragment` with HTML that has changed, `same` where it has not, `failed` with a
    sentence where the service does not answer, `final` when nothing will change again."""
    return StreamingResponse(
        _events(read, pause_seconds),
        media_type="text/event-stream",
        headers={"cache-control": "no-store"},
    )


async def _events(
    read: Callable[[], Awaitable[Fragment]], pause_seconds: float
) -> AsyncIterator[str]:
    last: str | None = None
    while True:
        try:
            fragment = await read()
        except SpillwayError as error:
            yield _event("failed", str(error))
        else:
            yield _event("same" if fragment.html == last else "fragment", fragment.html)
            last = fragment.html
            if fragment.final:
                yield _event("final", "")
                return
        await asyncio.sleep(pause_seconds)


def _event(name: str, text: str) -> str:
    body = "" if name == "same" else text
    # A field is one line, so a text of several lines is several fields.
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in body.split("\n")) + "\n"
