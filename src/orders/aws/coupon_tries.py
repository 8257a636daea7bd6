"""How many coupons a customer has tried, on DynamoDB: the `CouponTries` port.

    pk /tries/<customer's hash>/<window>   `codes`: hashes of the codes; `expires_at`: seconds

In the table of limited coupons, whose keys never begin with a slash. A customer has an item for
each quarter of an hour in which they ask about a coupon, and DynamoDB deletes it later for nothing.
It holds hashes only, so that it tells neither who asked nor for what.

One conditional write for each question, however many ask at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from orders.aws.clients import Client, translate_aws_errors
from orders.domain.order import customer_hash
from orders.domain.quote import TRIES_MAX, TRIES_WINDOW_SECONDS
from orders.domain.units import CustomerId, Millis

#: With what the keys of these items begin, and no other key of the table does.
PREFIX = "/tries/"
_HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class DynamoCouponTries:
    client: Client
    table: str

    def count(self, customer_id: CustomerId, codes: Sequence[str], now: Millis) -> bool:
        hashes = sorted({_hash(code) for code in codes})
        room = TRIES_MAX - len(hashes)
        if room < 0:
            return False
        window = now // 1000 // TRIES_WINDOW_SECONDS
        # True when all of them have been counted before, or there is room for so many more.
        none_before = "attribute_not_exists(codes)"
        has_room = "size(codes) <= :room"
        known = " AND ".join(f"contains(codes, :code{place})" for place in range(len(hashes)))
        with translate_aws_errors("UpdateItem"):
            try:
                self.client.update_item(
                    TableName=self.table,
                    Key={"pk": {"S": f"{PREFIX}{customer_hash(customer_id)}/{window}"}},
                    UpdateExpression="ADD codes :codes SET expires_at = :expires_at",
                    ConditionExpression=f"{none_before} OR {has_room} OR {known}",
                    ExpressionAttributeValues={
                        ":codes": {"BS": hashes},
                        ":room": {"N": str(room)},
                        # The window after this one, so that a clock that is behind finds it.
                        ":expires_at": {"N": str((window + 2) * TRIES_WINDOW_SECONDS)},
                        **{f":code{place}": {"B": code} for place, code in enumerate(hashes)},
                    },
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                return False
        return True


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()[:_HASH_BYTES]
