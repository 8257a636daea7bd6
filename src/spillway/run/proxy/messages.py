"""A request and an answer, read whole, so that the proxy can judge, change and count them."""

from __future__ import annotations

from dataclasses import dataclass

from multidict import CIMultiDict, CIMultiDictProxy

Headers = CIMultiDict[str] | CIMultiDictProxy[str]


@dataclass(frozen=True, slots=True)
class Request:
    """`target` is the path with its query, encoded as the caller sent it."""

    method: str
    target: str
    headers: Headers
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets; `headers` without those of the connection."""

    status: int
    headers: Headers
    body: bytes


def answer_of(status: int, content_type: str, body: bytes, **headers: str) -> Answer:
    """An answer of the proxy's own; underscores in the names of `headers` become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, CIMultiDict({"content-type": content_type, **named}), body)
