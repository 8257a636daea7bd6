"""Mends what an audit of limited coupons finds, where the orders say what is right.

Only towards the limits: a use is put back for the order that holds it, and none is freed but those
of orders that are undone. So a repair before all orders are restored does no harm. A use whose
order is missing stays, for a person to judge.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from orders.aws import items
from orders.aws.coupons import DynamoCoupons, holder
from orders.domain.units import Millis
from spillway.operate.coupons.evidence import Finding, read
from spillway.operate.coupons.uses import LOOKS, PAUSE_SECONDS

if TYPE_CHECKING:
    from orders.domain.order import OrderKey
    from spillway.target.service import Service

#: Writes at once, as in `spillway restore`.
WRITES_AT_ONCE = 16
_BATCH = 1_000


def repair(
    service: Service, now: Callable[[], int], sleep: Callable[[float], None] = time.sleep
) -> int:
    """Give back what undone orders hold, put back what standing orders hold, and raise counters;
    returns how many uses and counters were mended. Safe to interrupt, to repeat, and while
    customers order."""
    mending = Mending(service, now)
    short: set[Finding] = set()
    for look in range(LOOKS):
        if look:
            sleep(PAUSE_SECONDS)
        with closing(read(service.orders, service.tables["coupons"])) as evidence:
            found = mending.at_once(evidence.findings())
        # Orders and counters are not read at one moment: only what lasts is wrong.
        short = short & found if look else found
        if not short:
            break
    return mending.mended + sum(mending.raised(one) for one in short)


class Mending:
    """`mended`: how many orders gave back, and uses were put back."""

    def __init__(self, service: Service, now: Callable[[], int]) -> None:
        self._dynamodb, self._tables = service.dynamodb, service.tables
        self._coupons = DynamoCoupons(
            service.dynamodb, self._tables["orders"], self._tables["coupons"], _Clock(now)
        )
        self.mended = 0

    def at_once(self, findings: Iterator[Finding]) -> set[Finding]:
        """Mend what one look is enough for; returns the counters that are short."""
        short = set()
        with ThreadPoolExecutor(WRITES_AT_ONCE) as workers:
            while some := list(islice(findings, _BATCH)):
                undone = dict.fromkeys(key for _, key in _of(some, "give_back"))
                self._coupons.give_back(list(undone))
                put = workers.map(lambda missing: self._put(*missing), _of(some, "put"))
                self.mended += len(undone) + sum(put)
                short |= {one for one in some if one.repair == "raise"}
        return short

    def raised(self, counter: Finding) -> bool:
        """Set a counter to the orders that hold it, unless it has counted since."""
        unchanged = "attribute_not_exists(used)" if counter.used is None else "used = :used"
        before = {} if counter.used is None else {":used": {"N": str(counter.used)}}
        return self._written(
            self._dynamodb.update_item,
            TableName=self._tables["coupons"],
            Key={"pk": {"S": counter.claim}},
            UpdateExpression="SET used = :holders",
            ConditionExpression=unchanged,
            ExpressionAttributeValues={":holders": {"N": str(counter.holders)}, **before},
        )

    def _put(self, claim: str, key: OrderKey) -> bool:
        """Put a use back, if its order is there and has not given it back, and nobody has it."""
        orders = self._tables["orders"]
        return self._written(
            self._dynamodb.transact_write_items,
            TransactItems=[
                # An archived order has its claims in its line, and gave none of them back.
                _check(
                    orders,
                    items.order_key(key),
                    f"attribute_exists({items.CLAIMS}) OR attribute_exists({items.ARCHIVED})",
                ),
                _check(
                    orders,
                    items.progress_key(key),
                    f"attribute_not_exists({items.COUPONS_RETURNED})",
                ),
                {
                    "Put": {
                        "TableName": self._tables["coupons"],
                        "Item": {"pk": {"S": claim}, **holder(key)},
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }
                },
            ],
        )

    @staticmethod
    def _written(call: Callable[..., Any], **request: Any) -> bool:
        """False: something was written meanwhile, and the next audit tells what is right."""
        try:
            call(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _CONDITIONS:
                raise
            return False
        return True


_CONDITIONS = frozenset({"ConditionalCheckFailedException", "TransactionCanceledException"})


def _check(table: str, key: dict[str, Any], condition: str) -> dict[str, Any]:
    return {"ConditionCheck": {"TableName": table, "Key": key, "ConditionExpression": condition}}


def _of(findings: Iterable[Finding], repair: str) -> list[tuple[str, OrderKey]]:
    """The claims that are repaired so, each with its order."""
    return [(one.claim, one.order) for one in findings if one.repair == repair and one.order]


@dataclass(frozen=True, slots=True)
class _Clock:
    milliseconds: Callable[[], int]

    def now(self) -> Millis:
        return Millis(self.milliseconds())
