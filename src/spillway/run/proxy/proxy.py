"""What the proxy does with each request: count it, check permissions, inject a fault, forward it.

It speaks HTTP with aiohttp on both sides. Bodies pass unchanged: nothing is decompressed, because
callers check AWS's checksums.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace

import msgspec
from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    hdrs,
    web,
)
from aiohttp.http import SERVER_SOFTWARE
from multidict import CIMultiDict
from yarl import URL

from spillway.run.proxy.answers import refusal
from spillway.run.proxy.batches import Batch, postponed
from spillway.run.proxy.calls import Answer, Call, Headers, Request, recognise
from spillway.run.proxy.control import PREFIX, Control
from spillway.run.proxy.counts import Exchange
from spillway.run.proxy.rules import Injection
from spillway.run.proxy.units import WRITES

#: The highest bound of one request or answer among the services used here, which is DynamoDB's.
BODY_BYTES_MAX = 16 * 1024 * 1024
#: In the counts in place of a fault's name: the caller had no permission.
DENIED = "denied"

_HEADER_LINE_BYTES_MAX = 64 * 1024
# The emulator closes idle connections after 75 s; closing first avoids sending into one.
_IDLE_SECONDS_MAX = 30.0
# They belong to one connection (RFC 9110, 7.6.1); aiohttp writes those of the other connection.
_OF_THE_CONNECTION = (
    hdrs.CONNECTION,
    hdrs.KEEP_ALIVE,
    hdrs.TRANSFER_ENCODING,
    hdrs.EXPECT,
)
# aiohttp would add these where the caller sent none.
_ADDED_BY_AIOHTTP = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT, hdrs.CONTENT_TYPE)


async def serve(host: str, port: int, upstream: str, control: Control) -> None:
    """Serve on `port` what is at the URL `upstream`, until cancelled."""
    async with ClientSession(
        # No limit: a request that waited for another one's connection would be a delay of our own.
        connector=TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS_MAX),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None),
        skip_auto_headers=_ADDED_BY_AIOHTTP,
        auto_decompress=False,
        max_line_size=_HEADER_LINE_BYTES_MAX,
        max_field_size=_HEADER_LINE_BYTES_MAX,
    ) as session:
        proxy = _Proxy(session, upstream, control)
        application = web.Application(client_max_size=BODY_BYTES_MAX)
        application.router.add_route("*", "/{path:.*}", proxy.handle)
        application.on_response_prepare.append(_drop_own_name)
        runner = web.AppRunner(
            application,
            access_log=None,
            auto_decompress=False,
            max_line_size=_HEADER_LINE_BYTES_MAX,
            max_field_size=_HEADER_LINE_BYTES_MAX,
        )
        await runner.setup()
        await web.TCPSite(runner, host, port, backlog=1024).start()
        await asyncio.Event().wait()


async def _drop_own_name(_: web.Request, response: web.StreamResponse) -> None:
    """Remove the header that aiohttp adds to an answer without a server's name."""
    if response.headers.get(hdrs.SERVER) == SERVER_SOFTWARE:
        del response.headers[hdrs.SERVER]


@dataclass(frozen=True, slots=True)
class _Proxy:
    emulator: ClientSession
    emulator_url: str
    control: Control

    async def handle(self, received: web.Request) -> web.Response:
        """Answer one request, or close the connection when a fault or the emulator gives none."""
        request = Request(
            received.method, received.raw_path, received.headers, await received.read()
        )
        if request.path.startswith(PREFIX):
            answer: Answer | None = self.control.answer(request)
        else:
            answer = await self._pass_through(request)
        if answer is not None:
            return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
        if received.transport is not None:
            received.transport.close()
        return web.Response()  # never sent

    async def _pass_through(self, request: Request) -> Answer | None:
        """The emulator's answer or a fault's; None when the caller gets none."""
        exchange = Exchange(request, recognise(request))
        try:
            exchange.answer = await self._answer(exchange)
        except ClientError:
            pass  # the emulator ended or broke off: the caller sees it as it would directly
        finally:
            self.control.tally.record(exchange)
        return exchange.answer

    async def _answer(self, exchange: Exchange) -> Answer | None:
        call = exchange.call
        denial = self.control.permissions.denial(call)
        if denial is not None:
            exchange.fault = DENIED
            return refusal(call, denial)
        if self.control.asking and call.service == "dynamodb" and call.operation in WRITES:
            exchange.request = _asking(exchange.request, call)
        injection = self.control.rules.injection_for(call)
        if injection is None:
            return await self._forward(exchange)
        exchange.fault = injection.rule.fault
        return await self._inject(injection, exchange)

    async def _inject(self, injection: Injection, exchange: Exchange) -> Answer | None:
        request, call, value = exchange.request, exchange.call, injection.rule.value
        match injection.rule.fault:
            case "refuse":
                return refusal(call, value)
            case "delay":
                # Forwarded also when the caller has given up meanwhile: what is on the wire cannot
                # be recalled, and an effect that comes after its caller's second try is the very
                # case to be tested.
                await asyncio.sleep(value)
                return await self._forward(exchange)
            case "cut":
                return None
            case "lose_answer":
                await self._forward(exchange)
                return None
            case "partial":
                return await self._partial(injection, exchange)
            case "duplicate":
                answer = await self._forward(exchange)
                await self._forward(exchange)
                return answer
            case "postpone":
                return await self._forward(
                    exchange, postponed(request, call, injection.random, value)
                )

    async def _partial(self, injection: Injection, exchange: Exchange) -> Answer:
        batch = Batch(exchange.request, exchange.call)
        if not batch.entries:
            return await self._forward(exchange)  # AWS has an error of its own for that
        number = math.ceil(len(batch.entries) * injection.rule.value)
        failed = injection.random.sample(batch.entries, number)
        if number == len(batch.entries):
            return batch.answered(None, failed)
        answer = await self._forward(exchange, batch.without(failed))
        return batch.answered(answer, failed) if answer.status == 200 else answer

    async def _forward(self, exchange: Exchange, changed: Request | None = None) -> Answer:
        """The emulator's answer to the request, or to another in its place.

        Raises ClientError when it gives none.
        """
        request = changed or exchange.request
        exchange.forwarded += 1
        async with self.emulator.request(
            request.method,
            URL(self.emulator_url + request.target, encoded=True),
            headers=_end_to_end(request.headers, hdrs.CONTENT_LENGTH),
            data=request.body or None,
            allow_redirects=False,
        ) as answer:
            return Answer(answer.status, _end_to_end(answer.headers), await answer.read())


def _asking(request: Request, call: Call) -> Request:
    """The same write, to be answered with what it consumed."""
    body = msgspec.json.encode({**call.body, "ReturnConsumedCapacity": "TOTAL"})
    return replace(request, body=body)


def _end_to_end(headers: Headers, *others: str) -> CIMultiDict[str]:
    """The headers that a proxy passes on, also without the `others`."""
    kept = CIMultiDict(headers)
    for name in (*_OF_THE_CONNECTION, *others):
        kept.popall(name, None)
    return kept
