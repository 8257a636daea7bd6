"""HTTP/1.1 messages on asyncio streams: read whole, kept byte for byte.

By hand, because every call of every function passes here and only the framing is needed: reading
a typical call and its answer takes 5 µs, with h11 92.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

#: A stream's limit: more than any head has.
HEAD_BYTES_MAX = 64 * 1024
#: DynamoDB's bound for one request and for one answer, the highest among the services used here.
BODY_BYTES_MAX = 16 * 1024 * 1024

_CONTENT_LENGTH = re.compile(rb"(?im)^content-length:[^\r\n]*")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]+(?=[;\s])")
_NO_BODY = (204, 304)


class MalformedMessageError(Exception):
    """This is not HTTP/1.1, or it is larger than a message may be."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer: ``head`` with its blank line and ``body`` are the wire's own bytes.

    ``start`` is the first line, split at spaces in three. Header names are in lower case; of a
    header that stands there twice, the last counts.
    """

    head: bytes
    body: bytes
    start: tuple[str, str, str]
    headers: Mapping[str, str]

    @property
    def closes(self) -> bool:
        """Whether the connection ends after this message."""
        return self.headers.get("connection", "").lower() == "close"

    def with_body(self, body: bytes) -> Self:
        """The same message with another body; for messages that have a length."""
        length = b"content-length: %d" % len(body)
        return replace(self, head=_CONTENT_LENGTH.sub(length, self.head, count=1), body=body)


@dataclass(frozen=True, slots=True)
class Request(Message):
    """A request; ``start`` is method, target and version."""

    @property
    def method(self) -> str:
        """``POST`` and the like."""
        return self.start[0]

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.start[1].partition("?")[0]


@dataclass(frozen=True, slots=True)
class Answer(Message):
    """An answer; ``start`` is version, status and reason."""

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.start[1])


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Request | None:
    """The next request; None when the caller has closed the connection.

    Raises:
        MalformedMessageError: it is none, or too large.
        asyncio.IncompleteReadError: the connection broke off within the request.
    """
    head = await _head(reader)
    if head is None:
        return None
    start, headers = _parsed(head)
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return Request(head, await _body(reader, headers, unframed=False), start, headers)


async def read_answer(reader: asyncio.StreamReader, method: str) -> Answer:
    """The answer to a request made with ``method``.

    Raises:
        MalformedMessageError: it is none, or too large.
        asyncio.IncompleteReadError: the connection broke off before it was whole.
    """
    while True:
        head = await _head(reader)
        if head is None:
            raise asyncio.IncompleteReadError(b"", None)
        start, headers = _parsed(head)
        if not start[1].isdecimal():
            raise MalformedMessageError(f"no status in {head[:80]!r}")
        answer = Answer(head, b"", start, headers)
        if answer.status >= 200:  # before it may stand "100 Continue", which the caller has had
            break
    if method == "HEAD" or answer.status in _NO_BODY:
        return answer
    return replace(answer, body=await _body(reader, headers, unframed=True))


def answer_of(status: int, reason: str, content_type: str, body: bytes, **headers: str) -> Answer:
    """An answer of our own; underscores in the names of ``headers`` become hyphens."""
    lines = {
        "content-type": content_type,
        "content-length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = f"HTTP/1.1 {status} {reason}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    return Answer(head.encode("latin-1"), body, ("HTTP/1.1", str(status), reason), lines)


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    except asyncio.LimitOverrunError as error:
        raise MalformedMessageError(f"the head is over {HEAD_BYTES_MAX} bytes") from error


def _parsed(head: bytes) -> tuple[tuple[str, str, str], dict[str, str]]:
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    parts = [*first.split(" ", 2), "", ""]
    if "HTTP/1." not in first:
        raise MalformedMessageError(f"not HTTP/1.1: {first[:80]!r}")
    return (parts[0], parts[1], parts[2]), headers


async def _body(
    reader: asyncio.StreamReader, headers: Mapping[str, str], *, unframed: bool
) -> bytes:
    """The body as it is framed; ``unframed``: without a frame it goes on until the end."""
    if headers.get("transfer-encoding", "").lower().endswith("chunked"):
        return await _chunks(reader)
    length = headers.get("content-length")
    if length is None:
        return await _rest(reader) if unframed else b""
    if not length.isdecimal():
        raise MalformedMessageError(f"content-length {length!r}")
    _check_size(int(length))
    return await reader.readexactly(int(length))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A chunked body (RFC 9112, 7.1) with its sizes, extensions and trailers."""
    raw = bytearray()
    size = -1
    while size != 0:
        line = await _line(reader)
        hexadecimal = _CHUNK_SIZE.match(line)
        if hexadecimal is None:
            raise MalformedMessageError(f"chunk size {line[:20]!r}")
        size = int(hexadecimal[0], 16)
        raw += line
        _check_size(len(raw) + size)
        if size:
            raw += await reader.readexactly(size + 2)
    while not raw.endswith(b"\r\n\r\n"):
        raw += await _line(reader)
        _check_size(len(raw))
    return bytes(raw)


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n")
    except asyncio.LimitOverrunError as error:
        raise MalformedMessageError("a line without an end") from error


async def _rest(reader: asyncio.StreamReader) -> bytes:
    body = await reader.read(BODY_BYTES_MAX + 1)
    while chunk := await reader.read(BODY_BYTES_MAX + 1):
        body += chunk
        _check_size(len(body))
    return body


def _check_size(size: int) -> None:
    if size > BODY_BYTES_MAX:
        raise MalformedMessageError(f"the body is over {BODY_BYTES_MAX} bytes")
