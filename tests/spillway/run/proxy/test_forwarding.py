"""What passes the proxy arrives unchanged, however it is framed; what is too large is refused."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, ServerDisconnectedError, web
from yarl import URL

from spillway.run.proxy.control import Control
from spillway.run.proxy.proxy import BODY_BYTES_MAX, serve
from spillway.run.stack.ports import LOOPBACK, free_port

_GZIPPED = gzip.compress(b"hello")


async def _upstream(request: web.Request) -> web.StreamResponse:
    match request.path:
        case "/echo":
            return web.Response(body=await request.read(), headers={"x-target": request.raw_path})
        case "/gzipped":
            return web.Response(body=_GZIPPED, headers={"content-encoding": "gzip"})
        case "/chunked":
            answer = web.StreamResponse()
            answer.enable_chunked_encoding()
            await answer.prepare(request)
            await answer.write(b"hel")
            await answer.write(b"lo")
            return answer
        case "/empty":
            return web.Response(status=204)
        case "/breaks":
            assert request.transport is not None
            request.transport.close()
    return web.Response(text="hello")


@asynccontextmanager
async def _proxied() -> AsyncIterator[ClientSession]:
    application = web.Application(client_max_size=2 * BODY_BYTES_MAX)
    application.router.add_route("*", "/{path:.*}", _upstream)
    upstream, port = free_port(), free_port()
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, upstream).start()
    proxy = asyncio.create_task(
        serve(LOOPBACK, port, f"http://{LOOPBACK}:{upstream}", Control(token="t"))
    )
    while not await _listens(port):
        await asyncio.sleep(0.01)
    async with ClientSession(f"http://{LOOPBACK}:{port}", auto_decompress=False) as session:
        yield session
    proxy.cancel()
    await runner.cleanup()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


async def _ask(
    session: ClientSession, method: str, target: str, body: bytes | None = None
) -> tuple[int, bytes]:
    async with session.request(method, target, data=body) as answer:
        return answer.status, await answer.read()


def test_answers_arrive_whatever_their_framing() -> None:
    async def ask() -> None:
        async with _proxied() as session:
            assert await _ask(session, "GET", "/chunked") == (200, b"hello")
            assert await _ask(session, "GET", "/empty") == (204, b"")
            assert await _ask(session, "GET", "/gzipped") == (200, _GZIPPED)

    asyncio.run(ask())


def test_an_answer_to_head_has_a_length_and_no_body() -> None:
    async def ask() -> None:
        async with _proxied() as session, session.head("/plain") as answer:
            assert answer.headers["content-length"] == "5"
            assert await answer.read() == b""

    asyncio.run(ask())


def test_a_target_and_a_body_reach_the_upstream_as_they_were_sent() -> None:
    async def ask() -> None:
        async with _proxied() as session:
            async with session.put(URL("/echo?a=%2F+b", encoded=True), data=b"x" * 100_000) as one:
                assert one.headers["x-target"] == "/echo?a=%2F+b"
                assert await one.read() == b"x" * 100_000
            assert await _ask(session, "POST", "/echo", b"") == (200, b"")

    asyncio.run(ask())


def test_a_body_over_the_bound_is_refused() -> None:
    async def ask() -> None:
        async with _proxied() as session:
            whole, over = b"x" * BODY_BYTES_MAX, b"x" * (BODY_BYTES_MAX + 1)
            assert (await _ask(session, "POST", "/echo", whole))[0] == 200
            assert (await _ask(session, "POST", "/echo", over))[0] == 413

    asyncio.run(ask())


def test_an_answer_that_breaks_off_closes_the_callers_connection() -> None:
    async def ask() -> None:
        async with _proxied() as session:
            with pytest.raises(ServerDisconnectedError):
                await _ask(session, "POST", "/breaks")

    asyncio.run(ask())
