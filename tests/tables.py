"""Tables of a test's own on the emulator, keyed and billed as infra/ makes them."""

from __future__ import annotations

import secrets
from typing import Any


def make_table(dynamodb: Any, kind: str, *, streamed: bool = False) -> str:
    """An empty table keyed by `pk` and `sk`; `dynamodb` is a boto3 client. Its name, new each time,
    begins with `kind`."""
    name = f"{kind}-{secrets.token_hex(4)}"
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        **({"StreamSpecification": stream} if streamed else {}),
    )
    return name
