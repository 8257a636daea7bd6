"""The audit finds each way in which an order can go wrong, whatever system it went through."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.peers import audit
from benchmarks.peers.audit import KINDS
from simulation.downstreams.ledger import Entry
from spillway.run.load.placing import Placed
from tests.benchmarks.peers.builders import DONE, UNDONE, entries, placed

[ORDER, OTHER] = placed(2)


def _found(ledger: list[Entry], *, unfinished: bool = False, order: Placed = ORDER) -> list[str]:
    """The kinds of what is wrong."""
    held = {order.key.order_id} if unfinished else set()
    verdict = audit.judge([order], ledger, held)
    assert all(finding.kind in KINDS for finding in verdict.findings)
    return sorted(finding.kind for finding in verdict.findings)


def test_an_order_that_is_whole_has_no_findings() -> None:
    assert _found(entries(ORDER, *DONE)) == []
    assert _found(entries(ORDER, *UNDONE, refused=("post",))) == []
    assert _found(entries(ORDER, "refund", refused=("reserve",))) == []


@pytest.mark.parametrize("steps", [(), ("reserve",), ("reserve", "ship"), (*DONE, "release")])
def test_what_rests_in_between_is_lost_half_done_or_stuck(steps: tuple[str, ...]) -> None:
    ledger = entries(ORDER, *steps)

    assert _found(ledger) == ["half_done" if steps else "lost"]
    assert _found(ledger, unfinished=True) == ["stuck"]


def test_an_order_that_nobody_acknowledged_may_be_missing_and_never_half_done() -> None:
    given_up = replace(ORDER, answers=[])

    assert _found([], order=given_up) == []
    assert _found(entries(ORDER, "reserve"), order=given_up) == ["half_done"]


def test_a_second_effect_under_another_key_is_doubled() -> None:
    [reserve, *others] = entries(ORDER, *DONE)
    again = replace(reserve, idempotency_key="another")

    assert _found([reserve, again, *others]) == ["doubled"]


@pytest.mark.parametrize(
    "wrong",
    [
        entries(ORDER, *UNDONE),
        [*entries(ORDER, *DONE), *entries(ORDER, refused=("post",))],
        [replace(entry, units=0) if entry.units else entry for entry in entries(ORDER, "reserve")]
        + entries(ORDER, "ship", "post"),
        [*entries(ORDER, "reserve", "ship"), replace(entries(ORDER, "post")[0], amount=1)],
        [*entries(ORDER, *DONE), *entries(OTHER, "reserve")],
    ],
    ids=["undone unasked", "fulfilled though refused", "units", "amount", "never sent"],
)
def test_an_order_that_ends_otherwise_than_it_was_sent_is_wrong(wrong: list[Entry]) -> None:
    assert _found(wrong) == ["wrong"]
