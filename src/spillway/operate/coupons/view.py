"""What is shown of a coupon and of a code."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from orders.aws.coupons import claim_of_code
from orders.domain.coupon_codes import SERIAL_CHARS, TAG_CHARS
from spillway.operate.coupons import codes
from spillway.operate.coupons.published import published
from spillway.operate.coupons.uses import Campaign, campaigns
from spillway.target.reading import pages

if TYPE_CHECKING:
    from spillway.target.service import Service


def is_code(text: str) -> bool:
    """It has the length of a code, mistyped or not."""
    campaign, _, body = text.rpartition("-")
    return bool(campaign) and len(body) == SERIAL_CHARS + TAG_CHARS + 1


def code_document(service: Service, code: str) -> dict[str, Any]:
    """A code's state: free, retired, or used by an order. SpillwayError: it is not ours."""
    codes.check(service, code)
    key = {"pk": {"S": claim_of_code(code)}}
    answer = service.dynamodb.get_item(
        TableName=service.tables["coupons"], Key=key, ConsistentRead=True
    )
    item = answer.get("Item")
    state = "free" if item is None else "retired" if "retired_at" in item else "used by order"
    order_id = item["order_id"]["S"] if item is not None and "order_id" in item else None
    return {"code": code, "state": state, "order_id": order_id}


def campaigns_table(service: Service, coupon: str | None) -> list[Campaign]:
    """The uses of every coupon, or of this one."""
    every = chain.from_iterable(pages(service.dynamodb, service.tables["coupons"]))
    found = campaigns(every).values()
    [in_force, *_] = (published(service) if found else None) or [{}]
    limits = {code: coupon.limit for code, coupon in in_force.items()}
    return [
        replace(one, limit=limits.get(one.coupon)) for one in found if coupon in (None, one.coupon)
    ]
