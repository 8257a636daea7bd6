"""An order above its buyer's limit waits for an approver of the same company."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orders.domain import saga
from orders.domain.looks import look_again_seconds
from orders.domain.order import OrderKey
from orders.domain.saga import Approval, Facts, Outcome, Step
from orders.domain.units import CustomerId, Millis, OrderId
from orders.failures import TransientFailure
from orders.flow.changes import OrderPlaced
from orders.flow.coupons import LimitedCoupons
from orders.flow.deliver import Deliver
from orders.flow.recording import record
from orders.flow.relay import called_for
from orders.flow.watch import to_check
from orders.flow.watchdog import Checked, Watchdog
from orders.handlers.watchdog import found
from orders.ports import Check, Command, Progress
from simulation.world.runtime import (
    AnsweringDownstream,
    FixedSigningKeys,
    MemoryBacklogs,
    MemoryChecks,
    MemoryCommands,
    MemoryEvents,
    SetClock,
)
from tests.builders import NOW, accepted, order_body, order_id
from tests.orders.handlers.test_companies import (
    ADA,
    ADA_ID,
    BEN,
    CANCEL,
    CLAIMS,
    COMPANY,
    EVE,
    MANY,
    ONE,
    PUT,
    WHOLESALE,
    Store,
)

DECIDE = "POST /orders/{order_id}/approval"
HOLD_MS = 7 * 24 * 60 * 60 * 1000
UNTIL = Millis(NOW + HOLD_MS)
#: An order comes to 905.
BUYER = {**ADA, "purchase_limit": "904"}
BOSS, OTHER_BOSS = ({**who, "cognito:groups": "approvers"} for who in (BEN, EVE))


class Holding(Store):
    def __init__(self) -> None:
        super().__init__()
        self.clock = SetClock(NOW)
        claims = replace(CLAIMS, limit="purchase_limit", approver_group="approvers")
        self.intake = replace(
            self.intake,
            claims=claims,
            clock=self.clock,
            hold_ms=HOLD_MS,
            coupons=LimitedCoupons(self.orders.coupons, FixedSigningKeys({})),
        )

    def held(self) -> str:
        return self.place(BUYER, COMPANY, **WHOLESALE)

    def decide(self, who: dict[str, str], id_: str, verdict: str) -> tuple[int, str]:
        """The status with the order's, or with the rule."""
        status, answer = self.ask(DECIDE, who, order_id=id_, body={"verdict": verdict})
        return status, answer["status"] if status == 200 else answer["violations"][0]["rule"]

    def facts(self, id_: str) -> Facts:
        progress = self.orders.progress(key(id_))
        assert isinstance(progress, Progress)
        return progress.facts

    def shown(self, id_: str) -> dict[str, Any]:
        return self.ask(ONE, ADA, order_id=id_)[1]

    def watchdog(self) -> Watchdog:
        orders, backlogs, commands = self.orders, MemoryBacklogs(), MemoryCommands()
        events, checks = MemoryEvents(), MemoryChecks()
        return Watchdog(orders, backlogs, commands, events, checks, orders.coupons, self.clock)


def key(id_: str) -> OrderKey:
    return OrderKey(COMPANY, OrderId(id_))


@pytest.fixture
def store() -> Holding:
    return Holding()


def test_an_order_above_the_limit_is_held_and_nothing_is_commanded(store: Holding) -> None:
    id_ = store.held()
    shown = store.shown(id_)
    assert (shown["status"], shown["settled"], shown["reason"]) == ("held", False, None)
    expires = {"expires_at": "2026-11-30T10:00:00.000Z", "verdict": None, "at": None, "by": None}
    assert shown["approval"] == expires
    [line] = store.ask(MANY, ADA)[1]["orders"]
    assert (line["status"], line["approval"], line["buyer"]) == ("held", expires, ADA_ID)
    changes = store.orders.stream
    assert len(changes) == 2, "the order and its progress"
    assert not any(called_for(change).commands for change in changes)
    assert to_check(changes) == [Check(key(id_))]


