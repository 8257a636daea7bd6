"""Limited coupons in an order: which of them it uses up, and what is wrong with them.

Promise: `coupon_within_limits`. The price book says that a coupon applies; this says whether it can
still be used. Orders without a limited coupon cost no call and no read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orders.domain import coupon_codes
from orders.domain.book import Coupon
from orders.domain.coupon_limits import Denial, Use
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.pricing import Denied, Priced
from orders.domain.refusals import Refusal, Rule
from orders.ports import Coupons, SigningKeys

_UNKNOWN = (Rule.COUPON_UNKNOWN, "There is no such coupon.")
_WHY: Mapping[Denial, tuple[Rule, str]] = {
    "used": (Rule.COUPON_USED, "This customer has used this coupon before."),
    # As if there were no such coupon: nobody learns which codes others have.
    "taken": _UNKNOWN,
    "used_up": (Rule.COUPON_USED_UP, "This coupon was used as often as it can be."),
}
_CODE_FAULTS: Mapping[coupon_codes.Fault, tuple[Rule, str]] = {
    "mistyped": (Rule.COUPON_MISTYPED, "This code is mistyped."),
    "unknown": _UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class LimitedCoupons:
    coupons: Coupons
    keys: SigningKeys

    def uses(self, codes: Sequence[str], priced: Priced) -> tuple[Sequence[Use], Sequence[Refusal]]:
        """What an order with these codes would use up, and a refusal for each that is not genuine.

        Raises TransientFailure when the keys of single-use codes cannot be read.
        """
        uses, refusals = [], []
        for discount, coupon in zip(priced.discounts, priced.coupons, strict=True):
            if not coupon.limited:
                continue
            place = codes.index(discount.coupon)
            use = Use(coupon, discount.coupon, f"/discounts/{place}/coupon")
            fault = self._fault_of(use)
            if fault is None:
                uses.append(use)
            else:
                refusals.append(_refusal(use, *_CODE_FAULTS[fault]))
        return uses, refusals

    def place(
        self, order: AcceptedOrder, uses: Sequence[Use]
    ) -> AcceptedOrder | Sequence[Refusal] | None:
        """As `Coupons.place`, with the refusals that its denials are."""
        result = self.coupons.place(order, uses)
        if result is None or isinstance(result, AcceptedOrder):
            return result
        return [_refusal(denied.use, *_WHY[denied.why]) for denied in result]

    def look(self, key: OrderKey, codes: Sequence[str], coupons: Sequence[Coupon | None]) -> Denied:
        """Which of these codes this order could not use now. Nothing is used up. `coupons` are the
        book's, None for a code that it does not know."""
        denied, uses = {}, []
        for place, (code, coupon) in enumerate(zip(codes, coupons, strict=True)):
            if coupon is None or not coupon.limited:
                continue
            use = Use(coupon, code, f"/discounts/{place}/coupon")
            fault = self._fault_of(use)
            if fault is None:
                uses.append(use)
            else:
                denied[use.pointer] = _CODE_FAULTS[fault]
        # Asked also without any, so that a code that never was takes as long as one that is used.
        return denied | {one.use.pointer: _WHY[one.why] for one in self.coupons.look(key, uses)}

    def _fault_of(self, use: Use) -> coupon_codes.Fault | None:
        if not use.coupon.single_use_codes:
            return None
        return coupon_codes.fault_of(use.code, self.keys.in_force())


def _refusal(use: Use, rule: Rule, detail: str) -> Refusal:
    return Refusal(rule, use.pointer, detail)
