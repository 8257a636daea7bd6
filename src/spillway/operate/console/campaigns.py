"""How often the limited coupons of the price book in force were used.

Read once for all open pages, and nothing but the counters: a limit has at most 500. On AWS that is
a minute's pause, one request to S3 and at most five to DynamoDB for each coupon with a limit: for
ten such coupons 150,000 read units an hour, 0.02 dollars.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from orders.domain.book import Coupon
from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.operate.counters import counted
from spillway.operate.prices.bucket import PriceBucket
from spillway.target.service import Service

PAUSE_AWS_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Campaigns:
    """Each limited coupon with its uses, None where it has no limit that is counted. `problem`: why
    they could not be read."""

    used: Sequence[tuple[Coupon, int | None]] = ()
    problem: str = ""


@dataclass(slots=True)
class CampaignReader:
    service: Service
    pause_seconds: float
    now: Callable[[], float] = time.time
    _bucket: PriceBucket | None = None
    #: Of the book that was read last.
    _version: str | None = None
    _limited: Sequence[Coupon] = ()
    _last: tuple[float, Campaigns] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def latest(self) -> Campaigns:
        with self._lock:
            if self._last is None or self.now() - self._last[0] >= self.pause_seconds * 0.9:
                self._last = (self.now(), self._read())
            return self._last[1]

    def _read(self) -> Campaigns:
        """A page that is about more than coupons must not fail for them."""
        try:
            return Campaigns([(one, self._uses(one)) for one in self._coupons()])
        except (SpillwayError, ClientError) as error:
            return Campaigns(problem=str(error))

    def _coupons(self) -> Sequence[Coupon]:
        if self._bucket is None:
            self._bucket = PriceBucket.of(self.service)
        entry = self._bucket.publications()[0].current(Millis(int(self.now() * 1000)))
        if entry is None:
            return ()
        if entry.version != self._version:
            every = self._bucket.book(entry.version).rules.coupons.values()
            self._limited = [coupon for coupon in every if coupon.limited]
            self._version = entry.version
        return self._limited

    def _uses(self, coupon: Coupon) -> int | None:
        return None if coupon.limit is None else counted(self.service, coupon)
