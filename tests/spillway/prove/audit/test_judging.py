"""The judge acquits every order that ended rightly, and finds each injected fault."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest

from orders.domain import saga
from orders.domain.order import Line
from orders.domain.parcels import WHOLE_ORDER, News, What
from orders.domain.promises import Promise
from orders.domain.saga import Approval, Cancellation, Facts, Outcome, Step, Verdict
from spillway.prove.audit.judging import (
    judge,
    judge_access,
    judge_history,
    judge_idleness,
    judge_isolation,
    outage_was_real,
)
from spillway.prove.audit.verdicts import Violation
from spillway.run.load.records import Answer, Outage, Probe
from spillway.target.records import Depth, Effect, Record, Size
from tests.builders import order_key
from tests.spillway.prove.audit.builders import (
    ACCEPTED_AT,
    ACCEPTED_AT_ANSWERED,
    ADA,
    BOB,
    HELD_UNTIL,
    KEY,
    ORDER,
    SIZE,
    WHOLE,
    Scene,
    came_back,
    confirmed,
    effect,
    refunded,
    scene,
)

REFUSAL = Outcome(ACCEPTED_AT, refusal="no")


def promises(violations: Collection[Violation]) -> set[Promise]:
    return {violation.promise for violation in violations}


class TestWholeOrders:
    @pytest.mark.parametrize(("name", "order"), WHOLE, ids=[name for name, _ in WHOLE])
    def test_an_order_that_ended_rightly_breaks_nothing(self, name: str, order: Scene) -> None:
        assert order.judged() == []

    def test_without_acknowledgements_the_tables_are_judged_alone(self) -> None:
        order = confirmed()

        assert judge([order.record], order.effects, []) == []

    def test_a_refused_order_that_was_never_stored_breaks_nothing(self) -> None:
        refused = confirmed().with_acknowledgement(answers=(), status=None)

        assert judge([], [], [refused.acknowledgement]) == []

    @pytest.mark.parametrize(("name", "order"), WHOLE, ids=[name for name, _ in WHOLE])
    def test_any_done_effect_that_is_missing_is_found(self, name: str, order: Scene) -> None:
        # What is undone again, like stock reserved and released, leaves nothing when it is missing.
        undone = (
            {Step.RESERVE, Step.SHIP, Step.POST}
            if order.acknowledgement.status != "confirmed"
            else set()
        )
        for missing in order.effects:
            if not missing.done or missing.step in undone:
                continue
            spoilt = replace(order, effects=tuple(e for e in order.effects if e != missing))
            assert Promise.NEVER_HALF_DONE in promises(spoilt.judged()), missing.step

    @pytest.mark.parametrize(("name", "order"), WHOLE, ids=[name for name, _ in WHOLE])
    def test_any_fact_that_is_missing_is_found(self, name: str, order: Scene) -> None:
        for step, outcome in order.record.facts.outcomes.items():
            # "Too late" makes no difference to an order that is undone anyway.
            if (
                step == Step.CANCEL_SHIPMENT
                and not outcome.done
                and order.acknowledgement.status != "confirmed"
            ):
                continue
            assert order.without_fact(step).judged() != [], step

    @pytest.mark.parametrize(("name", "order"), WHOLE, ids=[name for name, _ in WHOLE])
    def test_any_other_final_status_that_a_customer_read_is_found(
        self, name: str, order: Scene
    ) -> None:
        for status in {"confirmed", "rejected", "cancelled"} - {order.acknowledgement.status}:
            spoilt = order.with_acknowledgement(status=status)
            assert promises(spoilt.judged()) == {Promise.NEVER_HALF_DONE}, status

    @pytest.mark.parametrize("step", [Step.RESERVE, Step.SHIP, Step.POST])
    def test_a_step_of_an_order_that_was_never_released_is_found(self, step: Step) -> None:
        refused = scene("refund", status="rejected").held("refused")
        assert promises(refused.with_effects(effect(step)).judged()) == {Promise.NEVER_HALF_DONE}
        held = scene(status="held").held().with_effects(effect(Step.REFUND))
        assert promises(held.judged()) == {Promise.NEVER_HALF_DONE, Promise.ALWAYS_SETTLES}


class TestAcknowledgedIsDurable:
    def test_an_acknowledged_order_that_is_not_in_the_table(self) -> None:
        assert promises(judge([], [], [confirmed().acknowledgement])) == {
            Promise.ACKNOWLEDGED_IS_DURABLE
        }

    @pytest.mark.parametrize("status", [200, 201, 202])
    def test_any_2xx_counts(self, status: int) -> None:
        order = confirmed().with_acknowledgement(answers=(Answer(status, None),))

        assert promises(judge([], [], [order.acknowledgement])) == {Promise.ACKNOWLEDGED_IS_DURABLE}

    def test_other_content_in_the_table_than_was_sent(self) -> None:
        other = replace(ORDER, lines=(Line("HEART-LIGHT", 1, 510), *ORDER.lines[1:]))
        spoilt = confirmed().with_acknowledgement(order=other)

        assert promises(spoilt.judged()) == {Promise.ACKNOWLEDGED_IS_DURABLE}

    def test_a_cancellation_that_was_taken_and_not_kept(self) -> None:
        spoilt = confirmed().with_acknowledgement(cancellation_sent=True, cancellation_taken=True)

        assert promises(spoilt.judged()) == {Promise.ACKNOWLEDGED_IS_DURABLE}


class TestOneOrderPerId:
    def test_two_answers_that_call_it_new(self) -> None:
        twice = (Answer(201, ACCEPTED_AT_ANSWERED), Answer(201, ACCEPTED_AT_ANSWERED))

        assert promises(confirmed().with_acknowledgement(answers=twice).judged()) == {
            Promise.ONE_ORDER_PER_ID
        }

    def test_an_answer_with_another_time_of_acceptance(self) -> None:
        answers = (Answer(201, ACCEPTED_AT_ANSWERED), Answer(200, "2026-11-23T10:00:09.000Z"))

        assert promises(confirmed().with_acknowledgement(answers=answers).judged()) == {
            Promise.ONE_ORDER_PER_ID
        }

    def test_a_buffered_copy_may_tell_its_own_time(self) -> None:
        """Intake answers 202 when it does not know whether the table took the order."""
        answers = (Answer(202, "2026-11-23T10:00:09.000Z"), Answer(200, ACCEPTED_AT_ANSWERED))

        assert confirmed().with_acknowledgement(answers=answers).judged() == []
        assert confirmed().with_acknowledgement(answers=answers[:1]).judged() == []

    def test_a_buffered_copy_excuses_no_other_answer(self) -> None:
        wrong = "2026-11-23T10:00:09.000Z"
        answers = (Answer(202, ACCEPTED_AT_ANSWERED), Answer(200, wrong))

        assert promises(confirmed().with_acknowledgement(answers=answers).judged()) == {
            Promise.ONE_ORDER_PER_ID
        }

    def test_a_table_that_holds_another_time_of_acceptance(self) -> None:
        spoilt = confirmed().with_record(accepted_at=ACCEPTED_AT + 1)

        assert promises(spoilt.judged()) == {Promise.ONE_ORDER_PER_ID}

    def test_the_same_id_under_a_customer_who_never_sent_it(self) -> None:
        order = confirmed()
        key = order_key(BOB, KEY.order_id)
        twin = scene("reserve", "ship", "post", status="confirmed", key=key)
        violations = judge(
            [order.record, twin.record], [*order.effects, *twin.effects], [order.acknowledgement]
        )

        assert promises(violations) == {Promise.ONE_ORDER_PER_ID}

    def test_two_customers_may_each_send_the_same_id(self) -> None:
        order = confirmed()
        key = order_key(BOB, KEY.order_id)
        twin = scene("reserve", "ship", "post", status="confirmed", key=key)

        assert (
            judge(
                [order.record, twin.record],
                [*order.effects, *twin.effects],
                [order.acknowledgement, twin.acknowledgement],
            )
            == []
        )


class TestOneEffectPerStep:
    @pytest.mark.parametrize("step", [Step.RESERVE, Step.SHIP, Step.POST])
    def test_a_step_done_twice_under_one_key(self, step: Step) -> None:
        spoilt = confirmed().with_effects(effect(step))

        assert promises(spoilt.judged()) == {Promise.ONE_EFFECT_PER_STEP}

    @pytest.mark.parametrize("step", [Step.RESERVE, Step.SHIP, Step.POST])
    def test_a_step_done_twice_under_different_keys(self, step: Step) -> None:
        spoilt = confirmed().with_effects(effect(step, idempotency_key="another key"))

        assert promises(spoilt.judged()) == {Promise.ONE_EFFECT_PER_STEP}

    @pytest.mark.parametrize(
        ("first", "second", "broken"),
        [(99, 98, False), (None, 99, False), (99, None, True), (None, None, True)],
    )
    def test_a_second_one_is_excused_only_if_its_own_caller_had_looked(
        self, first: int | None, second: int | None, broken: bool
    ) -> None:
        order = confirmed()
        [post] = [each for each in order.effects if each.step == "post"]
        others = tuple(each for each in order.effects if each != post)
        again = replace(post, idempotency_key="another key", at=post.at + 1, looked_up_at=second)
        effects = (again, replace(post, looked_up_at=first), *others)
        wanted = {Promise.ONE_EFFECT_PER_STEP} if broken else set()
        assert promises(replace(order, effects=effects).judged()) == wanted

    def test_a_refund_done_twice(self) -> None:
        order = scene("reserve refused", "refund", status="rejected")
        spoilt = order.with_effects(effect(Step.REFUND, idempotency_key="another key"))

        assert promises(spoilt.judged()) == {Promise.ONE_EFFECT_PER_STEP}

    def test_a_refusal_is_no_effect(self) -> None:
        order = scene("reserve refused", "refund", status="rejected")
        again = effect(Step.RESERVE, done=False, idempotency_key="another key")

        assert order.with_effects(again).judged() == []


class TestAlwaysSettles:
    @pytest.mark.parametrize(
        ("steps", "waits_for"),
        [
            ((), "reserve"),
            (("reserve",), "ship, post"),
            (("reserve", "ship"), "post"),
            (("reserve", "post"), "ship"),
            (("reserve", "ship refused"), "post"),
        ],
    )
    def test_an_order_that_still_waits(self, steps: tuple[str, ...], waits_for: str) -> None:
        violations = scene(*steps, status="confirmed").judged()

        assert promises(violations) == {Promise.ALWAYS_SETTLES}
        assert violations[0].detail == f"waits for {waits_for}"

    @pytest.mark.parametrize(
        "steps",
        [
            ("reserve refused",),
            ("reserve", "ship refused", "post"),
            ("reserve", "ship refused", "post", "release"),
            ("reserve", "ship refused", "post", "refund"),
            ("reserve", "ship", "post refused", "release", "refund"),
        ],
    )
    def test_an_order_left_half_undone(self, steps: tuple[str, ...]) -> None:
        assert promises(scene(*steps, status="rejected").judged()) == {Promise.ALWAYS_SETTLES}

    @pytest.mark.parametrize(("parcels", "of"), [(("",), None), (("1", "2"), 2)])
    def test_a_returned_order_without_its_refund(
        self, parcels: tuple[str, ...], of: int | None
    ) -> None:
        violations = came_back(confirmed(), *parcels, of=of).judged()

        assert promises(violations) == {Promise.ALWAYS_SETTLES}
        assert violations[0].detail == "waits for refund"

    def test_a_cancellation_without_an_answer(self) -> None:
        order = scene("reserve", "ship", "post", status="confirmed", cancelled="after")

        assert promises(order.judged()) == {Promise.ALWAYS_SETTLES}

    def test_a_refund_does_not_settle_an_order_whose_reservation_is_unknown(self) -> None:
        order = scene("refund", status="cancelled", cancelled="before")

        assert promises(order.judged()) == {Promise.ALWAYS_SETTLES}

    @pytest.mark.parametrize("status", ["accepted", "rejecting", "cancelling"])
    def test_a_customer_who_still_reads_that_it_goes_on(self, status: str) -> None:
        assert promises(confirmed().with_acknowledgement(status=status).judged()) == {
            Promise.ALWAYS_SETTLES
        }

    def test_an_order_that_no_customer_read_is_judged_by_the_tables(self) -> None:
        assert confirmed().with_acknowledgement(status=None).judged() == []


class TestNeverHalfDone:
    @pytest.mark.parametrize(("parcels", "of"), [((), None), (("1",), 2), (("1",), None)])
    def test_a_confirmed_order_with_a_refund_that_did_not_all_come_back(
        self, parcels: tuple[str, ...], of: int | None
    ) -> None:
        order = came_back(refunded(), *parcels, of=of)

        assert promises(order.judged()) == {Promise.NEVER_HALF_DONE}

    def test_a_returned_order_that_accounting_has_not_refunded(self) -> None:
        order = came_back(refunded(), "").without_effect(Step.REFUND)

        assert promises(order.judged()) == {Promise.NEVER_HALF_DONE}

    @pytest.mark.parametrize("step", [Step.RELEASE, Step.CANCEL_SHIPMENT, Step.REFUND])
    def test_a_confirmed_order_of_which_something_was_undone(self, step: Step) -> None:
        spoilt = confirmed().with_effects(effect(step))

        assert promises(spoilt.judged()) == {Promise.NEVER_HALF_DONE}

    def test_a_cancelled_order_that_ships_after_all(self) -> None:
        order = scene("reserve", "release", "refund", status="cancelled", cancelled="before")

        assert promises(order.with_effects(effect(Step.SHIP)).judged()) == {Promise.NEVER_HALF_DONE}

    def test_a_refusal_in_the_table_that_was_an_effect_downstream(self) -> None:
        order = scene("reserve refused", "refund", status="rejected")
        spoilt = replace(order, effects=(effect(Step.RESERVE), effect(Step.REFUND)))

        assert promises(spoilt.judged()) == {Promise.NEVER_HALF_DONE}

    @pytest.mark.parametrize(
        ("step", "changes"),
        [
            (Step.RESERVE, {"units": 2}),
            (Step.SHIP, {"units": 4}),
            (Step.POST, {"amount": 609}),
            (Step.POST, {"currency": "EUR"}),
        ],
    )
    def test_an_effect_of_another_size_than_the_order(
        self, step: Step, changes: dict[str, Any]
    ) -> None:
        spoilt = confirmed().without_effect(step).with_effects(effect(step, **changes))

        assert promises(spoilt.judged()) == {Promise.NEVER_HALF_DONE}

    def test_a_refund_of_less_than_was_paid(self) -> None:
        order = scene("reserve refused", "refund", status="rejected")
        spoilt = order.without_effect(Step.REFUND).with_effects(effect(Step.REFUND, amount=1))

        assert promises(spoilt.judged()) == {Promise.NEVER_HALF_DONE}

    def test_money_that_moved_for_an_order_with_nothing_to_pay(self) -> None:
        order = scene("reserve refused", "refund", status="rejected")
        free = order.with_record(size=Size(3, 0, "GBP")).without_effect(Step.REFUND)

        assert free.with_effects(effect(Step.REFUND, amount=0)).judged() == []
        assert promises(free.with_effects(effect(Step.REFUND)).judged()) == {
            Promise.NEVER_HALF_DONE
        }

    def test_an_order_booked_after_its_money_had_gone_back(self) -> None:
        order = scene("reserve", "ship refused", "refund", "release", "post", status="rejected")

        assert promises(order.judged()) == {Promise.NEVER_HALF_DONE}

    def test_an_effect_for_an_order_that_is_not_in_the_table(self) -> None:
        assert promises(judge([], [effect(Step.SHIP)], [])) == {Promise.NEVER_HALF_DONE}

    def test_progress_of_an_order_that_is_not_in_the_table(self) -> None:
        progress = Record(KEY, None, None, Facts({Step.RESERVE: Outcome(ACCEPTED_AT)}))

        assert promises(judge([progress], [], [])) == {Promise.NEVER_HALF_DONE}

    def test_an_order_undone_without_a_refusal_or_a_cancellation(self) -> None:
        order = scene("reserve", "ship", "post", "recall_shipment", "release", "refund", status="x")

        assert Promise.NEVER_HALF_DONE in promises(order.with_acknowledgement(status=None).judged())


class TestOwnOrdersOnly:
    def test_another_customer_gets_404_and_the_owner_gets_the_order(self) -> None:
        probes = [
            Probe("GET", KEY, by_owner=True, status=200),
            Probe("GET", KEY, by_owner=False, status=404),
            Probe("cancellation", KEY, by_owner=False, status=404),
        ]

        assert judge_access(probes) == []

    @pytest.mark.parametrize(
        ("asked", "by_owner", "status"),
        [
            ("GET", False, 200),
            ("GET", False, 403),  # which says that there is such an order
            ("cancellation", False, 202),
            ("GET", True, 404),  # then another customer's 404 proves nothing
        ],
    )
    def test_any_other_answer_is_found(self, asked: str, by_owner: bool, status: int) -> None:
        probe = Probe("GET" if asked == "GET" else "cancellation", KEY, by_owner, status)

        assert promises(judge_access([probe])) == {Promise.OWN_ORDERS_ONLY}

    def test_an_order_in_another_customers_history(self) -> None:
        owners: dict[str, str] = {KEY.order_id: ADA}

        assert judge_history({ADA: [KEY.order_id], BOB: ["an older one"]}, owners) == []
        assert promises(judge_history({BOB: [KEY.order_id]}, owners)) == {Promise.OWN_ORDERS_ONLY}

    def test_a_cancellation_that_the_customer_never_sent(self) -> None:
        order = scene(
            *("reserve", "ship", "post", "cancel_shipment refused"),
            status="confirmed",
            cancelled="after",
        )
        spoilt = order.with_acknowledgement(cancellation_sent=False, cancellation_taken=False)

        assert promises(spoilt.judged()) == {Promise.OWN_ORDERS_ONLY}


class TestFailureStaysLocal:
    OUTAGE = Outage("accounting", ACCEPTED_AT, ACCEPTED_AT + 1000, (KEY,))

    def test_the_other_two_answered_during_the_outage(self) -> None:
        effects = [
            effect(Step.RESERVE),
            effect(Step.SHIP),
            effect(Step.POST, at=ACCEPTED_AT + 5000),
        ]

        assert outage_was_real(self.OUTAGE, effects)
        assert judge_isolation(self.OUTAGE, effects) == []

    @pytest.mark.parametrize("late", [Step.RESERVE, Step.SHIP])
    def test_one_that_waited_for_the_end_of_the_outage(self, late: Step) -> None:
        effects = [
            effect(step, at=ACCEPTED_AT + (2000 if step == late else 100))
            for step in (Step.RESERVE, Step.SHIP)
        ]

        assert promises(judge_isolation(self.OUTAGE, effects)) == {Promise.FAILURE_STAYS_LOCAL}

    def test_one_that_never_answered(self) -> None:
        assert len(judge_isolation(self.OUTAGE, [])) == 2

    def test_an_order_without_stock_has_nothing_to_ship(self) -> None:
        assert judge_isolation(self.OUTAGE, [effect(Step.RESERVE, done=False)]) == []

    def test_an_outage_in_which_the_downstream_worked_proves_nothing(self) -> None:
        assert not outage_was_real(self.OUTAGE, [effect(Step.POST)])


class TestZeroIdle:
    def test_empty_queues_and_functions_that_do_not_run(self) -> None:
        assert judge_idleness([Depth("inventory", 0, 0, 0)], {"relay": 0}) == []

    @pytest.mark.parametrize("counts", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
    def test_a_message_anywhere_in_a_queue(self, counts: tuple[int, int, int]) -> None:
        assert promises(judge_idleness([Depth("inventory", *counts)], {})) == {Promise.ZERO_IDLE}

    def test_the_watchdogs_own_delay_is_rest_and_its_backlog_is_not(self) -> None:
        assert judge_idleness([Depth("watchdog", 0, 2, 5)], {}) == []
        assert judge_idleness([Depth("watchdog", 1, 0, 5)], {}) != []

    def test_an_order_that_waits_in_the_overflow_queue_is_not_rest(self) -> None:
        assert promises(judge_idleness([Depth("overflow", 1, 0, 0)], {})) == {Promise.ZERO_IDLE}

    @pytest.mark.parametrize("queue", ["overflow_dead_letter", "watchdog_dead_letter"])
    def test_a_dead_letter_of_any_queue_waits_for_a_person(self, queue: str) -> None:
        depths = [Depth(queue, 0, 0, 1)]

        assert promises(judge_idleness(depths, {})) == {Promise.ALWAYS_SETTLES}

    def test_a_function_that_runs_with_no_order_about(self) -> None:
        assert promises(judge_idleness([], {"relay": 1})) == {Promise.ZERO_IDLE}

    def test_a_message_that_waits_for_a_person(self) -> None:
        depths = [Depth("relay_dead_letter", 1, 0, 0)]

        assert promises(judge_idleness(depths, {})) == {Promise.ALWAYS_SETTLES}


def test_whatever_the_saga_calls_settled_is_whole_to_the_judge() -> None:
    """The two share no rule; here every combination of answers and wishes is shown to both."""
    answers: list[list[Outcome | None]] = [
        [None, Outcome(ACCEPTED_AT), *([REFUSAL] if step in saga.REFUSABLE else [])]
        for step in Step
    ]
    cancellations = [None, *(Cancellation(ACCEPTED_AT, first) for first in (True, False))]
    decided = (Approval(ACCEPTED_AT, verdict) for verdict in get_args(Verdict))
    back = News(WHOLE_ORDER, What.RETURNED, ACCEPTED_AT)
    returned = Facts(news={back.key: back})
    holds = [
        Facts(),
        returned,
        *(Facts(held_until=HELD_UNTIL, approval=each) for each in (None, *decided)),
    ]
    settled = 0
    for cancellation, hold in product(cancellations, holds):
        for chosen in product(*answers):
            outcomes = {step: o for step, o in zip(Step, chosen, strict=True) if o is not None}
            facts = replace(hold, outcomes=outcomes, cancellation=cancellation)
            if saga.at_rest(facts) and _reachable(facts):
                settled += 1
                record = Record(KEY, ACCEPTED_AT, SIZE, facts, ORDER)
                assert judge([record], _effects_of(facts), []) == [], facts
    assert settled >= len(WHOLE)


def _reachable(facts: Facts) -> bool:
    """Every answer is one to a command that the saga gave."""
    left, known = dict(facts.outcomes), replace(facts, outcomes={})
    while left:
        owed = saga.owed(known) & left.keys()
        if not owed:
            return False
        known = replace(known, outcomes={**known.outcomes, **{s: left.pop(s) for s in owed}})
    return True


def _effects_of(facts: Facts) -> list[Effect]:
    return [
        effect(step, done=outcome.done, at=ACCEPTED_AT + number)
        for number, (step, outcome) in enumerate(facts.outcomes.items())
    ]
