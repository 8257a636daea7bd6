"""Makes and retires single-use codes. The key is in Parameter Store; nothing else is stored."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from orders.aws.coupons import claim_of_code
from orders.domain.coupon_codes import SERIALS, code_of, fault_of
from spillway.errors import CheckFailed, UsageError
from spillway.price_book import values

if TYPE_CHECKING:
    from spillway.target.service import Service

_KEY_BYTES = 32


def parameter(stage: str) -> str:
    """Where the keys are, as `infra.stage` has it."""
    return f"/spillway/{stage}/coupon-keys"


def keys(service: Service) -> dict[str, bytes]:
    """By key id, the newest last; none where none was made yet."""
    ssm = service.client("ssm")
    try:
        answer = ssm.get_parameter(Name=parameter(service.stage), WithDecryption=True)
    except ssm.exceptions.ParameterNotFound:
        return {}
    found: dict[str, str] = json.loads(answer["Parameter"]["Value"])
    return {key_id: bytes.fromhex(key) for key_id, key in found.items()}


def generate(service: Service, campaign: str, first: int, count: int) -> Iterator[str]:
    """The codes of `count` serials from `first` on, under the newest key, which is made if there
    is none. The same serials give the same codes.

    SpillwayError: no price book could have such a campaign, or the serials are too high.
    """
    try:
        values.coupon_code(campaign, single_use_codes=True)
    except ValueError as error:
        raise UsageError(f"--campaign: {error}") from None
    if first + count > SERIALS:
        raise UsageError(
            f"A campaign has {SERIALS:,} codes: choose --first and --count within them."
        )
    found = keys(service) or _first_key(service)
    newest = [*found.values()][-1]
    return (code_of(campaign, serial, newest) for serial in range(first, first + count))


def retire(service: Service, code: str, now: int) -> None:
    """Let a code be used by nobody. SpillwayError: it is no code of this store, or it was used."""
    check(service, code)
    try:
        service.dynamodb.put_item(
            TableName=service.tables["coupons"],
            Item={"pk": {"S": claim_of_code(code)}, "retired_at": {"N": str(now)}},
            ConditionExpression="attribute_not_exists(pk)",
        )
    except service.dynamodb.exceptions.ConditionalCheckFailedException:
        raise CheckFailed(
            f"{code} was used or retired before: see `spillway coupons show {code}`."
        ) from None


def check(service: Service, code: str) -> None:
    """SpillwayError: this is no code of this store."""
    fault = fault_of(code, keys(service))
    if fault == "mistyped":
        raise UsageError(f"{code} is mistyped: type it again.")
    if fault is not None:
        raise CheckFailed(f"{code} was not made by this store: no key in force makes it.")


def _first_key(service: Service) -> dict[str, bytes]:
    key = secrets.token_bytes(_KEY_BYTES)
    ssm: Any = service.client("ssm")
    # Without Overwrite: of two who do this at once, one is told that there is a key.
    ssm.put_parameter(
        Name=parameter(service.stage), Value=json.dumps({"k1": key.hex()}), Type="SecureString"
    )
    return {"k1": key}
