"""The coupons of the store's price books, for what is worth showing without them, too: to who may
not read the books, or where there are none."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.operate.prices.bucket import PriceBucket

if TYPE_CHECKING:
    from orders.domain.book import Coupon
    from spillway.target.service import Service


def published(service: Service) -> list[Mapping[str, Coupon]] | None:
    """By code, of the price book in force and then of those that are planned; None where they
    cannot be read."""
    now = Millis(time.time_ns() // 1_000_000)
    try:
        bucket = PriceBucket.of(service)
        listed, _ = bucket.publications()
        planned = [one for one in listed.entries if one.begins > now and not one.withdrawn]
        entries = [one for one in (listed.current(now), *planned) if one is not None]
        return [bucket.book(one.version).rules.coupons for one in entries]
    except (SpillwayError, ClientError):
        return None
