"""The control of the proxy over HTTP, beside the traffic under a path that no AWS service has.

| request | what it does | answer |
| --- | --- | --- |
| GET /_proxy/rules | | {"rules": [rule with id and fired]} |
| POST /_proxy/rules rule | adds one | the rule with id and fired |
| DELETE /_proxy/rules/ID | takes one out | what became of it; null: there was none |
| GET /_proxy/counts | | {"series": [series]} |
| GET /_proxy/permissions | | {"permissions": [permission], "denied": [call]} |
| PUT /_proxy/permissions policies | enforces them | null |
| POST /_proxy/permissions/deny-once | refuses each permission once | null |
| POST /_proxy/asking | has DynamoDB say what each write consumed | null |
| POST /_proxy/reset | no rules, all counts zero, nothing asked; permissions stay | null |

Every request needs the token in `x-proxy-token`: no other site's page can send that header
without asking first, and a name that resolves to the loopback interface does not know it.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec

from spillway.run.proxy.calls import Answer, Request, answer_of
from spillway.run.proxy.counts import Tally
from spillway.run.proxy.permissions import Permissions
from spillway.run.proxy.rules import Rules

PREFIX = "/_proxy/"
TOKEN_HEADER = "x-proxy-token"  # noqa: S105


@dataclass
class Control:
    """The rules and the counts of one proxy, and who may touch them.

    `asking`: each write is sent on with the question what it consumes.
    """

    token: str
    rules: Rules = field(default_factory=Rules)
    tally: Tally = field(default_factory=Tally)
    permissions: Permissions = field(default_factory=Permissions)
    asking: bool = False

    def answer(self, request: Request) -> Answer:
        """Do what a control request asks, or answer with a problem document (RFC 9457)."""
        token = request.headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return _problem(HTTPStatus.FORBIDDEN, f"The proxy's token is needed in {TOKEN_HEADER}.")
        try:
            content = self._done(request)
        except ValueError as error:  # also the decoder's
            return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except LookupError as error:
            return _problem(HTTPStatus.NOT_FOUND, str(error))
        return answer_of(200, "application/json", msgspec.json.encode(content))

    def _done(self, request: Request) -> object:
        path = request.path.removeprefix(PREFIX)
        name, _, id_ = path.partition("/")
        if (request.method, name) == ("DELETE", "rules") and id_.isdecimal():
            removed = self.rules.remove(int(id_))
            return None if removed is None else removed.to_json()
        do = self._requests(request.body).get(f"{request.method} {path}")
        if do is None:
            raise LookupError(f"The proxy has no {request.method} {request.path}.")
        return do()

    def _requests(self, body: bytes) -> dict[str, Callable[[], object]]:
        return {
            "GET rules": lambda: {"rules": self.rules.to_json()},
            "POST rules": lambda: self.rules.add(body).to_json(),
            "GET counts": self.tally.counts,
            "GET permissions": self.permissions.to_json,
            "PUT permissions": lambda: self.permissions.grant(body),
            "POST permissions/deny-once": self.permissions.deny_once,
            "POST asking": self._ask,
            "POST reset": self._reset,
        }

    def _ask(self) -> None:
        self.asking = True

    def _reset(self) -> None:
        self.rules.clear()
        self.tally.clear()
        self.asking = False


def _problem(status: HTTPStatus, detail: str) -> Answer:
    content = {"title": status.phrase, "status": status.value, "detail": detail}
    return answer_of(status, "application/problem+json", msgspec.json.encode(content))
