"""The watch sets a check for each order that has not settled at once, and for no other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest

from orders.domain.order import AcceptedOrder
from orders.domain.parcels import WHOLE_ORDER, News, What
from orders.domain.saga import Cancellation, Facts, Outcome, Step
from orders.failures import TransientFailure
from orders.flow.changes import Change, FactsChanged, OrderPlaced
from orders.flow.watch import Watch, to_check
from orders.ports import Check
from simulation.world.runtime import MemoryChangeDeadLetters, MemoryChecks
from tests.builders import NOW, accepted

ORDER = accepted()
RESERVED = Facts({Step.RESERVE: Outcome(NOW)})
CONFIRMED = Facts({step: Outcome(NOW) for step in (Step.RESERVE, Step.SHIP, Step.POST)})
CANCELLED = replace(CONFIRMED, cancellation=Cancellation(NOW, before_reservation=False))
TOO_LATE = replace(
    CANCELLED,
    outcomes={**CONFIRMED.outcomes, Step.CANCEL_SHIPMENT: Outcome(NOW, refusal="too_late")},
)
BACK = News(WHOLE_ORDER, What.RETURNED, NOW)
ARRIVED = News("1", What.DELIVERED, NOW, parcels=1)
RETURNED = replace(CONFIRMED, news={BACK.key: BACK})
SHIPPED_AND_BACK = replace(RESERVED, news={BACK.key: BACK})
REFUSED = Facts({Step.RESERVE: Outcome(NOW, refusal="out_of_stock")})
REJECTED = Facts({**REFUSED.outcomes, Step.REFUND: Outcome(NOW)})


def history(*facts: Facts, placed: bool = False, order: AcceptedOrder = ORDER) -> list[Change]:
    """An order's changes in one batch: from each of these facts to the next."""
    changes: list[Change] = [OrderPlaced(order)] if placed else []
    return changes + [FactsChanged(order.key, *pair) for pair in pairwise(facts)]


def is_checked(changes: Iterable[Change]) -> bool:
    checks = to_check(changes)
    assert checks in ([], [Check(ORDER.key)])
    return bool(checks)


@pytest.mark.parametrize("facts", [(), (Facts(), RESERVED), (Facts(), REFUSED)])
def test_an_order_that_is_owed_something_when_its_batch_ends_is_checked(
    facts: tuple[Facts, ...],
) -> None:
    assert is_checked(history(*facts, placed=True))


@pytest.mark.parametrize("facts", [(Facts(), CONFIRMED), (Facts(), RESERVED, CONFIRMED)])
def test_an_order_that_settles_in_the_batch_in_which_it_was_placed_costs_no_check(
    facts: tuple[Facts, ...],
) -> None:
    assert not is_checked(history(*facts, placed=True))


def test_an_order_that_comes_back_is_checked_until_its_refund_is_done() -> None:
    assert is_checked(history(CONFIRMED, RETURNED))
    assert is_checked(history(SHIPPED_AND_BACK, RETURNED, placed=True))
    refunded = replace(RETURNED, outcomes={**RETURNED.outcomes, Step.REFUND: Outcome(NOW)})
    assert not is_checked(history(CONFIRMED, RETURNED, refunded))
    assert not is_checked(history(CONFIRMED, replace(CONFIRMED, news={ARRIVED.key: ARRIVED})))


def test_an_order_of_an_earlier_batch_has_its_check_already() -> None:
    assert not is_checked(history(Facts(), RESERVED))
    assert not is_checked(history(RESERVED, CONFIRMED))
    assert not is_checked(history(Facts(), REFUSED, REJECTED))


def test_an_order_that_is_opened_again_is_checked_until_it_settles_again() -> None:
    assert is_checked(history(CONFIRMED, CANCELLED))
    assert not is_checked(history(CONFIRMED, CANCELLED, TOO_LATE))


def test_an_order_that_settles_and_is_opened_again_in_one_batch_is_checked() -> None:
    """Its first check may have found it settled, and be gone."""
    assert is_checked(history(RESERVED, CONFIRMED, CANCELLED))


def test_an_order_that_is_undone_in_the_batch_in_which_it_was_placed_is_checked() -> None:
    """Nothing is owed to it, but relay may not have been able to give its coupons back."""
    assert is_checked(history(Facts(), REFUSED, REJECTED, placed=True))


def test_a_note_on_an_order_that_was_undone_before_calls_for_nothing() -> None:
    assert not is_checked(history(REJECTED, REJECTED))


def test_each_order_is_judged_by_its_own_facts_and_checked_once() -> None:
    others = [accepted() for _ in range(3)]
    batch = [
        *history(Facts(), CONFIRMED, placed=True, order=others[0]),
        *history(Facts(), RESERVED, placed=True),
        *history(placed=True, order=others[1]),
        *history(RESERVED, CONFIRMED, order=others[2]),
        *history(CONFIRMED, CANCELLED, order=others[2]),
    ]
    assert to_check(batch) == [Check(ORDER.key), Check(others[1].key), Check(others[2].key)]


def test_checks_that_could_not_be_set_are_handed_back() -> None:
    watch = Watch(MemoryChecks(failing=True), MemoryChangeDeadLetters())
    with pytest.raises(TransientFailure):
        watch.send([OrderPlaced(ORDER)])
