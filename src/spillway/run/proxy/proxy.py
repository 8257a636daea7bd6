"""The proxy: what it does with each request, and with which fault."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from spillway.run.proxy.answers import refusal
from spillway.run.proxy.batches import Batch, postponed
from spillway.run.proxy.calls import Call, recognise
from spillway.run.proxy.control import PREFIX, Control
from spillway.run.proxy.counts import Exchange
from spillway.run.proxy.messages import (
    HEAD_BYTES_MAX,
    Answer,
    MalformedMessageError,
    Request,
    read_answer,
    read_request,
)
from spillway.run.proxy.rules import Fault, Strike
from spillway.run.proxy.units import WRITES

# The emulator closes idle connections after 75 s; closing first avoids sending into one.
_IDLE_SECONDS_MAX = 30.0
#: Stands in the counts where a fault's name does: the caller had no permission.
DENIED = "denied"
_log = logging.getLogger(__name__)


async def serve(host: str, port: int, upstream: tuple[str, int], control: Control) -> None:
    """Serve on ``port`` what is at ``upstream`` (host and port), until cancelled."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Connection(reader, writer, _Emulator(upstream), control).run()

    # Host and port, not a socket: asyncio then knows it is TCP, and switches Nagle's algorithm off.
    server = await asyncio.start_server(connected, host, port, limit=HEAD_BYTES_MAX, backlog=1024)
    async with server:
        await server.serve_forever()


@dataclass
class _Connection:
    """A caller's connection, and one to the emulator for it alone, so that there is no queue."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    emulator: "_Emulator"
    control: Control

    async def run(self) -> None:
        """Answer one request after the other until either side or a fault closes."""
        try:
            while await self._answer_next():
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # one of the two sides has gone, and with it the other's interest
        except MalformedMessageError as error:
            _log.warning("A connection was closed: %s", error)
        finally:
            self.emulator.close()
            self.writer.close()

    async def _answer_next(self) -> bool:
        """Answer the next request; False when the connection is to be closed."""
        request = await read_request(self.reader, self.writer)
        if request is None:
            return False
        if request.path.startswith(PREFIX):
            answer: Answer | None = self.control.answer(request)
        else:
            answer = await self._passed_through(request)
        if answer is None:
            return False
        self.writer.write(answer.head + answer.body)
        await self.writer.drain()
        return not (request.closes or answer.closes)

    async def _passed_through(self, request: Request) -> Answer | None:
        """The emulator's answer or a fault's; None when there is to be none."""
        call = recognise(request)
        denial = self.control.permissions.denial(call)
        if denial is not None:
            denied = refusal(call, denial, None)
            self.control.tally.record(Exchange(request, call, denied, 0, DENIED))
            return denied
        if self.control.asking and call.service == "dynamodb" and call.operation in WRITES:
            request = _asking(request, call)
        strike = self.control.rules.strike(call, time.monotonic())
        forwarded = 0
        answer: Answer | None = None

        async def forward(request: Request) -> Answer:
            nonlocal forwarded
            forwarded += 1
            return await self.emulator.answer(request)

        try:
            if strike is None:
                answer = await forward(request)
            else:
                struck = _Struck(request, call, strike, forward)
                answer = await _FAULTS[strike.rule.fault](struck)
        finally:
            fault = None if strike is None else strike.rule.fault
            self.control.tally.record(Exchange(request, call, answer, forwarded, fault))
        return answer


def _asking(request: Request, call: Call) -> Request:
    """The same write, to be answered with what it consumed."""
    body = msgspec.json.encode({**call.body, "ReturnConsumedCapacity": "TOTAL"})
    return request.with_body(body)


@dataclass
class _Emulator:
    """A connection to the emulator, opened when it is first needed and anew when it was closed."""

    address: tuple[str, int]
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    _used_at: float = field(default_factory=time.monotonic)

    async def answer(self, request: Request) -> Answer:
        """The emulator's answer.

        Raises:
            OSError: it is not there.
            asyncio.IncompleteReadError: it broke off.
            MalformedMessageError: its answer is none, or too large.
        """
        reader, writer = await self._open()
        writer.write(request.head + request.body)
        await writer.drain()
        answer = await read_answer(reader, request.method)
        self._used_at = time.monotonic()
        if answer.closes:
            self.close()
        return answer

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and (
            self._streams[0].at_eof() or time.monotonic() - self._used_at > _IDLE_SECONDS_MAX
        ):
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self.address, limit=HEAD_BYTES_MAX)
        return self._streams


@dataclass(frozen=True, slots=True)
class _Struck:
    """A call, the rule that strikes it, and the way on to the emulator."""

    request: Request
    call: Call
    strike: Strike
    forward: Callable[[Request], Awaitable[Answer]]

    @property
    def value(self) -> Any:
        """What the fault is given: a code, seconds, a share."""
        return self.strike.rule.value


async def _refuse(struck: _Struck) -> Answer | None:
    return refusal(struck.call, struck.value, struck.strike.rule.status)


async def _delay(struck: _Struck) -> Answer | None:
    # Forwarded also when the caller has given up meanwhile: what is on the wire cannot be recalled,
    # and an effect that comes after its caller's second try is the very case to be tested.
    await asyncio.sleep(struck.value)
    return await struck.forward(struck.request)


async def _cut(_: _Struck) -> Answer | None:
    return None


async def _lose_answer(struck: _Struck) -> Answer | None:
    await struck.forward(struck.request)
    return None


async def _partial(struck: _Struck) -> Answer | None:
    batch = Batch(struck.request, struck.call)
    if not batch.entries:
        return await struck.forward(struck.request)  # AWS has an error of its own for that
    number = math.ceil(len(batch.entries) * struck.value)
    failed = struck.strike.random.sample(batch.entries, number)
    if number == len(batch.entries):
        return batch.answered(None, failed)
    answer = await struck.forward(batch.without(failed))
    return batch.answered(answer, failed) if answer.status == 200 else answer


async def _duplicate(struck: _Struck) -> Answer | None:
    answer = await struck.forward(struck.request)
    await struck.forward(struck.request)
    return answer


async def _postpone(struck: _Struck) -> Answer | None:
    later = postponed(struck.request, struck.call, struck.strike.random, struck.value)
    return await struck.forward(later)


_FAULTS: Mapping[Fault, Callable[[_Struck], Awaitable[Answer | None]]] = {
    "refuse": _refuse,
    "delay": _delay,
    "cut": _cut,
    "lose_answer": _lose_answer,
    "partial": _partial,
    "duplicate": _duplicate,
    "postpone": _postpone,
}
