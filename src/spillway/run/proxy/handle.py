"""The proxy as tests, the chaos scenarios and the cost meter use it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from spillway.errors import SpillwayError
from spillway.run.loopback import http_client
from spillway.run.proxy.control import PREFIX, TOKEN_HEADER
from spillway.run.proxy.counts import Counts

_TIMEOUT_SECONDS = 10.0


@dataclass
class Proxy:
    """A running proxy. `url` is the AWS endpoint of the deployed functions."""

    url: str
    _token: str = field(repr=False)

    @contextmanager
    def inject(self, **rule: Any) -> Iterator["FaultInForce"]:
        """Have a rule (the fields of `spillway.run.proxy.rules.Rule`) in force during the block.

        Example: `with proxy.inject(service="dynamodb", operation="PutItem", cut=True, times=3):`
        """
        fault = FaultInForce(self, self._ask("POST", "rules", rule)["id"])
        try:
            yield fault
        finally:
            removed = self.remove(fault.id)
            if removed is not None:
                fault.ended = int(removed["fired"])

    def rules(self) -> list[dict[str, Any]]:
        """All rules in force, each with its `id` and how often it has `fired`."""
        return [*self._ask("GET", "rules")["rules"]]

    def counts(self) -> Counts:
        return msgspec.convert(self._ask("GET", "counts"), Counts)

    def grant(self, policies: Mapping[str, Sequence[Mapping[str, Any]]] | None) -> None:
        """Let each function do what the statements of its policies allow, and nothing else.

        None allows every call, as the emulator does.
        """
        self._ask("PUT", "permissions", policies)

    def deny_permissions_once(self) -> None:
        """Refuse each permission once, at its next use."""
        self._ask("POST", "permissions/deny-once")

    def permissions(self) -> list[dict[str, Any]]:
        """All permissions, each with how often it was `used` and, denied once, `refused`."""
        return [*self._ask("GET", "permissions")["permissions"]]

    def denied(self) -> list[dict[str, Any]]:
        return [*self._ask("GET", "permissions")["denied"]]

    def ask_consumed(self) -> None:
        """Have DynamoDB say what each write consumes, until `reset`: callers see it too."""
        self._ask("POST", "asking")

    def reset(self) -> None:
        """Have no rules, all counts zero, and nothing asked."""
        self._ask("POST", "reset")

    def remove(self, rule_id: int) -> dict[str, Any] | None:
        """Take one rule out and return what became of it; None when there is none of that id."""
        removed: dict[str, Any] | None = self._ask("DELETE", f"rules/{rule_id}")
        return removed

    def _ask(self, method: str, path: str, content: Any = None) -> Any:
        import httpx

        try:
            with http_client(timeout=_TIMEOUT_SECONDS) as client:
                answer = client.request(
                    method,
                    f"{self.url}{PREFIX}{path}",
                    headers={TOKEN_HEADER: self._token},
                    json=content,
                )
        except httpx.TransportError as error:
            raise SpillwayError(
                f"The fault-injection proxy at {self.url} does not answer: start the stack again."
            ) from error
        said = answer.json()
        if not answer.is_success:
            raise SpillwayError(f"The proxy refused this: {said['detail']}.")
        return said


@dataclass
class FaultInForce:
    """`ended` is how often it had fired when its block ended."""

    proxy: Proxy
    id: int
    ended: int | None = None

    def fired(self) -> int:
        """How often it has fired, also once it has ended; not after a `reset` in between."""
        if self.ended is not None:
            return self.ended
        for rule in self.proxy.rules():
            if rule["id"] == self.id:
                return int(rule["fired"])
        raise SpillwayError(f"Rule {self.id} was taken out of the proxy meanwhile.")
