"""The orders table, read for verification: decoded here, not by the service's code."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from spillway.migrate.verifying.canonical import Canonical, Place, State

#: Read concurrently, a page of each. A page is a megabyte, and ten times as much once it is
#: decoded: two keep this process busy.
SEGMENTS = 2
GETS_MAX = 50

Item = Mapping[str, Any]

_NOT_FACTS = frozenset({"pk", "sk", "imported", "cancellation"})


@dataclass(frozen=True, slots=True)
class NewSide:
    dynamodb: Any
    table: str

    def imported(self) -> Iterator[Canonical]:
        """Every order that was migrated, by a scan of the whole table."""
        yield from _orders(item for item in self._scanned() if "imported" in item)

    def everything(self) -> Iterator[Canonical]:
        """Every order, migrated or new."""
        yield from _orders(self._scanned())

    def some(self, places: Sequence[Place]) -> dict[Place, Canonical]:
        """Those of these orders that exist now."""
        items: list[Item] = []
        unique = list(dict.fromkeys(places))
        for start in range(0, len(unique), GETS_MAX):
            keys = [
                {"pk": {"S": customer}, "sk": {"S": sort}}
                for customer, order in unique[start : start + GETS_MAX]
                for sort in (order, f"{order}#progress")
            ]
            request = {self.table: {"Keys": keys, "ConsistentRead": True}}
            while request:
                answer = self.dynamodb.batch_get_item(RequestItems=request)
                items += answer["Responses"].get(self.table, ())
                request = answer.get("UnprocessedKeys") or {}
        return {order.place: order for order in _orders(items)}

    def _scanned(self) -> Iterator[Item]:
        """Every item. While one is looked at, the next page of each segment is being read."""
        with ThreadPoolExecutor(SEGMENTS) as pool:
            scan = self.dynamodb.get_paginator("scan")
            whole = {"TableName": self.table, "ConsistentRead": True, "TotalSegments": SEGMENTS}
            under_way: dict[Future[Any], Iterator[Any]] = {}
            for segment in range(SEGMENTS):
                pages = iter(scan.paginate(**whole, Segment=segment))
                under_way[pool.submit(next, pages, None)] = pages
            while under_way:
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    pages = under_way.pop(future)
                    page = future.result()
                    if page is not None:
                        under_way[pool.submit(next, pages, None)] = pages
                        yield from page["Items"]


def _orders(items: Iterable[Item]) -> Iterator[Canonical]:
    """Pairs of items, and halves that have no partner. An id that was made void is no order."""
    alone: dict[Place, Item] = {}
    for item in items:
        if "voided_at" in item:
            continue
        place = _place(item)
        partner = alone.pop(place, None)
        if partner is None:
            alone[place] = item
        else:
            yield _canonical(*sorted((item, partner), key=_is_progress))
    yield from map(_half, alone.values())


def _place(item: Item) -> Place:
    return item["pk"]["S"], item["sk"]["S"].split("#")[0]


def _is_progress(item: Item) -> bool:
    return "#" in item["sk"]["S"]


def _canonical(order: Item, progress: Item) -> Canonical:
    customer, order_id = _place(order)
    content = json.loads(zlib.decompress(order["content"]["B"]))
    address = content["address"]
    texts = (
        address["name"],
        *address["lines"],
        address["city"],
        address["country"],
        *(address.get(name) for name in ("postal_code", "state", "phone", "email")),
    )
    return Canonical(
        old_key=_old_key(order, progress),
        customer=customer,
        order_id=order_id,
        accepted_at=int(order["accepted_at"]["N"]),
        state=_state(progress),
        channel=content["channel"],
        currency=content["currency"],
        lines=tuple((one["sku"], one["quantity"], one["unit_price"]) for one in content["lines"]),
        discount=sum(one["amount"] for one in content.get("discounts") or ()),
        shipping=content["shipping"],
        tax=content["tax"],
        total=content["total"],
        address=tuple(text for text in texts if text),
        payment=content["payment"]["reference"],
        purchase_order=content.get("purchase_order") or "",
    )


def _old_key(order: Item, progress: Item) -> str:
    mark, other = order.get("imported"), progress.get("imported")
    if mark is None and other is None:
        return ""
    if mark is None or other is None or mark["S"] != other["M"]["key"]["S"]:
        return f"{mark} and {other}"
    return str(mark["S"])


def _state(progress: Item) -> State:
    facts = {name: value["M"] for name, value in progress.items() if name not in _NOT_FACTS}
    refused = {name: fact["reason"]["S"] for name, fact in facts.items() if "reason" in fact}
    return State(
        done=tuple(sorted(facts.keys() - refused.keys())),
        refused=tuple(sorted(refused.items())),
        cancelled="cancellation" in progress,
        at=tuple(sorted({int(fact["at"]["N"]) for fact in facts.values()})),
    )


def _half(item: Item) -> Canonical:
    """An order without its progress, or the reverse. An order that was placed a moment ago has no
    progress yet; a migrated one always has."""
    if "accepted_at" in item and "imported" not in item:
        return _canonical(item, {})
    customer, order_id = _place(item)
    mark = item.get("imported", {"S": ""})
    if "accepted_at" in item:
        missing, at = "its progress", int(item["accepted_at"]["N"])
    else:
        missing, at = "its order", int(order_id[:8] + order_id[9:13], 16)
    key = mark["S"] if "S" in mark else mark["M"]["key"]["S"]
    return Canonical(key, customer, order_id, at, State(missing=missing))
