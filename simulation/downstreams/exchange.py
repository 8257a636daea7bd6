"""A request to a fake and its response, without a transport."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

import msgspec


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is without the downstream's own prefix ("/reservations"). `query` is decoded; the last
    of two values with the same name counts. `headers` has lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """`document` is the JSON body; an answer of 400 or more is a problem document (RFC 9457)."""

    status: int
    document: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        return "application/json" if self.status < 400 else "application/problem+json"

    @property
    def body(self) -> bytes:
        return msgspec.json.encode(self.document)


def problem(status: int, code: str, detail: str, **members: str) -> Response:
    """A problem document. `code` is stable and meant for programs, `detail` for people.

    A refusal that is on record has the member `reference`, so that one can ask about it.
    """
    title = HTTPStatus(status).phrase
    document = {"type": "about:blank", "title": title, "status": status, "code": code}
    return Response(status, {**document, "detail": detail, **members})


class Problem(Exception):
    """Ends a request that the fake can't serve: `response` is its answer."""

    def __init__(self, status: int, code: str, detail: str, **headers: str) -> None:
        super().__init__(code)
        self.response = replace(problem(status, code, detail), headers=headers)