@pytest.mark.parametrize(
    ("claims", "customer", "fields"),
    [
        ({**ADA, "purchase_limit": "905"}, COMPANY, WHOLESALE),
        (ADA, COMPANY, WHOLESALE),
        (BUYER, ADA_ID, {}),
    ],
    ids=["up to it", "without one", "of one's own"],
)
def test_any_other_order_is_stored_as_ever(
    store: Holding, claims: dict[str, str], customer: CustomerId, fields: dict[str, Any]
) -> None:
    id_ = store.place(claims, customer, **fields)
    assert store.shown(id_)["status"] == "accepted"
    assert "approval" not in store.shown(id_)
    [placed] = store.orders.stream
    assert isinstance(placed, OrderPlaced)
    assert placed.order.held_until is None


@pytest.mark.parametrize("limit", ["", "12.50", "-1", "9" * 30])
def test_a_limit_that_is_no_amount_holds_every_order(store: Holding, limit: str) -> None:
    id_ = store.place({**ADA, "purchase_limit": limit}, COMPANY, **WHOLESALE)
    assert store.shown(id_)["status"] == "held"


def test_a_released_order_goes_on_and_says_who_released_it(store: Holding) -> None:
    id_ = store.held()
    assert store.decide(BOSS, id_, "released") == (200, "accepted")
    assert store.decide(BOSS, id_, "released") == (200, "accepted")
    assert store.decide(BOSS, id_, "refused") == (409, "order_decided")
    approval = store.shown(id_)["approval"]
    assert (approval["verdict"], approval["by"]) == ("released", "ben")
    calls = called_for(store.orders.stream[-1])
    assert [command.step for command in calls.commands] == [Step.RESERVE]


def test_a_refused_order_is_undone_and_nothing_but_the_money_moves(store: Holding) -> None:
    id_ = store.held()
    assert store.decide(BOSS, id_, "refused") == (200, "rejecting")
    assert store.shown(id_)["reason"] == "approval_refused"
    calls = called_for(store.orders.stream[-1])
    assert [command.step for command in calls.commands] == [Step.REFUND]
    assert calls.undone == (key(id_),)
    assert store.ask(CANCEL, BUYER, order_id=id_)[0] == 409


def test_only_an_approver_of_the_company_decides_and_never_the_buyer(store: Holding) -> None:
    id_ = store.held()
    buyer = {**BUYER, "cognito:groups": "approvers"}
    assert store.decide(buyer, id_, "released") == (403, "approval_not_allowed")
    assert store.decide(BEN, id_, "released") == (403, "approval_not_allowed")
    assert store.decide(OTHER_BOSS, id_, "released") == (404, "order_not_found")
    assert store.facts(id_) == Facts(held_until=UNTIL)


def test_an_order_that_was_not_held_is_not_decided_about(store: Holding) -> None:
    id_ = store.place(ADA, COMPANY, **WHOLESALE)
    assert store.decide(BOSS, id_, "refused") == (409, "order_not_held")
    assert saga.owed(store.facts(id_)) == {Step.RESERVE}


@pytest.mark.parametrize("body", [{}, {"verdict": "expired"}, {"verdict": ["released"]}, [], "no"])
def test_what_is_no_decision_is_refused(store: Holding, body: Any) -> None:
    id_ = store.held()
    assert store.ask(DECIDE, BOSS, order_id=id_, body=body)[0] in (400, 422)
    assert store.facts(id_).approval is None


def test_nobody_releases_an_order_after_its_time(store: Holding) -> None:
    id_ = store.held()
    store.clock.milliseconds = UNTIL
    assert store.decide(BOSS, id_, "released") == (409, "order_decided")
    assert store.facts(id_).approval == Approval(UNTIL, "expired")
    assert store.shown(id_)["reason"] == "approval_expired"


