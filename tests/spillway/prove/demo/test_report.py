"""What a run yielded, in numbers for scripts and in words for people."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from orders.domain.promises import Promise
from orders.domain.saga import Step
from spillway.prove.audit.verdicts import Violation
from spillway.prove.demo.plan import plan
from spillway.prove.demo.report import document, outcomes, show
from spillway.prove.demo.result import Run
from spillway.run.load.records import Answer
from tests.spillway.prove.audit.builders import KEY, scene
from tests.spillway.prove.demo.builders import a_run, an_order, judged, key, run_of


def shown(run: Run, width: int = 100) -> str:
    text = io.StringIO()
    show(run, Console(file=text, width=width))
    return text.getvalue()


def test_the_document_has_the_keys_that_scripts_rely_on() -> None:
    document_ = document(a_run())

    assert list(document_)[:4] == ["orders", "promises", "seconds", "orders_per_second"]
    assert document_["orders"].keys() >= {
        *("sent", "accepted", "buffered", "replayed", "refused"),
        *("confirmed", "rejected", "cancelled", "unsettled"),
    }
    assert list(document_["promises"]) == [
        "acknowledged_is_durable",
        "one_order_per_id",
        "one_effect_per_step",
        "always_settles",
        "never_half_done",
        "own_orders_only",
        "failure_stays_local",
        "zero_idle",
        "priced_by_the_store",
        "coupon_within_limits",
        "paid_is_ordered_or_refunded",
    ]
    for promise in document_["promises"].values():
        assert promise.keys() >= {"held", "violations", "examples"}
    assert document_["seconds"].keys() >= {
        *("up", "accept_p50", "accept_p99", "settle_p50", "settle_p99")
    }
    assert json.loads(json.dumps(document_)) == document_


def test_every_order_sent_is_counted_once_and_every_accepted_one_by_its_end() -> None:
    copies = an_order(90, answers=[Answer(200, None), Answer(201, None), Answer(200, None)])
    buffered = an_order(91, answers=[Answer(202, None)], status="accepted")
    drained = an_order(92, answers=[Answer(202, None), Answer(200, None)])
    refused = an_order(93, answers=[], refusal={"status": 422}, status=None)
    unanswered = an_order(94, answers=[], status=None)
    run = run_of([], copies, buffered, drained, refused, unanswered)

    assert document(run)["orders"] == {
        "sent": 5,
        "accepted": 2,
        "buffered": 1,
        "replayed": 3,
        "refused": 1,
        "confirmed": 2,
        "rejected": 0,
        "cancelled": 0,
        "unsettled": 1,
        "unanswered": 1,
    }


def test_figures_of_nothing_are_null() -> None:
    seconds = document(run_of([]))["seconds"]

    assert seconds["accept_p50"] is None
    assert seconds["settle_p99"] is None


def test_orders_per_second_are_those_accepted_from_first_to_last() -> None:
    orders = [an_order(n, key=key(n), sent_at=1000 * n, accept_seconds=1.0) for n in range(4)]
    late = an_order(9, key=key(9), sent_at=99_000, during_outage=True)

    assert document(run_of([], *orders, late))["orders_per_second"] == 1.0
    assert document(run_of([]))["orders_per_second"] is None


def test_settling_is_measured_by_the_tables_times_for_undisturbed_orders() -> None:
    run = a_run()
    undisturbed = {order.key for order in run.undisturbed()}

    assert document(run)["seconds"]["settle_p50"] == 0.5
    assert len(undisturbed) == sum(not order.cancellation_sent for order in run.placed)


def test_every_end_of_an_order_is_reported_with_its_reason() -> None:
    assert set(outcomes(a_run())) == {
        ("confirmed", ""),
        ("confirmed", "too late to cancel"),
        ("rejected", "out_of_stock"),
        ("rejected", "undeliverable"),
        ("rejected", "account_blocked"),
        ("rejected", "account_blocked, undeliverable"),
        ("rejected", "account_blocked, too_late"),
        ("cancelled", "before stock was reserved"),
        ("cancelled", "shipment stopped in time"),
    }


def test_which_way_orders_went_is_counted_where_they_may_go_express() -> None:
    run = run_of([scene("reserve", "ship", "post", status="confirmed", key=key(n)) for n in (1, 2)])
    assert "went by" not in shown(run)

    steps = (Step.RESERVE, Step.SHIP, Step.POST)
    run.records[key(1)] = replace(run.records[key(1)], may_go_express=True, express=steps)

    assert document(run)["ways"] == {"express path": 1, "express path, then queues": 0, "queues": 1}
    assert "1  went by the express path " in shown(run)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_summary_of_a_run_that_kept_every_promise(width: int) -> None:
    text = shown(a_run(), width)

    for promise in Promise:
        assert f"✔  {promise.value}" in text
    assert "account blocked" in text
    assert text.rstrip().endswith("Every promise held.")
    assert max(len(line) for line in text.splitlines()) <= width


def test_a_broken_promise_is_named_with_examples() -> None:
    run = a_run()
    run.promises = judged([Violation(Promise.NEVER_HALF_DONE, KEY, "not shipped")] * 7)
    text = shown(run)

    assert "✘  never_half_done" in text
    assert f"order {KEY.order_id}: not shipped" in text
    assert "and 4 more" in text
    assert text.rstrip().endswith("Broken: never_half_done.")
    assert not run.proven


def test_a_promise_that_was_not_judged_gets_no_tick() -> None:
    run = a_run()
    verdict = judged([])[Promise.ZERO_IDLE]
    run.promises[Promise.ZERO_IDLE] = type(verdict)(Promise.ZERO_IDLE, 0, (), "", judged=False)

    assert "?  zero_idle" in shown(run)
    assert "not judged: zero_idle" in shown(run)
    assert run.proven


def test_a_run_that_accepted_nothing_proves_nothing() -> None:
    run = run_of([], an_order(1, answers=[], refusal={"status": 401}, status=None))

    assert not run.proven
    assert "nothing is proven" in shown(run)
    assert "status 401 1" in shown(run)


def test_a_run_with_an_order_left_unanswered_is_not_proven() -> None:
    unanswered = an_order(2, answers=[], status=None, last_attempt="status 500")
    run = run_of([], an_order(1), unanswered)

    assert not run.proven
    assert "status 500 1" in shown(run)
    assert "The service stopped answering" in shown(run)


def test_refusals_are_counted_by_their_rule() -> None:
    problem = {"status": 422, "violations": [{"rule": "sku_price_conflict"}] * 2}
    refused = [an_order(n, answers=[], refusal=problem, status=None, key=key(n)) for n in (1, 2)]

    assert "sku_price_conflict 2" in shown(run_of([], *refused))


def test_what_a_file_leaves_out_is_shown_with_examples(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text(
        "InvoiceNo,StockCode,Quantity,UnitPrice,CustomerID,Country\n"
        "1,MUG,1,2.55,7,United Kingdom\n"
        "2,MUG,1,0,7,United Kingdom\n"
        "C3,JAR,-1,2.55,7,United Kingdom\n",
        encoding="utf-8",
    )
    run = a_run()
    run.plan = plan(file=path)
    text = shown(run)

    assert "like invoice 2: total 0.00" in text
    assert "like C3: JAR to customer 7" in text
    assert document(run)["file"] == {
        "orders": 1,
        "not_sales": {"total_not_positive": 1},
        "cancellations_matched": 0,
        "cancellations_unmatched": {"not_sold_to_customer": 1},
    }


@pytest.mark.parametrize("made", [a_run, lambda: run_of([])])
def test_the_picture_is_a_png_even_of_nothing(made: Callable[[], Run], tmp_path: Path) -> None:
    from spillway.prove.demo.chart import draw

    path = tmp_path / "run.png"
    draw(made(), path)

    assert path.read_bytes().startswith(b"\x89PNG")
