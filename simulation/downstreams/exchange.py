"""A request and its response, with no transport: what a fake takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec


@dataclass(frozen=True, slots=True)
class Request:
    """`path` begins below the downstream's own prefix ("/reservations"); `query` is decoded, of a
    name that comes twice the last; `headers` is looked up by lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """`document` is the JSON body; an answer from 400 on is a problem document (RFC 9457)."""

    status: int
    document: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        return "application/json" if self.status < 400 else "application/problem+json"

    @property
    def body(self) -> bytes:
        return msgspec.json.encode(self.document)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    reference: str | None = None,
) -> Response:
    """A problem document. `code` is stable and meant for programs, `detail` for people.

    `reference` names a refusal that is on record, so that one can ask about it.
    """
    document: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if reference is not None:
        document["reference"] = reference
    return Response(status, document, headers or {})
