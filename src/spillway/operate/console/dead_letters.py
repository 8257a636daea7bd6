"""Dead letters: what lies there and why, and back with it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spillway.errors import SpillwayError
from spillway.operate.console.events import Fragment
from spillway.operate.console.orders import address_of
from spillway.operate.console.showing import Form, Showing, back_to, events, text
from spillway.operate.console.status import Status
from spillway.operate.parts import DEAD_LETTERS_OF
from spillway.operate.redrive.dead_letters import SOURCES


@dataclass(frozen=True, slots=True)
class DeadLetterPages:
    """Dead letters, part by part."""

    showing: Showing

    async def live(self, _: Request) -> Fragment:
        desk = await self.showing.desk()
        counts = lying(await desk.status.get())
        return await self.showing.fragment(
            "dead_letters", counts=counts, redriving=desk.redriving, address_of=address_of
        )

    async def page(self, request: Request) -> Response:
        desk = await self.showing.desk()
        holding = [name for name, count in lying(await desk.status.get()).items() if count]
        await run_in_threadpool(desk.redriving.look, holding)
        fragment = await self.live(request)
        return await self.showing.page("dead_letters", live=fragment.html, holding=holding)

    async def redrive(self, _: Request, form: Form) -> Response:
        desk = await self.showing.desk()
        name = text(form, "queue")
        if name not in SOURCES:
            raise SpillwayError(f"There are no dead letters of {name!r}.")
        desk.redriving.begin([name])
        return back_to("/dead-letters")

    def routes(self) -> list[Route]:
        return [
            Route("/dead-letters", self.page),
            Route("/dead-letters/events", events(self.showing, self.live)),
            self.showing.action("/dead-letters/redrive", self.redrive),
        ]


def lying(status: Status) -> dict[str, int]:
    """How many dead letters each part has, in the order in which redrive names them."""
    counts = {
        DEAD_LETTERS_OF[part.name]: part.dead_letters
        for part in status.parts
        if part.name in DEAD_LETTERS_OF
    }
    return {name: counts[name] for name in SOURCES}
