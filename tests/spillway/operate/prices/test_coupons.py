"""What a new price book may not do to a limited coupon, and what about one is asked first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.operate.prices.bucket import PriceBucket
from spillway.operate.prices.plan import Plan, draft, draft_rollback
from spillway.operate.prices.publishing import when
from spillway.price_book import PriceBook, read
from tests.builders import NOW
from tests.spillway.operate.prices.conftest import MemoryS3
from tests.spillway.price_book.files import written

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
WITHOUT, UNLIMITED = 'code = "OTHER"', 'code = "WELCOME10"'
ONCE = f"{UNLIMITED}\nonce_per_customer = true"
SINGLE = f"{UNLIMITED}\nsingle_use_codes = true"


def first(limit: int) -> str:
    return f"{UNLIMITED}\nlimit = {limit}"


class Shelf:
    """Publishes books that differ in one coupon, each a moment after the one before."""

    def __init__(self, folder: Path) -> None:
        self.bucket = PriceBucket(MemoryS3(), "prices")
        self.folder, self.now = folder, int(NOW)
        self.counters: Mapping[int, int] = {}

    def read(self, coupon: str) -> PriceBook:
        return read(written(self.folder, ('code = "WELCOME10"', coupon)))

    def draft(self, coupon: str, *, begins: int | None = None) -> Plan:
        return draft(self.bucket, self.read(coupon), **self._terms(begins))

    def rollback(self) -> Plan:
        return draft_rollback(self.bucket, None, **self._terms(None))

    def publish(self, coupon: str, *, later: int = 10 * MINUTE, begins: int | None = None) -> None:
        self.draft(coupon, begins=begins).carry_out(self.bucket, "ada")
        self.now += later

    def _terms(self, begins: int | None) -> dict[str, Any]:
        now = Millis(self.now)
        time = when(now, None if begins is None else Millis(begins), at_once=False)
        return {"now": now, "when": time, "fall_max": 1, "counted": lambda _: self.counters}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_a_limit_rises_and_does_not_fall_under_the_same_name(shelf: Shelf) -> None:
    shelf.publish(first(100))
    shelf.publish(first(300))
    for lower in (299, 100):
        with pytest.raises(SpillwayError, match=f"WELCOME10 .* to {lower},"):
            shelf.draft(first(lower))
    # Who must go back to older prices at once may: it is asked about.
    assert any("WELCOME10" in sentence for sentence in shelf.rollback().suspicions)


@pytest.mark.parametrize("between", [WITHOUT, UNLIMITED, ONCE])
def test_nor_by_way_of_a_book_without_it(shelf: Shelf, between: str) -> None:
    shelf.publish(first(100))
    shelf.publish(between)
    with pytest.raises(SpillwayError, match="first 100 orders"):
        shelf.draft(first(50))
    shelf.draft(first(100))


def test_nor_by_way_of_a_planned_book(shelf: Shelf) -> None:
    shelf.publish(first(100))
    shelf.publish(WITHOUT, begins=NOW + DAY)
    with pytest.raises(SpillwayError, match="first 100 orders"):
        shelf.draft(first(50), begins=NOW + DAY + 60 * MINUTE)
    # Nor may a book that begins before a planned one set what that would lower.
    shelf.publish(first(100), begins=NOW + 2 * DAY)
    with pytest.raises(SpillwayError, match="begins later"):
        shelf.draft(first(200))


@pytest.mark.parametrize(
    ("counters", "right"),
    [
        ({0: 1, 49: 1}, True),
        ({0: 2}, False),  # a limit of 50 has 50 counters with a share of 1
        ({50: 1}, False),  # and no share beyond them
    ],
)
def test_once_no_order_is_held_against_the_old_limit_the_counters_decide(
    shelf: Shelf, counters: dict[int, int], right: bool
) -> None:
    shelf.publish(first(100))
    shelf.publish(WITHOUT, later=2 * DAY)
    shelf.counters = counters
    if not right:
        with pytest.raises(SpillwayError, match="above their share"):
            shelf.draft(first(50))
        shelf.draft(first(100))  # as before: it lowers nothing
        return
    assert any("was used 2 times" in sentence for sentence in shelf.draft(first(50)).suspicions)


def test_counters_also_tell_of_books_that_no_list_names(shelf: Shelf) -> None:
    shelf.publish(WITHOUT)
    assert shelf.draft(first(50)).suspicions == []
    shelf.counters = {0: 1}
    assert "was used 1 times" in shelf.draft(first(50)).suspicions[0]
    shelf.counters = {77: 1}
    with pytest.raises(SpillwayError, match="above their share"):
        shelf.draft(first(50))


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        (UNLIMITED, first(100), "without one is not counted"),
        (UNLIMITED, ONCE, "once more"),
        (UNLIMITED, SINGLE, "WELCOME10 alone becomes unknown"),
        (SINGLE, UNLIMITED, "All codes"),
        (SINGLE, WITHOUT, "renamed"),
        (ONCE, UNLIMITED, None),
        (first(100), UNLIMITED, None),
        (ONCE, ONCE, None),
    ],
)
def test_what_changes_for_those_who_have_a_coupon_is_asked_about(
    shelf: Shelf, before: str, after: str, asked: str | None
) -> None:
    shelf.publish(before)
    suspicions = shelf.draft(after).suspicions
    assert (asked is None) == (suspicions == [])
    assert asked is None or asked in suspicions[0]


@pytest.mark.parametrize("limited", [ONCE, SINGLE, first(100)])
def test_a_name_that_an_earlier_campaign_had_is_asked_about(shelf: Shelf, limited: str) -> None:
    shelf.publish(limited)
    shelf.publish(WITHOUT, later=30 * DAY)
    shelf.publish(WITHOUT)
    assert "A new campaign needs another code" in shelf.draft(limited).suspicions[0]


def test_a_coupon_that_has_ended_takes_its_codes_along_unasked(shelf: Shelf) -> None:
    shelf.publish(SINGLE, later=60 * DAY)  # it is until 2026-12-24
    assert shelf.draft(WITHOUT).suspicions == []