def test_the_watchdog_looks_until_somebody_decides_or_the_time_is_over(store: Holding) -> None:
    id_, watchdog = store.held(), store.watchdog()
    fetched = watchdog.batch_get_progress([Check(key(id_))], Millis(NOW + 1))
    for known in (fetched[key(id_)], None):
        checked = watchdog.check(Check(key(id_)), known)
        assert (checked.result, checked.owed, checked.look_again) == ("held", (), True)
    assert store.facts(id_).approval is None
    store.clock.milliseconds = UNTIL
    assert watchdog.check(Check(key(id_))).facts.approval == Approval(UNTIL, "expired")
    assert saga.owed(store.facts(id_)) == {Step.REFUND}
    assert watchdog.check(Check(key(id_))).result == "stuck"


def test_the_days_that_an_order_was_held_count_neither_as_stuck_nor_as_slow(store: Holding) -> None:
    id_, watchdog = store.held(), store.watchdog()
    released = NOW + HOLD_MS // 2
    store.clock.milliseconds = released
    assert store.decide(BOSS, id_, "released") == (200, "accepted")
    store.clock.milliseconds = released + 60_000
    stuck = watchdog.check(Check(key(id_)))
    assert found(key(id_), stuck, store.clock.now())["unsettled_s"] == 60
    deliver = Deliver(
        store.orders, AnsweringDownstream(lambda _: Outcome(NOW)), "inventory", store.clock, 5_000
    )
    command = deliver.complete(Command(key(id_), Step.RESERVE), store.clock.now())
    assert command.accepted_at == released
    assert look_again_seconds(store.facts(id_), NOW, Millis(released + 1_000)) == 4
    outcomes = dict.fromkeys((Step.RESERVE, Step.SHIP, Step.POST), Outcome(Millis(released + 250)))
    settled = record(store.orders, key(id_), outcomes, NOW)
    assert settled.settle_ms == 250


def test_a_forced_check_of_a_held_order_is_watched_like_any_other(store: Holding) -> None:
    id_, watchdog = store.held(), store.watchdog()
    checked = watchdog.check(Check(key(id_), force=True))
    assert checked == Checked("held")
    assert isinstance(watchdog.checks, MemoryChecks)
    assert watchdog.checks.pending


def test_a_held_order_can_be_cancelled_and_then_not_be_released(store: Holding) -> None:
    id_ = store.held()
    assert store.ask(CANCEL, BEN, order_id=id_)[1]["status"] == "cancelling"
    assert store.decide(BOSS, id_, "released") == (409, "order_decided")
    assert store.facts(id_).approval is None
    assert saga.owed(store.facts(id_)) == {Step.REFUND}


def test_one_that_is_just_being_placed_is_cancelled_as_one_that_is_held(store: Holding) -> None:
    """A query sees a transaction item by item. Taken for an order of the express path, it would
    have a cancellation after its reservation, and nobody could ever decide about it."""
    order = replace(accepted(key(order_id())), express=True, held_until=UNTIL)
    store.orders.place(order)
    id_ = order.key.order_id
    assert store.shown(id_)["status"] == "held"
    assert store.ask(CANCEL, BUYER, order_id=id_)[0] == 202
    cancellation = store.facts(id_).cancellation
    assert cancellation is not None
    assert cancellation.before_reservation


def test_a_request_that_a_release_overtakes_is_sent_again(store: Holding) -> None:
    """It was read as held: as a request before the reservation it would be wrong by now."""
    id_ = store.held()
    store.orders.decide(key(id_), Approval(NOW, "released"))
    with pytest.raises(TransientFailure):
        store.orders.request_cancellation(key(id_), NOW, reserved=False, held=True)
    assert store.ask(CANCEL, BEN, order_id=id_)[0] == 202
    assert store.facts(id_).cancellation is not None


def test_a_retry_is_the_same_order_whatever_the_limit_is_by_then(store: Holding) -> None:
    id_ = order_id()
    body = order_body(id_, customer_id=COMPANY, **WHOLESALE)
    assert store.ask(PUT, BUYER, order_id=id_, body=body)[0] == 201
    assert store.ask(PUT, ADA, order_id=id_, body=body)[0] == 200
    assert store.shown(id_)["status"] == "held"
