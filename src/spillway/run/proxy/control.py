"""The control of the proxy over HTTP, beside the traffic under a path that no AWS service has.

| request | what it does | answer |
| --- | --- | --- |
| GET /_proxy/rules | | {"rules": [rule with id and fired]} |
| PUT /_proxy/rules [rule] | replaces all rules | the same |
| POST /_proxy/rules rule | adds one | the rule with id and fired |
| DELETE /_proxy/rules/ID | takes one out | what became of it |
| GET /_proxy/counts | | {"series": [series]} |
| GET /_proxy/permissions | | {"permissions": [permission], "denied": [call]} |
| PUT /_proxy/permissions policies | enforces them | the same |
| POST /_proxy/permissions/deny-once | refuses each permission once | the same |
| PUT /_proxy/asking true | has DynamoDB say what each write consumed, or no longer | {} |
| POST /_proxy/reset | no rules, all counts zero, nothing asked; permissions stay | {} |

Every request needs the token in `x-proxy-token`: no other site's page can send that header
without asking first, and a name that resolves to the loopback interface does not know it.
"""

import hmac
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from spillway.run.proxy.counts import Tally
from spillway.run.proxy.messages import Answer, Request, answer_of
from spillway.run.proxy.permissions import Permissions, PermissionsError
from spillway.run.proxy.rules import RuleError, Rules

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
            return self._done(request)
        except (RuleError, PermissionsError) as error:
            return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))

    def _done(self, request: Request) -> Answer:
        method, path = request.method, request.path.removeprefix(PREFIX).split("/")
        answer = (
            self._of_rules(method, path, request.body)
            or self._of_permissions(method, path, request.body)
            or self._of_counts(method, path, request.body)
        )
        return answer or _problem(
            HTTPStatus.NOT_FOUND, f"The proxy has no {request.method} {request.path}."
        )

    def _of_rules(self, method: str, path: list[str], body: bytes) -> Answer | None:
        now = time.monotonic()
        match method, *path:
            case "GET", "rules":
                return _ok(self._all_rules())
            case "PUT", "rules":
                self.rules.replace(body, now)
                return _ok(self._all_rules())
            case "POST", "rules":
                return _ok(self.rules.add(body, now).to_json())
            case "DELETE", "rules", id_ if id_.isdecimal():
                return self._removed(int(id_))
        return None

    def _of_permissions(self, method: str, path: list[str], body: bytes) -> Answer | None:
        match method, *path:
            case "GET", "permissions":
                return _ok(self.permissions.to_json())
            case "PUT", "permissions":
                self.permissions.grant(body)
                return _ok(self.permissions.to_json())
            case "POST", "permissions", "deny-once":
                self.permissions.deny_once()
                return _ok(self.permissions.to_json())
        return None

    def _of_counts(self, method: str, path: list[str], body: bytes) -> Answer | None:
        match method, *path:
            case "GET", "counts":
                return _ok({"series": self.tally.to_json()})
            case "PUT", "asking" if body in (b"true", b"false"):
                self.asking = body == b"true"
                return _ok({})
            case "POST", "reset":
                self.rules.clear()
                self.tally.clear()
                self.asking = False
                return _ok({})
        return None

    def _all_rules(self) -> dict[str, Any]:
        return {"rules": self.rules.to_json()}

    def _removed(self, id_: int) -> Answer:
        removed = self.rules.remove(id_)
        if removed is None:
            return _problem(HTTPStatus.NOT_FOUND, f"There is no rule {id_}.")
        return _ok(removed.to_json())


def _ok(content: object) -> Answer:
    return answer_of(200, "application/json", msgspec.json.encode(content))


def _problem(status: HTTPStatus, detail: str) -> Answer:
    content = {"title": status.phrase, "status": status.value, "detail": detail}
    body = msgspec.json.encode(content)
    return answer_of(status, "application/problem+json", body)
