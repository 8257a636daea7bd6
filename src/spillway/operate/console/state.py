"""What all pages of the console share: the service, what was read, and work under way."""

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
class AppState:
    """`stack` and `traffic` are None on AWS. Every form carries `token`."""

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


def state_of(service: Service, stack: Stack | None, pause_seconds: float | None = None) -> AppState:
    """A state that many threads may use: every client is made here, because two threads must not
    make one at once.

    An open page reads again after `pause_seconds`, which depends on the service unless it is given.
    """
    on_emulator = service.emulator is not None
    pause = pause_seconds or (PAUSE_SECONDS if on_emulator else PAUSE_AWS_SECONDS)
    for name in (*_CLIENTS, *(_CLIENTS_OF_EMULATOR if on_emulator else ())):
        service.make_client(name)
    reader = StatusReader(service, stack, pause)
    return AppState(
        service,
        stack,
        reader,
        # Slightly shorter than the pause, or a page would get every reading twice.
        Shared(reader.read, fresh_seconds=pause * 0.9),
        Redriving(service),
        None if stack is None else Traffic(stack),
    )
