"""All that the console's pages share: the service, what was read of it, and what is under way."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spillway.operate.console.redriving import Redriving
from spillway.operate.console.status import (
    PAUSE_AWS_SECONDS,
    PAUSE_SECONDS,
    Shared,
    Status,
    StatusReader,
)
from spillway.operate.console.traffic import Traffic
from spillway.target.service import Service

if TYPE_CHECKING:
    from spillway.run.stack import Stack

_CLIENTS = ("sqs", "dynamodb", "dynamodbstreams", "logs", "cloudwatch")
_CLIENTS_OF_EMULATOR = ("apigatewayv2",)


@dataclass(slots=True)
class Desk:
    """`stack` and `traffic` are there on this machine only. `token` is in every form."""

    service: Service
    stack: Stack | None
    reader: StatusReader
    status: Shared[Status]
    redriving: Redriving
    traffic: Traffic | None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    now: Callable[[], float] = time.time

    @property
    def is_local(self) -> bool:
        return self.stack is not None


def desk_of(service: Service, stack: Stack | None, pause_seconds: float | None = None) -> Desk:
    """Ready for many threads: clients must not be made by several at once. `pause_seconds` is how
    long an open page waits before it asks again, unless given as the place suggests."""
    on_emulator = service.emulator is not None
    pause = pause_seconds or (PAUSE_SECONDS if on_emulator else PAUSE_AWS_SECONDS)
    for name in (*_CLIENTS, *(_CLIENTS_OF_EMULATOR if on_emulator else ())):
        service.make_client(name)
    reader = StatusReader(service, stack, pause)
    return Desk(
        service,
        stack,
        reader,
        # A little less than the pause, or every other look would find the last one still fresh.
        Shared(reader.read, fresh_seconds=pause * 0.9),
        Redriving(service),
        None if stack is None else Traffic(stack),
    )
