"""Tables of a test's own on the emulator, keyed and billed as infra/ makes them."""

from __future__ import annotations

import secrets
from typing import Any

_KINDS = ("HASH", "RANGE")


def make_table(
    dynamodb: Any, kind: str, *, keys: tuple[str, ...] = ("pk", "sk"), streamed: bool = False
) -> str:
    """An empty table with these keys; `dynamodb` is a boto3 client. Its name, new each time, begins
    with `kind`."""
    name = f"{kind}-{secrets.token_hex(4)}"
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": key, "KeyType": key_type}
            for key, key_type in zip(keys, _KINDS, strict=False)
        ],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        **({"StreamSpecification": stream} if streamed else {}),
    )
    return name
