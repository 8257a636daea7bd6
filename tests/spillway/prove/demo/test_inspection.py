"""The verdicts on a run: what was looked at decides what is judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orders.domain.promises import Promise
from orders.domain.saga import Step
from spillway.operate.coupons.evidence import Finding
from spillway.operate.coupons.uses import Audit
from spillway.prove.audit.pricing import PriceAudit
from spillway.prove.demo.inspection import judge_run
from spillway.prove.demo.result import Run
from spillway.run.load.records import Outage, Probe
from spillway.target.records import Depth
from tests.builders import a_book
from tests.spillway.prove.audit.builders import ACCEPTED_AT, ADA, BOB, confirmed
from tests.spillway.prove.demo.builders import a_run, run_of


def judged(run: Run, **seen: object) -> Run:
    """The run with this evidence beside the tables."""
    probes = [Probe("GET", confirmed().record.key, by_owner=False, status=404)]
    judged = replace(run, probes=probes, histories={ADA: []}, invocations={"relay": 0})
    judged = replace(judged, **seen)  # type: ignore[arg-type]
    judge_run(judged)
    return judged


def broken(run: Run) -> set[Promise]:
    return {promise for promise, verdict in run.promises.items() if not verdict.held}


def test_a_good_run_holds_all_that_was_looked_at_and_claims_no_more() -> None:
    run = judged(a_run())

    assert broken(run) == set()
    assert {promise for promise, verdict in run.promises.items() if not verdict.judged} == {
        Promise.FAILURE_STAYS_LOCAL,
        Promise.PRICED_BY_THE_STORE,
        Promise.COUPON_WITHIN_LIMITS,
        Promise.PAID_IS_ORDERED_OR_REFUNDED,
    }


def test_prices_and_coupons_are_judged_by_what_was_read_of_them() -> None:
    whole = confirmed().with_record(book="v1")
    books = PriceAudit(lambda _: a_book(version="v1"), grace_ms=0)
    lost = Finding("FIRST#0", "has counted 2, and 1 orders hold it")
    run = judged(run_of([whole]), prices=books, coupons=Audit(1, 1, [lost]))

    # The book has none of the goods.
    assert broken(run) == {Promise.PRICED_BY_THE_STORE, Promise.COUPON_WITHIN_LIMITS}


def test_orders_that_no_book_can_tell_about_are_counted() -> None:
    books = PriceAudit(lambda _: a_book(version="v1"), grace_ms=0)
    verdict = judged(run_of([confirmed()]), prices=books).promises[Promise.PRICED_BY_THE_STORE]

    assert not verdict.judged
    assert "1 by no book" in verdict.evidence


def test_a_run_without_an_order_judges_only_that_nothing_runs() -> None:
    run = judged(run_of([]))

    assert {promise for promise, verdict in run.promises.items() if verdict.judged} == {
        Promise.ZERO_IDLE
    }


@pytest.mark.parametrize(
    ("found", "promise"),
    [
        (
            {"probes": [Probe("GET", confirmed().record.key, by_owner=False, status=200)]},
            Promise.OWN_ORDERS_ONLY,
        ),
        ({"histories": {BOB: [confirmed().record.key.order_id]}}, Promise.OWN_ORDERS_ONLY),
        ({"depths": [Depth("inventory", 0, 1, 0)]}, Promise.ZERO_IDLE),
        ({"depths": [Depth("inventory_dead_letter", 1, 0, 0)]}, Promise.ALWAYS_SETTLES),
        ({"invocations": {"relay": 1}}, Promise.ZERO_IDLE),
    ],
)
def test_whatever_is_seen_amiss_breaks_its_promise(
    found: dict[str, object], promise: Promise
) -> None:
    assert broken(judged(run_of([confirmed()]), **found)) == {promise}


def test_messages_that_were_there_before_are_not_this_runs() -> None:
    depth = Depth("relay_dead_letter", 2, 0, 0)

    assert broken(judged(a_run(), depths_before=[depth], depths=[depth])) == set()


def outage_run(outage_from: int, outage_to: int) -> Run:
    """Reserved, shipped and posted 100, 200 and 300 ms after its acceptance."""
    run = run_of([confirmed()])
    keys = tuple(run.records)
    run.outage = Outage("accounting", ACCEPTED_AT + outage_from, ACCEPTED_AT + outage_to, keys)
    return judged(run)


def test_a_failure_that_stayed_local() -> None:
    verdict = outage_run(0, 250).promises[Promise.FAILURE_STAYS_LOCAL]

    assert (verdict.held, verdict.judged) == (True, True)
    assert "accounting was out for 0.2 s: 1 orders placed" in verdict.evidence


def test_a_failure_that_held_the_others_up() -> None:
    assert broken(outage_run(0, 150)) == {Promise.FAILURE_STAYS_LOCAL}


def test_an_outage_in_which_accounting_worked_is_not_judged() -> None:
    assert not outage_run(0, 400).promises[Promise.FAILURE_STAYS_LOCAL].judged


def test_an_effect_missing_downstream_is_found() -> None:
    run = run_of([confirmed()])
    run.effects = [effect for effect in run.effects if effect.step != Step.SHIP]

    assert broken(judged(run)) == {Promise.NEVER_HALF_DONE}


def test_an_acknowledged_order_that_is_missing_is_found() -> None:
    run = run_of([confirmed()])
    run.records, run.effects = {}, []
    run = judged(run)

    assert broken(run) == {Promise.ACKNOWLEDGED_IS_DURABLE}
    assert run.promises[Promise.ACKNOWLEDGED_IS_DURABLE].violations == 1
