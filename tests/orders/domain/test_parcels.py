"""Since when all of an order is known to have come back follows from its news, in any order."""

from __future__ import annotations

from itertools import permutations

import pytest

from orders.domain.parcels import WHOLE_ORDER, News, What, all_returned, all_returned_at
from orders.domain.units import Millis


def back(at: int, parcel: str, parcels: int | None = None) -> News:
    return News(parcel, What.RETURNED, Millis(at), parcels=parcels)


def delivered(at: int, parcel: str, parcels: int | None = None) -> News:
    return News(parcel, What.DELIVERED, Millis(at), parcels=parcels)


@pytest.mark.parametrize(
    ("told", "since"),
    [
        ([], None),
        ([back(1, "1"), back(2, "2")], None),
        ([back(1, "1", 3), back(2, "2")], None),
        ([delivered(1, "1", 2), back(2, "1"), back(3, "2")], 3),
        ([back(1, "1"), back(2, "2", 2)], 2),
        # The count comes days after the last return: nobody could owe the refund before.
        ([back(1, "1"), back(2, "2"), delivered(90, "1", 2)], 90),
        ([back(1, "1"), back(2, "2"), delivered(90, "1", 2), delivered(91, "2", 2)], 90),
        ([back(1, WHOLE_ORDER)], 1),
        ([back(1, "1"), back(2, WHOLE_ORDER, 2), back(3, "2")], 2),
        ([back(1, "1"), back(2, "2", 2), back(3, WHOLE_ORDER)], 2),
        ([back(1, "1"), back(2, WHOLE_ORDER), delivered(90, "2", 2)], 2),
    ],
)
def test_all_is_back_since_it_is_known(told: list[News], since: int | None) -> None:
    for order in permutations(told):
        news = {one.key: one for one in order}
        assert all_returned_at(news) == since
        assert all_returned(news) is (since is not None)
