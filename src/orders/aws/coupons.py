"""Limited coupons and purchase order numbers on DynamoDB: the `Coupons` port.

    pk <coupon>/customer/<customer id>   the use of a coupon that a customer may use once
    pk <coupon>/code/<serial>            the use of a single-use code
    pk <coupon>#<n>                      `used`: what the n-th counter of a limit has counted
    pk /number/<hash>/customer/<customer id>     the use of a purchase order number

The table is its own, so that no customer id can be the key of another item. One transaction writes
an order with all that it uses up, on condition that the order is new: neither can be without the
other, whatever dies. The order item remembers its `claims`, so that they can be given back without
a price book.

The SDK gives each call a token of its own (ClientRequestToken), so its second try of a transaction
that went through is answered as the first. Another call has another token, and finds the order.
"""

from __future__ import annotations

import hashlib
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from orders.aws import items
from orders.aws.clients import Client, bugs_are_for_a_person, translate_aws_errors
from orders.aws.table import BATCH_GET_MAX, CONDITION_FAILED, cancellation_reasons
from orders.domain.book import Coupon
from orders.domain.coupon_codes import serial_of
from orders.domain.coupon_limits import Denial, Denied, NumberUsed, Use, counters, share
from orders.domain.order import AcceptedOrder, OrderKey, VoidId
from orders.domain.text import seen
from orders.domain.units import Millis, OrderId
from orders.domain.waits import CLAIM_MS
from orders.failures import TransientFailure
from orders.ports import Clock

#: How often an order tries for a counter that has a use left and is not busy.
TRIES = 4
#: How long a process remembers which counters had uses left, and that none had. In a crowd each of
#: a thousand environments looks so often, at half a read unit a counter.
FRESH_FOR_MS = 5_000
USED_UP_FOR_MS = 30_000

#: No claim has this key: a coupon's name has no slash, and none is empty.
_NO_CLAIM = "/"
_FINE = "None"
#: In an order's claims the customer is left out: it is half of the order's key.
OF_CUSTOMER = "/customer"
OF_NUMBERS = "/number/"

# One operation of a transaction: {"Put": {...}}, {"Update": {...}} or {"Delete": {...}}.
Operation = dict[str, dict[str, Any]]
# What became of it: {"Code": "None"}, or why it failed, with the item on which a condition failed.
Reason = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Claim:
    """One thing that an order uses up. `name` is what the order remembers it by. `use`: None of its
    number. `counter`: any other counter of the coupon would do as well."""

    use: Use | None
    name: str
    counter: int | None = None


