"""The table's stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orders import wiring
from orders.domain.order import OrderKey
from orders.flow.relay import Relay
from orders.handlers.changes import StreamBatch
from orders.ports import Clock, Log


def handler(event: Mapping[str, Any], _context: object) -> None:
    handle(event, *wiring.relay())


wiring.prepare(wiring.relay)


def handle(event: Mapping[str, Any], relay: Relay, clock: Clock, log: Log) -> None:
    batch = StreamBatch("relay", relay.send, relay.dead_letters, clock, log)

    def dead_letter(key: OrderKey, error: str) -> None:
        batch.dead_letter(key, error=error)

    batch.handle(event["Records"], dead_letter)
