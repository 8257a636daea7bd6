"""What the counters of a coupon's limit have counted, read by their keys and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders.aws.coupons import name_of
from orders.aws.table import BATCH_GET_MAX
from orders.domain.coupon_limits import COUNTERS_MAX, counters

if TYPE_CHECKING:
    from orders.domain.book import Coupon
    from spillway.target.service import Service


def counted(service: Service, coupon: Coupon) -> int:
    """The uses of a coupon's limit."""
    return sum(used_by_counter(service, coupon.code, counters(coupon.limit or 0)).values())


def used_by_counter(service: Service, coupon: str, count: int = COUNTERS_MAX) -> dict[int, int]:
    """What the first `count` counters of a coupon have counted; nothing of one never used."""
    keys = [{"pk": {"S": f"{name_of(coupon)}#{one}"}} for one in range(count)]
    table, used = service.tables["coupons"], {}
    for start in range(0, len(keys), BATCH_GET_MAX):
        wanted: Any = {table: {"Keys": keys[start : start + BATCH_GET_MAX]}}
        while wanted:
            answer = service.dynamodb.batch_get_item(RequestItems=wanted)
            for item in answer["Responses"].get(table, ()):
                used[int(item["pk"]["S"].rpartition("#")[2])] = int(item["used"]["N"])
            wanted = answer.get("UnprocessedKeys")
    return used