@dataclass(frozen=True, slots=True)
class DynamoCoupons:
    """`_left`: of each coupon's counters, those that had uses left when this process last looked,
    and when that was."""

    client: Client
    orders_table: str
    coupons_table: str
    clock: Clock
    _left: dict[str, tuple[Millis, Sequence[int]]] = field(default_factory=dict)

    def place(
        self, order: AcceptedOrder, uses: Sequence[Use], *, number_once: bool = False
    ) -> AcceptedOrder | VoidId | Sequence[Denied | NumberUsed] | None:
        number = order.order.purchase_order if number_once else None
        of_number = [] if number is None else [_Claim(None, claim_of_number(number))]
        begin_by = self._begin_by()
        for attempt in range(TRIES):
            self._must_begin(begin_by)
            used_up = [Denied(use, "used_up") for use in uses if self._left_of(use) == ()]
            if used_up:
                return used_up
            claims = [claim for use in uses for claim in self._claims(use, order.key, attempt)]
            claims += of_number
            of_order, *others = self._write(self._placing(order, claims))
            of_claims = others[: len(claims)]
            if of_order["Code"] == CONDITION_FAILED:
                if items.is_stub(of_order["Item"]):
                    # Its id is older than any that is accepted.
                    raise TransientFailure("an archived order has this id")
                return items.in_orders_place(of_order["Item"])
            failed = [
                (claim, reason)
                for claim, reason in zip(claims, of_claims, strict=True)
                if reason["Code"] != _FINE
            ]
            if all(reason["Code"] == _FINE for reason in (of_order, *others)):
                return None
            denied = _denied(failed, order.key)
            if denied:
                return denied
            self._find_others(failed, begin_by)
        raise TransientFailure("TransactWriteItems: every counter that was tried was busy")

    def denials(self, key: OrderKey, uses: Sequence[Use]) -> Sequence[Denied]:
        begin_by = self._begin_by()
        claims = [claim for use in uses for claim in self._claims(use, key, 0)]
        use_of = {
            claim_key(one.name, key): one.use
            for one in claims
            if one.counter is None and one.use is not None
        }
        # One request in every case: for a code that is not genuine it finds nothing.
        keys = [{"pk": {"S": pk}} for pk in use_of or [_NO_CLAIM]]
        found = {
            item["pk"]["S"]: item for item in self._read(self.coupons_table, keys, consistent=False)
        }
        denied = [
            Denied(use, _why_denied(found[pk], key))
            for pk, use in use_of.items()
            # A retired code is held by no order.
            if pk in found and found[pk].get("order_id") != {"S": key.order_id}
        ]
        used_up = [use for use in uses if self._is_used_up(use, begin_by)]
        return denied + [Denied(use, "used_up") for use in used_up]

    def give_back(self, keys: Sequence[OrderKey]) -> None:
        # A request must not have a key twice.
        distinct, together = list(dict.fromkeys(keys)), BATCH_GET_MAX // 2
        with bugs_are_for_a_person():
            for start in range(0, len(distinct), together):
                for key, claims in self._held(distinct[start : start + together]).items():
                    self._give_back(key, claims)

    # Placing

    def _claims(self, use: Use, key: OrderKey, attempt: int) -> list[_Claim]:
        coupon, claims = use.coupon, []
        name = name_of(coupon.code)
        if coupon.once_per_customer:
            claims.append(_Claim(use, name + OF_CUSTOMER))
        if coupon.single_use_codes:
            claims.append(_Claim(use, claim_of_code(use.code)))
        if coupon.limit is not None:
            left = self._left_of(use) or range(counters(coupon.limit))
            number = zlib.crc32(f"{key.customer_id}/{key.order_id}/{attempt}".encode())
            counter = left[number % len(left)]
            claims.append(_Claim(use, f"{name}#{counter}", counter))
        return claims

    def _placing(self, order: AcceptedOrder, claims: Sequence[_Claim]) -> list[Operation]:
        item = items.order_item(order)
        if claims:
            item[items.CLAIMS] = {"SS": [claim.name for claim in claims]}
        put = {
            "TableName": self.orders_table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        held: list[Operation] = []
        if order.held_until is not None:
            progress = items.held_progress_item(order)
            held = [self._operation("Put", table=self.orders_table, Item=progress)]
        return [{"Put": put}, *(self._claiming(claim, order.key) for claim in claims), *held]

    def _claiming(self, claim: _Claim, key: OrderKey) -> Operation:
        of_claim = self._key(claim.name, key)
        if claim.counter is not None and claim.use and claim.use.coupon.limit is not None:
            limit = share(claim.use.coupon.limit, claim.counter)
            return self._operation(
                "Update",
                Key=of_claim,
                UpdateExpression="ADD used :one",
                ConditionExpression="attribute_not_exists(used) OR used < :share",
                ExpressionAttributeValues={":one": {"N": "1"}, ":share": {"N": str(limit)}},
            )
        return self._operation(
            "Put",
            Item=of_claim | holder(key),
            ConditionExpression=f"attribute_not_exists(pk) OR {_IF_HELD}",
            ExpressionAttributeValues=_held_by(key),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def _left_of(self, use: Use) -> Sequence[int] | None:
        """The counters that had uses left a moment ago; None where nothing is known of them."""
        known = self._left.get(use.coupon.code)
        if use.coupon.limit is None or known is None:
            return None
        seen_at, left = known
        fresh_for = FRESH_FOR_MS if left else USED_UP_FOR_MS
        return left if self.clock.now() - seen_at < fresh_for else None

    def _begin_by(self) -> int:
        return self.clock.now() + CLAIM_MS

    def _must_begin(self, begin_by: int) -> None:
        if self.clock.now() > begin_by:
            raise TransientFailure("no time is left for the coupons table")

    def _is_used_up(self, use: Use, begin_by: int) -> bool:
        if use.coupon.limit is not None and self._left_of(use) is None:
            self._find_left(use.coupon, 0, begin_by)
        return self._left_of(use) == ()

    def _find_others(self, failed: Sequence[tuple[_Claim, Reason]], begin_by: int) -> None:
        """Where a counter is at its limit, see which are not. One that was busy is only left for
        another. Raises TransientFailure when something else was busy."""
        if not failed or any(claim.counter is None for claim, _ in failed):
            raise TransientFailure("TransactWriteItems: busy")
        for claim, reason in failed:
            if reason["Code"] == CONDITION_FAILED and claim.use and claim.counter is not None:
                self._find_left(claim.use.coupon, claim.counter, begin_by)

    def _find_left(self, coupon: Coupon, first: int, begin_by: int) -> None:
        """Find counters with uses left, from this one on, as many as one request reads, and if
        there are none all the others."""
        limit = coupon.limit or 0
        count = counters(limit)
        left: tuple[int, ...] = ()
        for start in range(0, count, BATCH_GET_MAX):
            self._must_begin(begin_by)
            some = [
                (first + step) % count for step in range(start, min(count, start + BATCH_GET_MAX))
            ]
            used = self._used(coupon.code, some)
            left = tuple(
                counter for counter in some if used.get(counter, 0) < share(limit, counter)
            )
            if left:
                break
        self._left[coupon.code] = self.clock.now(), left

    def _used(self, coupon: str, some: Sequence[int]) -> Mapping[int, int]:
        """What these counters have counted; nothing of one that has never been used."""
        keys = [{"pk": {"S": f"{name_of(coupon)}#{counter}"}} for counter in some]
        found = self._read(self.coupons_table, keys, consistent=False)
        return {int(item["pk"]["S"].rpartition("#")[2]): int(item["used"]["N"]) for item in found}

    # Giving back

    def _held(self, keys: Sequence[OrderKey]) -> Mapping[OrderKey, Sequence[str]]:
        """What these orders have claimed and not given back yet."""
        wanted = [key for each in keys for key in (items.order_key(each), items.progress_key(each))]
        held: dict[OrderKey, Sequence[str]] = {}
        returned: set[OrderKey] = set()
        for item in self._read(self.orders_table, wanted, consistent=True):
            if items.CLAIMS in item:
                held[items.key_of(item)] = item[items.CLAIMS]["SS"]
            if items.COUPONS_RETURNED in item:
                returned.add(items.key_of(item))
        return {key: claims for key, claims in held.items() if key not in returned}

    def _give_back(self, key: OrderKey, claims: Sequence[str]) -> None:
        """Once, however often it is asked: the mark on the order's progress is in the same
        transaction."""
        mark = self._operation(
            "Update",
            table=self.orders_table,
            Key=items.progress_key(key),
            UpdateExpression="SET #returned = :at",
            # An order that is undone has a progress; one that was archived since it was read has
            # none, and had given everything back before.
            ConditionExpression="attribute_exists(pk) AND attribute_not_exists(#returned)",
            ExpressionAttributeNames={"#returned": items.COUPONS_RETURNED},
            ExpressionAttributeValues={":at": {"N": str(self.clock.now())}},
        )
        returns = [self._returning(name, key) for name in claims]
        while True:
            of_mark, *of_claims = self._write([mark, *returns])
            codes = {of_mark["Code"], *(reason["Code"] for reason in of_claims)}
            if of_mark["Code"] == CONDITION_FAILED or codes == {_FINE}:
                return
            if codes - {_FINE, CONDITION_FAILED}:
                raise TransientFailure("TransactWriteItems: busy")
            # What is not this order's any more (an operator's repair) is left as it is.
            returns = [
                operation
                for operation, reason in zip(returns, of_claims, strict=True)
                if reason["Code"] == _FINE
            ]

    def _returning(self, name: str, key: OrderKey) -> Operation:
        of_claim = self._key(name, key)
        if "#" in name:
            return self._operation(
                "Update",
                Key=of_claim,
                UpdateExpression="ADD used :minus_one",
                ConditionExpression="used > :zero",
                ExpressionAttributeValues={":minus_one": {"N": "-1"}, ":zero": {"N": "0"}},
            )
        return self._operation(
            "Delete",
            Key=of_claim,
            ConditionExpression=_IF_HELD,
            ExpressionAttributeValues=_held_by(key),
        )

    # Both

    def _key(self, name: str, key: OrderKey) -> dict[str, items.Attribute]:
        return {"pk": {"S": claim_key(name, key)}}

    def _operation(self, kind: str, table: str | None = None, **request: Any) -> Operation:
        return {kind: {"TableName": table or self.coupons_table, **request}}

    def _write(self, operations: Sequence[Operation]) -> Sequence[Reason]:
        """All of it or nothing. Returns what became of each."""
        with translate_aws_errors("TransactWriteItems"):
            try:
                self.client.transact_write_items(TransactItems=operations)
            except ClientError as error:
                return cancellation_reasons(error)
        return [{"Code": _FINE}] * len(operations)

    def _read(
        self, table: str, keys: Sequence[dict[str, items.Attribute]], *, consistent: bool
    ) -> Sequence[items.Item]:
        wanted = {"Keys": list(keys), "ConsistentRead": consistent}
        with translate_aws_errors("BatchGetItem"):
            answer = self.client.batch_get_item(RequestItems={table: wanted})
        if answer.get("UnprocessedKeys"):
            raise TransientFailure("BatchGetItem: not all keys were read")
        found: Sequence[items.Item] = answer["Responses"][table]
        return found


_IF_HELD = "customer_id = :customer AND order_id = :order"


def name_of(coupon: str) -> str:
    """A coupon's code without what would part it from the rest of a key."""
    return quote(coupon, safe="")


def claim_key(name: str, key: OrderKey) -> str:
    """The key of what an order remembers as its claim."""
    return f"{name}/{key.customer_id}" if name.endswith(OF_CUSTOMER) else name


def claim_of_code(code: str) -> str:
    """The claim of a single-use code."""
    return f"{name_of(code.rpartition('-')[0])}/code/{serial_of(code)}"


def claim_of_number(number: str) -> str:
    """The claim of a purchase order number. Hashed, for a key has no room for 200 characters of any
    script. A coupon's name has no slash and is not empty, so this is no coupon's.

    What people read as one number is one: one keyboard writes é as one character, another as two,
    a third has letters of full width (Unicode's NFKC), and a spreadsheet adds what nobody sees."""
    number = " ".join(unicodedata.normalize("NFKC", seen(number)).split())
    return f"{OF_NUMBERS}{hashlib.sha256(number.encode()).hexdigest()[:32]}{OF_CUSTOMER}"


def holder(key: OrderKey) -> dict[str, items.Attribute]:
    """Whose claim an item is, beside its key."""
    return {"customer_id": {"S": key.customer_id}, "order_id": {"S": key.order_id}}


def _held_by(key: OrderKey) -> dict[str, items.Attribute]:
    return {":customer": {"S": key.customer_id}, ":order": {"S": key.order_id}}


def _denied(failed: Sequence[tuple[_Claim, Reason]], key: OrderKey) -> list[Denied | NumberUsed]:
    """The coupons, and the number, that were used before."""
    return [
        NumberUsed(OrderId(reason["Item"]["order_id"]["S"]))
        if claim.use is None
        else Denied(claim.use, _why_denied(reason["Item"], key))
        for claim, reason in failed
        if claim.counter is None and reason["Code"] == CONDITION_FAILED
    ]


def _why_denied(use: items.Item, key: OrderKey) -> Denial:
    """Who has used it: this customer or somebody else. A retired code has no customer."""
    return "used" if use.get("customer_id") == {"S": key.customer_id} else "taken"
