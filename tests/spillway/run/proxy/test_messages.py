"""Framing: where a message ends, whatever pieces it comes in."""

import asyncio
from collections.abc import Iterator

import pytest

from spillway.run.proxy.messages import (
    BODY_BYTES_MAX,
    HEAD_BYTES_MAX,
    Answer,
    MalformedMessageError,
    read_answer,
)

_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = (
    _OK
    + b"Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n1\r\n\n\r\n0\r\nTrailer: 1\r\n\r\n"
)


def _read(wire: bytes, method: str = "POST", piece_bytes: int = 1 << 20) -> tuple[Answer, bytes]:
    """The answer, and what follows it on the connection."""

    async def read() -> tuple[Answer, bytes]:
        reader = asyncio.StreamReader(limit=HEAD_BYTES_MAX)

        async def feed() -> None:
            for piece in _pieces(wire, piece_bytes):
                reader.feed_data(piece)
                await asyncio.sleep(0)
            reader.feed_eof()

        feeding = asyncio.create_task(feed())
        answer = await read_answer(reader, method)
        await feeding
        return answer, await reader.read()

    return asyncio.run(read())


def _pieces(wire: bytes, piece_bytes: int) -> Iterator[bytes]:
    for start in range(0, len(wire), piece_bytes):
        yield wire[start : start + piece_bytes]


@pytest.mark.parametrize("piece_bytes", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (_OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (_OK + b"content-length:0\r\n\r\n", b""),
        (_CHUNKED, b"5;ext=1\r\nhello\r\n1\r\n\n\r\n0\r\nTrailer: 1\r\n\r\n"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + _OK + b"Content-Length: 1\r\n\r\nx", b"x"),
    ],
)
def test_a_message_ends_where_it_says(wire: bytes, body: bytes, piece_bytes: int) -> None:
    answer, rest = _read(wire + b"NEXT", piece_bytes=piece_bytes)
    assert answer.body == body
    assert rest == b"NEXT"
    assert wire.endswith(answer.head + answer.body)


def test_an_answer_to_head_has_a_length_and_no_body() -> None:
    answer, rest = _read(_OK + b"Content-Length: 5\r\n\r\nNEXT", method="HEAD")
    assert answer.body == b""
    assert rest == b"NEXT"


def test_an_answer_without_a_length_goes_on_until_the_end() -> None:
    answer, _ = _read(_OK + b"Connection: Close\r\n\r\nall of it")
    assert answer.body == b"all of it"
    assert answer.closes


@pytest.mark.parametrize(
    "wire",
    [
        b"\x16\x03\x01 not HTTP\r\n\r\n",
        b"HTTP/1.1 fine OK\r\n\r\n",
        _OK + b"Content-Length: -1\r\n\r\n",
        _OK + b"Content-Length: five\r\n\r\n",
        _OK + b"Content-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1),
        _OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        _OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n",
        _OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (BODY_BYTES_MAX + 1),
        _OK + b"X: " + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n",
    ],
)
def test_what_is_malformed_or_too_large_is_refused(wire: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        _read(wire)


@pytest.mark.parametrize("wire", [b"", b"HTTP/1.1 200", _OK + b"Content-Length: 5\r\n\r\nhel"])
def test_what_breaks_off_is_not_taken_for_whole(wire: bytes) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        _read(wire)
