"""The page of dead letters: which there are and why, and moving them back."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spillway.errors import SpillwayError
from spillway.operate.console.asking import ask
from spillway.operate.console.events import Fragment
from spillway.operate.console.orders import address_of
from spillway.operate.console.status import Status
from spillway.operate.console.views import Form, Views, back_to, events, text
from spillway.operate.redrive.dead_letters import SOURCES
from spillway.operate.redrive.report import remarks
from spillway.operate.status.parts import DEAD_LETTERS_OF


@dataclass(frozen=True, slots=True)
class DeadLetterPages:
    """Dead letters, queue by queue."""

    views: Views

    async def live(self, _: Request) -> Fragment:
        state = await self.views.state()
        counts = counts_of(await state.status.get())
        return await self.views.fragment(
            "dead_letters",
            counts=counts,
            redriving=state.redriving,
            address_of=address_of,
            remarks=remarks,
        )

    async def page(self, request: Request) -> Response:
        state = await self.views.state()
        holding = [name for name, count in counts_of(await state.status.get()).items() if count]
        await ask(lambda: state.redriving.look(holding))
        fragment = await self.live(request)
        return await self.views.page("dead_letters", live=fragment.html, holding=holding)

    async def redrive(self, _: Request, form: Form) -> Response:
        state = await self.views.state()
        name = text(form, "queue")
        if name not in SOURCES:
            raise SpillwayError(f"There are no dead letters of {name!r}.")
        state.redriving.begin([name])
        return back_to("/dead-letters")

    def routes(self) -> list[Route]:
        return [
            Route("/dead-letters", self.page),
            Route("/dead-letters/events", events(self.views, self.live)),
            self.views.action("/dead-letters/redrive", self.redrive),
        ]


def counts_of(status: Status) -> dict[str, int]:
    """How many dead letters each queue has, in the order in which redrive names them."""
    counts = {
        DEAD_LETTERS_OF[part.name]: part.dead_letters
        for part in status.parts
        if part.name in DEAD_LETTERS_OF
    }
    return {name: counts[name] for name in SOURCES}
