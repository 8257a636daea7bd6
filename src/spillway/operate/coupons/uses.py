"""What has been used of limited coupons, by the coupons table and by the orders.

Neither is read at one moment, so what differs is read again, and only what differs each time the
same way is a finding.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from orders.aws import coupon_tries, items
from orders.aws.coupons import DynamoCoupons, claim_key, name_of
from orders.aws.table import BATCH_GET_MAX
from orders.domain import saga
from orders.domain.book import Coupon
from orders.domain.coupon_limits import COUNTERS_MAX, counters
from orders.domain.order import OrderKey
from orders.domain.units import CustomerId, Millis, OrderId
from spillway.target.reading import pages

if TYPE_CHECKING:
    from spillway.target.service import Service

#: What differs is read so often, with a pause for relay to give back what it is about to.
LOOKS = 3
PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Holder:
    """An order with limited coupons. `claims`: the keys of what it holds, none once they were given
    back. `undone`: rejected or cancelled."""

    key: OrderKey
    claims: tuple[str, ...]
    undone: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `order`: whose claims are still to be given back, which repairs
    it."""

    claim: str
    detail: str
    order: OrderKey | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    orders: int
    claims: int
    findings: Sequence[Finding]


def audit(
    dynamodb: Any, tables: Mapping[str, str], sleep: Callable[[float], None] = time.sleep
) -> Audit:
    """Whether every claim has its standing order, every standing order its claims, and every
    counter has counted the orders that name it. `tables` are names, `orders` and `coupons`."""
    held: list[Holder] = []
    claimed: dict[str, items.Item] = {}
    lasting: set[Finding] = set()
    for look in range(LOOKS):
        if look:
            sleep(PAUSE_SECONDS)
        held = list(holders(chain.from_iterable(pages(dynamodb, tables["orders"]))))
        every = chain.from_iterable(pages(dynamodb, tables["coupons"]))
        claimed = claims_in(every)
        found = set(compared(held, claimed))
        lasting = lasting & found if look else found
        if not lasting:
            break
    return Audit(len(held), len(claimed), sorted(lasting, key=lambda one: one.claim))


def repair(service: Service, findings: Iterable[Finding], now: Callable[[], int]) -> int:
    """Give back what undone orders still hold; returns of how many orders."""
    keys = list(dict.fromkeys(one.order for one in findings if one.order is not None))
    coupons = DynamoCoupons(
        service.dynamodb, service.tables["orders"], service.tables["coupons"], _Clock(now)
    )
    coupons.give_back(keys)
    return len(keys)


def holders(stored: Iterable[items.Item]) -> Iterator[Holder]:
    """Every order with limited coupons, from the items of the orders table in any order."""
    claims_of: dict[OrderKey, Sequence[str]] = {}
    progress_of: dict[OrderKey, items.Item] = {}
    for item in stored:
        if items.is_progress(item):
            progress_of[items.key_of(item)] = item
        elif items.CLAIMS in item:
            claims_of[items.key_of(item)] = item[items.CLAIMS]["SS"]
    for key, names in claims_of.items():
        progress = progress_of.get(key)
        returned = progress is not None and items.COUPONS_RETURNED in progress
        claims = () if returned else tuple(sorted(claim_key(name, key) for name in names))
        yield Holder(key, claims, saga.undoing(items.facts(progress)))


def compared(held: Iterable[Holder], claimed: Mapping[str, items.Item]) -> Iterator[Finding]:
    """What the orders hold against what the coupons table has. Pure."""
    held_by: defaultdict[str, list[OrderKey]] = defaultdict(list)
    for holder in held:
        for claim in holder.claims:
            held_by[claim].append(holder.key)
            if holder.undone:
                yield Finding(claim, "is held by an order that is undone", holder.key)
    for claim in claimed.keys() | held_by.keys():
        keys, item = held_by[claim], claimed.get(claim, {})
        if is_counter(claim):
            used = int(item["used"]["N"]) if item else 0
            if used != len(keys):
                yield Finding(claim, f"has counted {used}, and {len(keys)} orders hold it")
        elif "retired_at" not in item and [_holder(item)] != keys:
            order_ids = ", ".join(key.order_id for key in keys) or "no order"
            there = item["order_id"]["S"] if item else "no order"
            yield Finding(claim, f"is there for {there}, and {order_ids} holds it")


def claims_in(stored: Iterable[items.Item]) -> dict[str, items.Item]:
    """Those of the coupons table, by their keys, without what customers have only tried."""
    keyed = ((item["pk"]["S"], item) for item in stored)
    return {key: item for key, item in keyed if not key.startswith(coupon_tries.PREFIX)}


def is_counter(claim: str) -> bool:
    return "#" in claim.partition("/")[0]


def _holder(item: items.Item) -> OrderKey | None:
    if "order_id" not in item:
        return None
    return OrderKey(CustomerId(item["customer_id"]["S"]), OrderId(item["order_id"]["S"]))


@dataclass(frozen=True, slots=True)
class _Clock:
    milliseconds: Callable[[], int]

    def now(self) -> Millis:
        return Millis(self.milliseconds())


def counted(service: Service, coupon: Coupon) -> int:
    """The uses of a coupon's limit, read from its counters and nothing else."""
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


@dataclass(frozen=True, slots=True)
class Campaign:
    """The uses of one coupon. `counted`: of its limit; `customers` and `codes`: by whom it was used
    once, and of which codes; `retired`: codes that nobody can use."""

    coupon: str
    counted: int = 0
    customers: int = 0
    codes: int = 0
    retired: int = 0


def campaigns(claimed: Iterable[items.Item]) -> dict[str, Campaign]:
    """The uses of every coupon that was ever used, by its code."""
    tallies: dict[str, Counter[str]] = {}
    for claim, item in claims_in(claimed).items():
        name, _, rest = claim.partition("/")
        coupon = unquote(name.partition("#")[0])
        tally = tallies.setdefault(coupon, Counter())
        if is_counter(claim):
            tally["counted"] += int(item["used"]["N"])
        elif "retired_at" in item:
            tally["retired"] += 1
        else:
            tally["codes" if rest.startswith("code/") else "customers"] += 1
    return {coupon: Campaign(coupon, **tally) for coupon, tally in sorted(tallies.items())}
