"""What proves who calls: an API key, or a signature. OAuth's tokens are in `oauth`, which only a
stage that has them imports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from orders.domain.units import Millis
from orders.downstream.transport import Call

#: The headers of a request (method, URL, headers, body) with its signature added.
Sign = Callable[[str, str, Mapping[str, str], bytes], Mapping[str, str]]


class Secret(Protocol):
    """A key or a password that is replaced now and then."""

    def text(self) -> str:
        """Raises TransientFailure where it can't be read."""

    def renew(self) -> bool:
        """It was turned away. Returns whether it is another one now."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`prefix` stands before the key: `Bearer `, or `Basic ` where the key is Base64 of a name and
    a password."""

    key: Secret
    header: str = "x-api-key"
    prefix: str = ""

    def headers(self, call: Call, _until: Millis) -> Mapping[str, str]:
        return {**call.headers, self.header: self.prefix + self.key.text()}

    def renew(self, shown: Mapping[str, str], _until: Millis) -> bool:
        return shown[self.header] != self.prefix + self.key.text() or self.key.renew()


@dataclass(frozen=True, slots=True)
class Signature:
    """Made anew for each call, so one that was turned away would be again."""

    sign: Sign

    def headers(self, call: Call, _until: Millis) -> Mapping[str, str]:
        return self.sign(call.method, call.url, call.headers, call.body)

    def renew(self, _shown: Mapping[str, str], _until: Millis) -> bool:
        return False


class NoProof:
    """The client certificate alone says who calls."""

    def headers(self, call: Call, _until: Millis) -> Mapping[str, str]:
        return call.headers

    def renew(self, _shown: Mapping[str, str], _until: Millis) -> bool:
        return False
