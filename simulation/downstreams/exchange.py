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
    """`document` is the JSON body. `page` stands in its place where it is none."""

    status: int
    document: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    page: str | None = None

    @property
    def body(self) -> bytes:
        return msgspec.json.encode(self.document) if self.page is None else self.page.encode()


def problem(status: int, code: str, detail: str, **members: str) -> Response:
    """A problem document (RFC 9457). `code` is stable and meant for programs, `detail` for people.

    A refusal that is on record has the member `reference`, so that one can ask about it.
    """
    title = HTTPStatus(status).phrase
    document = {"type": "about:blank", "title": title, "status": status, "code": code}
    return Response(
        status,
        {**document, "detail": detail, **members},
        media_type="application/problem+json",
    )


class Rejected(Exception):
    """Ends a request that the fake can't serve: `response` is its answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class Problem(Rejected):
    """The same with a problem document."""

    def __init__(self, status: int, code: str, detail: str, **headers: str) -> None:
        super().__init__(replace(problem(status, code, detail), headers=headers))
