"""What has been used of limited coupons, by the coupons table and by the orders.

Neither is read at one moment, so what differs is read again, and only what differs each time the
same way is a finding.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote

from orders.aws import items
from orders.aws.coupons import OF_NUMBERS
from spillway.operate.coupons.evidence import Finding, claims_in, is_counter, read
from spillway.ui.formatting import counted as number

if TYPE_CHECKING:
    from spillway.target.reading import OrdersTable

#: What differs is read so often, with a pause for relay to give back what it is about to.
LOOKS = 3
PAUSE_SECONDS = 2.0
#: More are not kept, nor told.
FINDINGS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Audit:
    """`orders`: how many had limited coupons; `claims`: items of the coupons table. `cut_off`:
    there were more findings than `FINDINGS_MAX`."""

    orders: int
    claims: int
    findings: Sequence[Finding]
    cut_off: bool = False


def audit(orders: OrdersTable, coupons: str, sleep: Callable[[float], None] = time.sleep) -> Audit:
    """Whether every claim has its standing order, every standing order its claims, and every
    counter has counted the orders that name it. `coupons` is the name of the coupons table."""
    lasting: set[Finding] = set()
    for look in range(LOOKS):
        if look:
            sleep(PAUSE_SECONDS)
        with closing(read(orders, coupons)) as evidence:
            # By claim, so that each look cuts off the same ones.
            found = set(islice(evidence.findings(), FINDINGS_MAX + 1))
        lasting = lasting & found if look else found
        if not lasting:
            break
    by_claim = sorted(lasting, key=lambda one: one.claim)[:FINDINGS_MAX]
    return Audit(evidence.orders, evidence.claims, by_claim, cut_off=len(found) > FINDINGS_MAX)


@dataclass(frozen=True, slots=True)
class Campaign:
    """The uses of one coupon. `counted`: of its limit; `customers` and `codes`: by whom it was used
    once, and of which codes; `retired`: codes that nobody can use. `limit`: in the price book in
    force; None where it has none."""

    coupon: str
    counted: int = 0
    customers: int = 0
    codes: int = 0
    retired: int = 0
    limit: int | None = None

    def __str__(self) -> str:
        """Only what the coupon is limited by: `3 uses of its limit of 100, 3 customers`."""
        of = "" if self.limit is None else f" of {self.limit:,}"
        parts = (
            (self.counted, "use", f" of its limit{of}"),
            (self.customers, "customer", ""),
            (self.codes, "code", " used"),
            (self.retired, "code", " retired"),
        )
        said = [f"{number(count, noun)}{what}" for count, noun, what in parts if count]
        return ", ".join(said) or "not used now"


def campaigns(claimed: Iterable[items.Item]) -> dict[str, Campaign]:
    """The uses of every coupon that was ever used, by its code."""
    tallies: dict[str, Counter[str]] = {}
    for claim, item in claims_in(claimed):
        if claim.startswith(OF_NUMBERS):
            continue
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
