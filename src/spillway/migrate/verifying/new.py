"""The orders table, read for verification: its items decoded here, not by the service's code."""

from __future__ import annotations

import json
import queue
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spillway.migrate.verifying.canonical import Canonical

#: Read concurrently. A page is a megabyte, and ten times as much once it is decoded: two under way
#: and one ahead keep this process busy.
SEGMENTS = 2
PAGES_AHEAD = 1
GETS_MAX = 50

Item = Mapping[str, Any]
Place = tuple[str, str]

_NEEDED = ("reserve", "ship", "post")


@dataclass(frozen=True, slots=True)
class NewSide:
    """`dynamodb` is a boto3 client."""

    dynamodb: Any
    table: str

    def imported(self) -> Iterator[Canonical]:
        """Every order that was migrated, by a scan of the whole table."""
        yield from self._paired(item for item in self._scanned() if "imported" in item)

    def everything(self) -> Iterator[Canonical]:
        """Every order, wherever it was placed."""
        yield from self._paired(self._scanned())

    def _paired(self, items: Iterator[Item]) -> Iterator[Canonical]:
        alone: dict[Place, Item] = {}
        for item in items:
            place = _place(item)
            partner = alone.pop(place, None)
            if partner is None:
                alone[place] = item
            else:
                yield _canonical(*sorted((item, partner), key=_is_progress))
        # Half an order is told as one in a state that no order has.
        for item in alone.values():
            yield _half(item)

    def some(self, places: Sequence[Place]) -> dict[Place, Canonical]:
        """What is there of these orders now."""
        found: dict[Place, list[Item]] = {}
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
                for item in answer["Responses"].get(self.table, ()):
                    found.setdefault(_place(item), []).append(item)
                request = answer.get("UnprocessedKeys") or {}
        return {
            place: _canonical(*sorted(items, key=_is_progress)) if len(items) > 1 else _half(*items)
            for place, items in found.items()
        }

    def _scanned(self) -> Iterator[Item]:
        pages: queue.Queue[list[Item] | BaseException | None] = queue.Queue(PAGES_AHEAD)
        ended = threading.Event()
        for segment in range(SEGMENTS):
            threading.Thread(
                target=self._scan_segment, args=(segment, pages, ended), daemon=True
            ).start()
        running = SEGMENTS
        try:
            while running:
                page = pages.get()
                if page is None:
                    running -= 1
                elif isinstance(page, BaseException):
                    raise page
                else:
                    yield from page
        finally:
            ended.set()

    def _scan_segment(
        self,
        segment: int,
        pages: queue.Queue[list[Item] | BaseException | None],
        ended: threading.Event,
    ) -> None:
        def put(what: list[Item] | BaseException | None) -> None:
            while not ended.is_set():
                try:
                    pages.put(what, timeout=1)
                except queue.Full:
                    continue
                return

        try:
            scan = self.dynamodb.get_paginator("scan").paginate(
                TableName=self.table,
                ConsistentRead=True,
                Segment=segment,
                TotalSegments=SEGMENTS,
            )
            for page in scan:
                put(page["Items"])
                if ended.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that reads
            put(error)


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
        address["postal_code"],
        address["country"],
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


def _state(progress: Item) -> str:
    """The facts in the old database's words, spelt out so that a wrong one shows."""
    facts = {
        name: value["M"]
        for name, value in progress.items()
        if name not in ("pk", "sk", "imported", "cancellation")
    }
    done = sorted(name for name, fact in facts.items() if "reason" not in fact)
    refused = {name: fact["reason"]["S"] for name, fact in facts.items() if "reason" in fact}
    moments = {int(fact["at"]["N"]) for fact in facts.values()}
    at = f" at {moments.pop()}" if len(moments) == 1 else f" at {sorted(moments)}"
    cancelled = "cancellation" in progress
    if cancelled and done == ["refund", "release", "reserve"] and not refused:
        return f"cancelled{at}"
    if done == ["refund"] and list(refused) == ["reserve"] and not cancelled:
        return f"rejected {refused['reserve']}{at}"
    if done == sorted(_NEEDED) and refused == {"cancel_shipment": "too_late"} and not cancelled:
        return f"confirmed{at}"
    if not refused and not cancelled and set(done) < set(_NEEDED):
        return "open" + "".join(f" {name}" for name in done)
    return _lived(done, refused, cancelled=cancelled)


def _lived(done: Sequence[str], refused: Mapping[str, str], *, cancelled: bool) -> str:
    """What the new service has made of an order, by what stands in the end."""
    facts = f" (done {done}, refused {refused})"
    undone = "refund" in done and ("reserve" not in done or "release" in done)
    if any(step in refused for step in _NEEDED):
        return ("rejected" if undone else "open") + facts
    if cancelled and "cancel_shipment" not in refused:
        return ("cancelled" if undone else "open") + facts
    return ("confirmed" if set(_NEEDED) <= set(done) else "open") + facts


def _half(item: Item) -> Canonical:
    """An order without its progress. One that was placed a moment ago has none yet; one that was
    migrated always has."""
    if "accepted_at" in item and "imported" not in item:
        return _canonical(item, {})
    customer, order_id = _place(item)
    kind = "its progress" if _is_progress(item) else "its order"
    at = (
        int(item["accepted_at"]["N"])
        if "accepted_at" in item
        else int(order_id[:8] + order_id[9:13], 16)
    )
    mark = item.get("imported", {"S": ""})
    key = mark["S"] if "S" in mark else mark["M"]["key"]["S"]
    return Canonical(
        key, customer, order_id, at, f"only {kind} is there", "", "", (), 0, 0, 0, 0, (), "", ""
    )
