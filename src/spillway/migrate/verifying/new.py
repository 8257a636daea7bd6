"""The orders table and its archive, read for verification: decoded here, not by the service."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from spillway.migrate.verifying.canonical import Canonical, Place, State
from spillway.target.archive import Archive

#: Read concurrently, a page of each. A page is a megabyte, and ten times as much once it is
#: decoded: two keep this process busy.
SEGMENTS = 2
GETS_MAX = 50

Item = Mapping[str, Any]

_REST_OF_ADDRESS = ("city", "country", "postal_code", "state", "phone", "email")
_NOT_FACTS = frozenset({"pk", "sk", "imported", "cancellation", "coupons_returned", "reopened"})


@dataclass(frozen=True, slots=True)
class NewSide:
    dynamodb: Any
    table: str
    archive: Archive
    #: Where the old table has no order of its own for an order's lines, none counts.
    sorts_lines: bool = False

    def imported(self) -> Iterator[Canonical]:
        """Every order that was migrated, by a scan of the whole table."""
        yield from self._orders(item for item in self._scanned() if "imported" in item)

    def everything(self) -> Iterator[Canonical]:
        """Every order, migrated or new."""
        yield from self._orders(self._scanned())

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
                items += self._with_lines(answer["Responses"].get(self.table, ()))
                request = answer.get("UnprocessedKeys") or {}
        return {order.place: order for order in self._orders(items)}

    def _orders(self, items: Iterable[Item]) -> Iterator[Canonical]:
        for order in _orders(items):
            if self.sorts_lines:
                yield order._replace(lines=tuple(sorted(order.lines)))
            else:
                yield order

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
                        yield from self._with_lines(page["Items"])

    def _with_lines(self, found: Sequence[Item]) -> Iterator[Item]:
        """The items, each stub with the line that it names."""
        stubs = [item for item in found if "archived" in item]
        lines = iter(self.archive.lines_of(stubs))
        for item in found:
            yield {**item, "line": {"B": next(lines)}} if "archived" in item else item


def _orders(items: Iterable[Item]) -> Iterator[Canonical]:
    """Pairs of items, and halves that have no partner. An id that was made void is no order."""
    alone: dict[Place, Item] = {}
    for item in items:
        if "voided_at" in item:
            continue
        if "line" in item:
            yield _archived(json.loads(item["line"]["B"]))
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
    return _made(
        _old_key(order, progress),
        customer,
        order_id,
        int(order["accepted_at"]["N"]),
        _state(progress),
        json.loads(zlib.decompress(order["content"]["B"])),
    )


def _archived(line: Mapping[str, Any]) -> Canonical:
    """An order that has left the table (docs/contracts/archive.yaml)."""
    key, mark = line.get("imported", ""), line.get("imported_facts", {}).get("key", "")
    return _made(
        key if key == mark else f"{key} and {mark}",
        line["customer_id"],
        line["order_id"],
        line["accepted_at"],
        _state_of(line["facts"], cancelled="cancellation" in line),
        line["order"],
    )


def _made(
    old_key: str,
    customer: str,
    order_id: str,
    accepted_at: int,
    state: State,
    content: Mapping[str, Any],
) -> Canonical:
    address = content["address"]
    parts = (
        ("name", address["name"]),
        *((f"line {place}", text) for place, text in enumerate(address["lines"], start=1)),
        *((name, address.get(name)) for name in _REST_OF_ADDRESS),
    )
    return Canonical(
        old_key=old_key,
        customer=customer,
        order_id=order_id,
        accepted_at=accepted_at,
        state=state,
        channel=content["channel"],
        currency=content["currency"],
        lines=tuple((one["sku"], one["quantity"], one["unit_price"]) for one in content["lines"]),
        coupon=", ".join(one["coupon"] for one in content.get("discounts") or ()),
        discount=sum(one["amount"] for one in content.get("discounts") or ()),
        shipping=content["shipping"],
        tax=content["tax"],
        total=content["total"],
        address=tuple((name, text) for name, text in parts if text),
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
    # Of each attribute its one value, whatever its type.
    facts = {
        name: {part: next(iter(typed.values())) for part, typed in value["M"].items()}
        for name, value in progress.items()
        if name not in _NOT_FACTS
    }
    return _state_of(facts, cancelled="cancellation" in progress)


def _state_of(facts: Mapping[str, Mapping[str, Any]], *, cancelled: bool) -> State:
    refused = {name: fact["reason"] for name, fact in facts.items() if "reason" in fact}
    return State(
        done=tuple(sorted(facts.keys() - refused.keys())),
        refused=tuple(sorted(refused.items())),
        cancelled=cancelled,
        at=tuple(sorted({int(fact["at"]) for fact in facts.values()})),
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
