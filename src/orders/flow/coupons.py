"""What an order uses up: which limited coupons, and what is wrong with them; and its number.

Promise: `coupon_within_limits`. The price book says that a coupon applies; this says whether it can
still be used. Orders without a limited coupon cost no call and no read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orders.domain import coupon_codes
from orders.domain.book import Coupon, Rules
from orders.domain.coupon_limits import Denial, Denied, NumberUsed, Use
from orders.domain.order import AcceptedOrder, OrderKey, VoidId
from orders.domain.pricing import UNKNOWN, Unusable, coupon_refusal
from orders.domain.refusals import Refusal, Rule
from orders.ports import Coupons, SigningKeys

_WHY: Mapping[Denial, tuple[Rule, str]] = {
    "used": (Rule.COUPON_USED, "This customer has used this coupon before."),
    # As if there were no such coupon: nobody learns which codes others have.
    "taken": UNKNOWN,
    "used_up": (Rule.COUPON_USED_UP, "This coupon was used as often as it can be."),
}
_CODE_FAULTS: Mapping[coupon_codes.Fault, tuple[Rule, str]] = {
    "mistyped": (Rule.COUPON_MISTYPED, "This code is mistyped."),
    "unknown": UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class LimitedCoupons:
    coupons: Coupons
    keys: SigningKeys

    def uses(
        self, codes: Sequence[str], coupons: Mapping[int, Coupon]
    ) -> tuple[Sequence[Use], Mapping[int, Refusal]]:
        """The limited ones of these coupons, and a refusal for each whose code is not genuine.

        Coupons and refusals are by their place among the codes.

        Raises TransientFailure when the keys of single-use codes cannot be read.
        """
        uses, refusals = [], {}
        for place, coupon in coupons.items():
            if not coupon.limited:
                continue
            use = Use(coupon, codes[place], place)
            fault = self._fault_of(use)
            if fault is None:
                uses.append(use)
            else:
                refusals[place] = coupon_refusal(place, *_CODE_FAULTS[fault])
        return uses, refusals

    def place(
        self, order: AcceptedOrder, uses: Sequence[Use], *, number_once: bool
    ) -> AcceptedOrder | VoidId | Sequence[Refusal] | None:
        """As `Coupons.place`, with the refusals that its denials are."""
        result = self.coupons.place(order, uses, number_once=number_once)
        if result is None or isinstance(result, AcceptedOrder | VoidId):
            return result
        numbers = [one for one in result if isinstance(one, NumberUsed)]
        denied = [one for one in result if isinstance(one, Denied)]
        return [*map(_number_used, numbers), *_refusals(denied).values()]

    def unusable(self, key: OrderKey, codes: Sequence[str], rules: Rules) -> Unusable:
        """Which of the book's coupons this order could not use now. Nothing is used up."""
        known = {
            place: coupon for place, code in enumerate(codes) if (coupon := rules.coupon(code))
        }
        uses, refusals = self.uses(codes, known)
        # Asked also without any, so that a code that never was takes as long as one that is used.
        return {**refusals, **_refusals(self.coupons.denials(key, uses))}

    def _fault_of(self, use: Use) -> coupon_codes.Fault | None:
        if not use.coupon.single_use_codes:
            return None
        # A typing error needs no keys: they are not there before the first code was made.
        keys = {} if coupon_codes.is_mistyped(use.code) else self.keys.in_force()
        return coupon_codes.fault_of(use.code, keys)


def _number_used(number: NumberUsed) -> Refusal:
    detail = f"This purchase order number was used before, for the order {number.order_id}."
    return Refusal(Rule.PURCHASE_ORDER_USED, "/purchase_order", detail)


def _refusals(denied: Iterable[Denied]) -> Mapping[int, Refusal]:
    return {one.use.place: coupon_refusal(one.use.place, *_WHY[one.why]) for one in denied}
