"""The audit, the same for every system: from what the three downstreams have on record, and from
what customers were answered. It asks no system how it went, except which orders it still holds for
unfinished."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from orders.domain.order import OrderKey
from orders.domain.units import CustomerId, OrderId
from simulation.downstreams.ledger import Entry
from spillway.run.load.placing import Placed

#: As the ledgers name them: done in this order, and undone.
STEPS = ("reserve", "ship", "post", "recall_shipment", "release", "refund")
_NEEDED = frozenset(STEPS[:3])
EXAMPLES_MAX = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one order.

    lost: acknowledged, nothing was done, and its system has nothing left to do.
    half_done: some of it was done, it is neither whole nor undone, and its system has ended it.
    stuck: neither whole nor undone, and its system holds it for unfinished.
    doubled: a step has more than one effect, under whichever keys.
    wrong: an effect of another amount, an order undone that nobody refused, one fulfilled that was
    refused, or an effect for an order that nobody sent.
    """

    kind: str
    order_id: str
    detail: str


KINDS = ("lost", "half_done", "stuck", "doubled", "wrong")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`unanswered`: customers gave up on so many; each of them may be done or not, as a whole.
    `unfinished`: its system still works on so many, stuck or whole."""

    acknowledged: int
    unanswered: int
    fulfilled: int
    undone: int
    unfinished: int
    findings: tuple[Finding, ...]

    def count(self, kind: str) -> int:
        return sum(finding.kind == kind for finding in self.findings)

    def document(self) -> dict[str, Any]:
        return {
            "acknowledged": self.acknowledged,
            "unanswered": self.unanswered,
            "fulfilled": self.fulfilled,
            "undone": self.undone,
            "unfinished": self.unfinished,
            **{kind: self.count(kind) for kind in KINDS},
            "examples": [
                f"{finding.kind} {finding.order_id}: {finding.detail}"
                for finding in self.findings[:EXAMPLES_MAX]
            ],
        }


def by_order(entries: Iterable[Entry]) -> dict[OrderKey, list[Entry]]:
    """Each order's entries, in the order of their times."""
    of_order: defaultdict[OrderKey, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.at):
        of_order[_key(entry)].append(entry)
    return dict(of_order)


def world(entries: Iterable[Entry]) -> str | None:
    """`fulfilled` or `undone`, the two states in which an order is whole; None in between."""
    done = {entry.step for entry in entries if entry.done}
    held = "reserve" in done and "release" not in done
    ships = "ship" in done and not done & {"recall_shipment", "cancel_shipment"}
    refunded = "refund" in done
    if held and ships and "post" in done and not refunded:
        return "fulfilled"
    return "undone" if refunded and not held and not ships else None


def is_whole(entries: Sequence[Entry]) -> bool:
    return world(entries) is not None


def judge(
    placed: Iterable[Placed], entries: Iterable[Entry], unfinished: Collection[str]
) -> Verdict:
    """`unfinished`: the ids of the orders that the system says it still works on."""
    orders = {order.key: order for order in placed}
    of_order = by_order(entries)
    findings: list[Finding] = []
    worlds: Counter[str | None] = Counter()
    for key, order in orders.items():
        own = of_order.pop(key, [])
        state = world(own)
        worlds[state] += 1
        if state is None and (order.acknowledged or own):
            findings.append(_not_whole(order, own, unfinished))
        findings += _faults(order, own)
    for key, own in of_order.items():
        findings.append(Finding("wrong", key.order_id, f"{own[0].step} of an order nobody sent"))
    return Verdict(
        acknowledged=sum(order.acknowledged for order in orders.values()),
        unanswered=sum(order.unanswered for order in orders.values()),
        fulfilled=worlds["fulfilled"],
        undone=worlds["undone"],
        unfinished=sum(key.order_id in unfinished for key in orders),
        findings=tuple(findings),
    )


def _not_whole(order: Placed, own: Sequence[Entry], unfinished: Collection[str]) -> Finding:
    order_id = order.key.order_id
    detail = ", ".join(f"{entry.step} {entry.outcome}" for entry in own) or "nothing was done"
    if order_id in unfinished:
        return Finding("stuck", order_id, detail)
    return Finding("half_done" if own else "lost", order_id, detail)


def _faults(order: Placed, own: Sequence[Entry]) -> Iterator[Finding]:
    order_id = order.key.order_id
    effects = [entry for entry in own if entry.done]
    for step, count in Counter(entry.step for entry in effects).items():
        if count > 1:
            keys = sorted({entry.idempotency_key for entry in effects if entry.step == step})
            yield Finding("doubled", order_id, f"{step} {count} times, under {keys}")
    refused = {entry.step for entry in own if not entry.done} & _NEEDED
    state = world(own)
    if state == "undone" and not refused:
        yield Finding("wrong", order_id, "undone, though nobody refused it")
    if state == "fulfilled" and refused:
        yield Finding("wrong", order_id, f"fulfilled, though {sorted(refused)} were refused")
    units = sum(line.quantity for line in order.order.lines)
    money = (order.order.total, order.order.currency)
    for entry in effects:
        if entry.units not in (None, units):
            yield Finding("wrong", order_id, f"{entry.step} of {entry.units} units, not {units}")
        if entry.amount is not None and (entry.amount, entry.currency) != money:
            yield Finding("wrong", order_id, f"{entry.step} of {entry.amount}, not {money[0]}")


def _key(entry: Entry) -> OrderKey:
    return OrderKey(CustomerId(entry.customer_id), OrderId(entry.order_id))
