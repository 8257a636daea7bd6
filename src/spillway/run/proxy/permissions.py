"""Which calls each function may make: its role's policies, checked by the proxy as IAM would.

The emulator accepts any call from any caller. With the deployed policies in the proxy, a missing
permission shows in every local run and test as it would on AWS, and a permission that no run uses
shows as unused. Statements may have `*` and `?`. Conditions and denials are refused: Spillway's own
policies have none.

Lambda's own work for a function (polling its source, deleting handled messages, writing its logs)
does not pass the proxy, so it cannot show that those permissions are needed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from spillway.run.proxy.calls import Call

#: Not how a batch is called but what it needs, by AWS's service authorization reference.
_ACTION_OF_BATCH = {
    ("sqs", "SendMessageBatch"): "SendMessage",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
    ("sqs", "ChangeMessageVisibilityBatch"): "ChangeMessageVisibility",
    ("sns", "PublishBatch"): "Publish",
}
_DENIAL = {"sqs": "AccessDenied", "sns": "AuthorizationError"}
_OTHER_DENIAL = "AccessDeniedException"


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    """A statement of a role's policy, as IAM writes it."""

    effect: Literal["Allow"]
    action: str | tuple[str, ...]
    resource: str | tuple[str, ...]
    sid: str = ""


class Need(msgspec.Struct, frozen=True):
    """What one call needs: an action on a resource, by the last part of its ARN."""

    function: str
    action: str
    resource: str


class Permission(msgspec.Struct):
    """One action that a function may do on one resource, an ARN; see `Permissions.deny_once`.

    How often it let a call pass, and how often it was denied.
    """

    function: str
    action: str
    resource: str
    used: int = 0
    refused: int = 0
    denied_once: bool = False

    def allows(self, need: Need) -> bool:
        *_, service, _region, _account, resource = self.resource.split(":", 5)
        return (
            need.function == self.function
            and fnmatchcase(need.action, self.action)
            and service == need.action.partition(":")[0]
            and fnmatchcase(need.resource, resource)
        )


@dataclass
class Permissions:
    """What every function may do, and what became of it. None: everything is allowed."""

    _granted: list[Permission] | None = None
    _denied: Counter[Need] = field(default_factory=Counter)

    def grant(self, content: bytes) -> None:
        """Have these permissions from now on, and no others.

        `content` is a JSON object of `Statement` lists by function; null or nothing allows all.

        Raises ValueError when it is none; then nothing changes.
        """
        wanted = dict[str, list[Statement]] | None
        try:
            policies = msgspec.json.decode(content or b"null", type=wanted)
        except msgspec.ValidationError as error:
            raise ValueError(
                f"{error}; teach src/spillway/run/proxy/permissions.py more"
            ) from error
        self._granted = None if policies is None else list(_permissions(policies))
        self._denied.clear()

    def deny_once(self) -> None:
        """Have every permission refused once, at its next use."""
        for permission in self._granted or ():
            permission.denied_once = True

    def denial(self, call: Call) -> str | None:
        """AWS's error code when the caller may not do this; None when it may."""
        if self._granted is None:
            return None
        allowed = [self._takes(need, self._granted) for need in needs(call)]
        return None if all(allowed) else _DENIAL.get(call.service, _OTHER_DENIAL)

    def to_json(self) -> dict[str, Any]:
        """`permissions` with their counts, and `denied`: calls that none of them allowed."""
        denied = [
            {**msgspec.structs.asdict(need), "times": times} for need, times in self._denied.items()
        ]
        return {"permissions": self._granted or [], "denied": denied}

    def _takes(self, need: Need, granted: list[Permission]) -> bool:
        permission = next((one for one in granted if one.allows(need)), None)
        if permission is None:
            self._denied[need] += 1
            return False
        if permission.denied_once:
            permission.denied_once = False
            permission.refused += 1
            return False
        permission.used += 1
        return True


def needs(call: Call) -> list[Need]:
    """What a call needs: one action, on each of the resources that it names; for a transaction, the
    action of each of its operations."""
    if call.operation == "TransactWriteItems":
        return list(_needs_of_transaction(call))
    operation = _ACTION_OF_BATCH.get((call.service, call.operation), call.operation)
    action = f"{call.service}:{operation}"
    return [Need(call.function or "unknown", action, resource) for resource in _resources(call)]


def _needs_of_transaction(call: Call) -> Iterator[Need]:
    for operation in call.body.get("TransactItems", ()):
        for kind, request in operation.items():
            table = f"table/{request['TableName']}"
            yield Need(call.function or "unknown", f"dynamodb:{kind}Item", table)


def _resources(call: Call) -> list[str]:
    if call.service == "dynamodb":
        tables = call.body.get("RequestItems")
        names = [*tables] if isinstance(tables, Mapping) else [call.resource or ""]
        return [f"table/{name}" for name in names]
    if call.service == "ssm":
        return [f"parameter/{(call.resource or '').removeprefix('/')}"]
    return [call.resource or ""]


def _permissions(policies: Mapping[str, list[Statement]]) -> Iterator[Permission]:
    for function, statements in policies.items():
        for statement in statements:
            for resource in _several(statement.resource):
                # arn:partition:service:region:account:resource
                if resource.count(":") < 5:
                    raise ValueError(f"{function}: {resource} is no ARN")
                for action in _several(statement.action):
                    yield Permission(function, action, resource)


def _several(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
