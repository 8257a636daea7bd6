"""A parcel is what fulfilment sends of an order; news is what it tells of one.

News are facts like any other: each is written once, and the order in which they come does not
matter. Whether all of an order came back follows from them alone. How much of the money goes back
for a part of it is the store's to decide, so that is told and leads to nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from orders.domain.text import REFUSED, normalised
from orders.domain.units import Millis

#: As many parcels as an order has. With this bound and the next one, an order's progress stays
#: below 250 KB of the 400 that an item may have, whatever fulfilment tells.
PARCELS_MAX = 100
#: Characters of a parcel's number, a carrier or a tracking number.
TEXT_MAX = 100
#: In the place of a parcel's number: all of the order.
WHOLE_ORDER = ""


class What(StrEnum):
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class News:
    """`parcel` is fulfilment's own number of it, `WHOLE_ORDER` only of what was returned. `at` is
    by our clock. `carrier` and `tracking_number` only of what was shipped, where fulfilment says.
    `parcels`: how many the order has, where it says."""

    parcel: str
    what: What
    at: Millis
    carrier: str | None = None
    tracking_number: str | None = None
    parcels: int | None = None

    @property
    def key(self) -> tuple[What, str]:
        return self.what, self.parcel

    @property
    def content(self) -> tuple[str | None, str | None, int | None]:
        """What the same news says again when it comes again."""
        return self.carrier, self.tracking_number, self.parcels


AllNews = Mapping[tuple[What, str], News]


def is_text(text: str) -> bool:
    """Whether it can be a parcel's number, a carrier or a tracking number: one line that can be
    seen, without spaces at its ends."""
    seen = text == normalised(text) and not REFUSED.search(text)
    return seen and 0 < len(text) <= TEXT_MAX


def in_order(news: AllNews) -> list[News]:
    """As they came. Those of the same moment always in the same order."""
    return sorted(news.values(), key=lambda one: (one.at, [*What].index(one.what), one.parcel))


def numbers(news: AllNews) -> set[str]:
    """The parcels that are told of."""
    return {parcel for _, parcel in news} - {WHOLE_ORDER}


def count(news: AllNews) -> int | None:
    """How many parcels the order has, if that was told. It is told alike wherever it is."""
    return next((one.parcels for one in news.values() if one.parcels is not None), None)


def all_returned(news: AllNews) -> bool:
    """True stays true, whatever is told later."""
    if (What.RETURNED, WHOLE_ORDER) in news:
        return True
    parcels = count(news)
    back = sum(what is What.RETURNED for what, _ in news)
    return parcels is not None and back >= parcels


def all_returned_at(news: AllNews) -> Millis | None:
    """Since when it is known that all of it came back; None where it is not. Where the count comes
    last, that is since the count: else a refund would be days late before anybody could owe it.
    What is told of it again by the parcel, or as a whole, changes nothing."""
    parcels, whole = count(news), news.get((What.RETURNED, WHOLE_ORDER))
    since = [] if whole is None else [whole.at]
    back = [one.at for one in in_order(news) if one.what is What.RETURNED and one != whole]
    if parcels is not None and len(back) >= parcels:
        counted_at = min(one.at for one in news.values() if one.parcels is not None)
        since.append(max(back[parcels - 1], counted_at))
    return min(since, default=None)


@dataclass(frozen=True, slots=True)
class Parcel:
    """All that was told of one."""

    parcel: str
    shipped: News | None
    delivered: News | None
    returned: News | None


def parcels_of(news: AllNews) -> list[Parcel]:
    """The order's parcels, by their first news."""
    numbered = dict.fromkeys(one.parcel for one in in_order(news) if one.parcel != WHOLE_ORDER)
    return [Parcel(parcel, *(news.get((what, parcel)) for what in What)) for parcel in numbered]


def contradiction(there: AllNews, told: News) -> str | None:
    """Why these news cannot be true beside those on record; None where they can."""
    on_record = there.get(told.key)
    if on_record is not None and on_record.content != told.content:
        return "it is on record with other content"
    counted = count(there)
    if None not in (counted, told.parcels) and counted != told.parcels:
        return f"it says that the order has {told.parcels} parcels, and {counted} are on record"
    named = len(numbers(there) | ({told.parcel} - {WHOLE_ORDER}))
    parcels = counted or told.parcels or PARCELS_MAX
    if named > parcels:
        return f"the order would have {named} parcels, and has at most {parcels}"
    return None
