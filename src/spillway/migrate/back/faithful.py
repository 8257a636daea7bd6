"""Does the old table say of an order what the orders table says? Pure.

`back` reads each order that it has written through the mapping of the copy, before it commits: an
amount that was rounded, a currency that the mapping has as a fixed value, an hour that came twice.
Whatever kind of column loses something, the order is not written, and the reason names the field.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from orders.domain.order import Order
from spillway.migrate.old.mapping import GUEST, Said

#: Longer ones are cut: the reason is for a person.
SHOWN_MAX = 60

Fields = dict[str, object]


def fields_of(customer: str, at_ms: int, outcome: str, order: Order) -> Fields:
    """All that must come back. Times to the second: most old columns have no more."""
    address = order.address
    return {
        # A guest's order is the only one of its customer, who is named by its number there.
        "customer": GUEST if customer.startswith(GUEST) else customer,
        "created_at": at_ms // 1_000,
        "status": outcome,
        "channel": order.channel,
        "currency": order.currency,
        "lines": sorted((line.sku, line.quantity, line.unit_price) for line in order.lines),
        "shipping": order.shipping,
        "tax": order.tax,
        "discount": order.discounted,
        "total": order.total,
        # The name that the mapping gives to a discount without one is none.
        "coupon": order.coupons,
        "payment_reference": order.payment.reference if order.payment else "",
        "purchase_order": order.purchase_order or "",
        "address.name": address.name,
        "address.lines": list(address.lines),
        "address.city": address.city,
        "address.country": address.country,
        "address.postal_code": address.postal_code,
        "address.state": address.state,
        "address.phone": address.phone,
        "address.email": address.email,
    }


def lost(ours: Fields, said: Said, may_lose: Collection[str]) -> Iterator[str]:
    """What the old table would say otherwise, but for fields that may be lost. "address" is all of
    an address."""
    theirs = fields_of(said.customer, said.created_at, said.meaning.is_, said.order)
    for name, our in ours.items():
        if our != theirs[name] and not {name, name.partition(".")[0]} & set(may_lose):
            yield f"{name} would be {_shown(theirs[name])}, not {_shown(our)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."
