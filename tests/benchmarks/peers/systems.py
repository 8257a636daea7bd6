"""A system in this process, for the trials to judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import httpx

from benchmarks.peers.commands import Order, Refused, send
from benchmarks.peers.fakes import Fakes
from benchmarks.peers.system import PeerClient, System, unsigned_token
from benchmarks.peers.usage import Usage
from spillway.run.load.clients import Client, Tokens
from tests.benchmarks.peers.builders import client_of


class Inline(System):
    """Does the whole saga before it answers, with no server and nothing that is durable."""

    name: ClassVar[str] = "inline"
    title: ClassVar[str] = "A saga in the request"
    victims: ClassVar[Mapping[str, str]] = {"program": "itself, which does not notice"}
    upgrades: ClassVar[Mapping[str, str]] = {}
    url = "http://inline"

    def __init__(self, folder: Path, fakes: Fakes) -> None:
        super().__init__(folder, fakes)
        self.fakes = fakes
        self.killed = 0

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None: ...

    def client(self, http: httpx.AsyncClient) -> Client:
        transport = httpx.MockTransport(self.place)
        own = httpx.AsyncClient(transport=transport, base_url=self.url)
        return PeerClient(own, Tokens(unsigned_token))

    async def place(self, request: httpx.Request) -> httpx.Response:
        async with client_of(self.fakes) as downstreams:
            await self.fulfil(downstreams, json.loads(request.content))
        return httpx.Response(201, json={})

    async def fulfil(self, downstreams: httpx.AsyncClient, order: Order) -> None:
        undo = ["refund"]
        try:
            for step, undoing in (("reserve", "release"), ("ship", "recall"), ("post", None)):
                await self.do(downstreams, step, order)
                undo += [undoing] if undoing else []
        except Refused:
            for step in reversed(undo):
                await self.do(downstreams, step, order)

    async def do(self, downstreams: httpx.AsyncClient, step: str, order: Order) -> None:
        await send(downstreams, step, order)

    def usage(self) -> dict[str, Usage]:
        return {"program": Usage(1.0, 3)}

    def stored_bytes(self) -> int | None:
        return 0

    def unfinished(self) -> set[str]:
        return set()

    def deploy(self, upgrade: str) -> None: ...

    def restore(self) -> None: ...

    def kill(self, victim: str) -> None:
        self.killed += 1

    def revive(self, victim: str) -> None: ...
