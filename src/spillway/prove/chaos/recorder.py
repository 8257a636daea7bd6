"""Records every answer to every order that customers send, also those that they retry after.

The clients' retries hide most of them, and any of them can break a promise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from spillway.prove.demo.result import now
from spillway.prove.demo.run import Hooks

#: No answer came at all: the connection failed, or the client's time was up.
NO_ANSWER = "none"


@dataclass(slots=True)
class Answered:
    """One answer to an order that was sent. `at` is Unix milliseconds; without an answer, `status`
    is None and `at` when the order was sent."""

    at: int
    status: int | None = None


@dataclass(slots=True)
class ResponseRecorder:
    """Records the answer to each `PUT /orders/{order_id}`; `on_acknowledged` is called after each
    2xx."""

    answers: list[Answered] = field(default_factory=list)
    on_acknowledged: Callable[[], None] = lambda: None

    def by_status(self) -> dict[str, int]:
        """How many answers had each status, `NO_ANSWER` last."""
        statuses = sorted(str(answer.status or NO_ANSWER) for answer in self.answers)
        return dict(Counter(statuses))

    @property
    def hooks(self) -> Hooks:
        """For httpx's client."""
        return {"request": [self._sent], "response": [self._answered]}

    async def _sent(self, request: httpx.Request) -> None:
        if request.method == "PUT" and not request.url.path.endswith("/cancellation"):
            self.answers.append(Answered(now()))
            request.extensions["answered"] = self.answers[-1]

    async def _answered(self, response: httpx.Response) -> None:
        answered = response.request.extensions.get("answered")
        if answered is not None:
            answered.at, answered.status = now(), response.status_code
            if response.is_success:
                self.on_acknowledged()
