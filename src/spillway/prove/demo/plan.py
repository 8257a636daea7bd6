"""What a run will do, decided before anything is sent: orders, cancellations, faults."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spillway.errors import UsageError
from spillway.run.workload import (
    LIMITED_COUPON,
    Draft,
    Sales,
    generate,
    read_sales,
    with_coupon,
)

#: Of generated orders: how many are cancelled, and how many each downstream refuses.
CANCELLED_SHARE = 0.05
EMPTY_SHELF_SHARE = 0.03
REFUSED_SHARE = 0.02

#: For each order so many customers die between paying and sending.
DIED_SHARE = 0.05

#: The last orders are placed while one downstream is out. With too few orders, none are.
OUTAGE_SHARE = 0.04
OUTAGE_ORDERS_MAX = 8
OUTAGE_ORDERS_FROM = 10

#: One order in so many has a limited coupon, beginning with the first.
LIMITED_COUPON_EVERY = 20
#: Half the customers who cancel do so at once, half after a while.
_CANCEL_LATE_SECONDS = (1.0, 5.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """`cancel_after` maps an order's place in `drafts` to how many seconds after its acceptance its
    customer cancels. The last `outage_orders` are placed while accounting is out. Downstreams have
    these `fault_settings` for the whole run. `sales`: None unless the orders come from a file.
    `died`: so many more customers have paid and then sent nothing.
    """

    drafts: tuple[Draft, ...]
    cancel_after: Mapping[int, float]
    outage_orders: int
    fault_settings: Mapping[str, Mapping[str, Any]]
    clients: int
    copies: int
    seed: int
    sales: Sales | None = None
    died: int = 0


def plan(
    *,
    orders: int = 200,
    clients: int = 8,
    file: Path | None = None,
    cancellations: bool | None = None,
    copies: int = 1,
    seed: int = 1,
    outage: bool = True,
    limited_coupons: bool = True,
) -> Plan:
    """`cancellations` None: some of generated orders, none of a file's. `limited_coupons`: a few of
    the generated orders have one.

    Raises `SpillwayError` when the file cannot be read, or has nothing that can be ordered.
    """
    sales = None if file is None else read_sales(file)
    drafts = tuple(sales.orders[:orders] if sales else _generated(seed, orders, limited_coupons))
    if not drafts:
        raise UsageError(f"{file} has no sale that can be ordered.")
    outage_orders = _outage_orders(len(drafts)) if outage else 0
    rng = random.Random(f"plan {seed}")  # noqa: S311 -- repeatable is the point
    return Plan(
        drafts=drafts,
        cancel_after=_cancel_after(rng, cancellations, sales, len(drafts) - outage_orders),
        outage_orders=outage_orders,
        fault_settings=_refusals(drafts) if sales is None else {},
        clients=clients,
        copies=copies,
        seed=seed,
        sales=sales,
        died=max(1, round(DIED_SHARE * len(drafts))),
    )


def _generated(seed: int, count: int, limited_coupons: bool) -> Iterator[Draft]:
    for place, draft in enumerate(generate(seed=seed, count=count)):
        limited = limited_coupons and place % LIMITED_COUPON_EVERY == 0
        yield with_coupon(draft, LIMITED_COUPON) if limited else draft


def empty_shelf(drafts: Sequence[Draft]) -> str:
    """A sku that is in about `EMPTY_SHELF_SHARE` of the orders, and in at least one."""
    orders_of = Counter(sku for draft in drafts for sku in {line.sku for line in draft.order.lines})
    wanted = max(1, EMPTY_SHELF_SHARE * len(drafts))
    return min(orders_of, key=lambda sku: (abs(orders_of[sku] - wanted), sku))


def _refusals(drafts: Sequence[Draft]) -> dict[str, dict[str, Any]]:
    """Each downstream refuses a few orders, so that a run shows every way in which one can end."""
    return {
        "inventory": {"refuse_skus": [empty_shelf(drafts)]},
        "fulfilment": {"refuse_rate": REFUSED_SHARE},
        "accounting": {"refuse_rate": REFUSED_SHARE},
    }


def _outage_orders(count: int) -> int:
    if count < OUTAGE_ORDERS_FROM:
        return 0
    return max(2, min(OUTAGE_ORDERS_MAX, round(OUTAGE_SHARE * count)))


def _cancel_after(
    rng: random.Random, wanted: bool | None, sales: Sales | None, count: int
) -> dict[int, float]:
    if wanted is False or (sales is not None and wanted is None):
        return {}
    if sales is None:
        places = [place for place in range(count) if rng.random() < CANCELLED_SHARE]
        places = places or [count - 1]  # A small run shows a cancellation too.
    else:
        places = sorted(place for place in sales.cancellations if place < count)
    return {
        place: 0.0 if number % 2 == 0 else rng.uniform(*_CANCEL_LATE_SECONDS)
        for number, place in enumerate(places)
    }
