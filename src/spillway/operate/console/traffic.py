"""Orders placed on the local stack from the console, to see what faults do to them.

Customers with real tokens place them through the API, as in the demo.
"""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spillway.run.load.clients import Client, Tokens
from spillway.run.load.placing import Checkout, Placed
from spillway.run.workload import generate

if TYPE_CHECKING:
    from spillway.run.stack import Stack

ORDERS_MAX = 200
_CUSTOMERS_AT_ONCE = 4
_TIMEOUT_SECONDS = 60.0
_SEEDS = 2**32


@dataclass(slots=True)
class Traffic:
    """One crowd at a time: `wanted` orders are being placed, or were."""

    stack: Stack
    wanted: int = 0
    _placed: list[Placed] = field(default_factory=list)
    _thread: threading.Thread | None = None

    @property
    def runs(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def accepted(self) -> int:
        return sum(order.acknowledged for order in list(self._placed))

    def begin(self, count: int) -> None:
        """Place `count` orders, unless others are being placed."""
        if self.runs:
            return
        self.wanted, self._placed = count, []
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._place(self._placed),), daemon=True
        )
        self._thread.start()

    async def _place(self, placed: list[Placed]) -> None:
        import httpx

        rng = random.Random()  # noqa: S311 -- what they buy is no secret
        async with httpx.AsyncClient(
            base_url=self.stack.api, timeout=_TIMEOUT_SECONDS, trust_env=False
        ) as http:
            checkout = Checkout(
                Client(http, Tokens(self.stack.token)),
                self.stack.receipt_key,
                self.stack.price_key,
                clients=_CUSTOMERS_AT_ONCE,
                copies=1,
                rng=rng,
                on_closed=lambda _: None,
            )
            await checkout.place(generate(seed=rng.randrange(_SEEDS), count=self.wanted), placed)
