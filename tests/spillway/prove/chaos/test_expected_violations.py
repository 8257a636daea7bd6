"""A control has found its accident only if exactly that happened."""

from __future__ import annotations

from orders.domain.promises import Promise
from spillway.prove.audit.verdicts import Violation
from spillway.prove.chaos.expected_violations import Broken, TurnedAway
from spillway.prove.chaos.recorder import Answered
from spillway.prove.chaos.trial import Trial
from tests.spillway.prove.chaos.builders import a_trial, broken_trial
from tests.spillway.prove.demo.builders import judged


def answered(*statuses: int | None) -> list[Answered]:
    return [Answered(0, status) for status in statuses]


def test_a_broken_promise_is_found_with_an_example() -> None:
    trial = broken_trial(Promise.ALWAYS_SETTLES, "waits for reserve")

    evidence = Broken(Promise.ALWAYS_SETTLES, like="waits for").found(trial)

    assert evidence is not None
    assert evidence.startswith("always_settles broken once: order ")
    assert evidence.endswith("waits for reserve")


def test_another_promise_broken_is_not_the_accident() -> None:
    trial = broken_trial(Promise.ZERO_IDLE, "relay ran")

    assert Broken(Promise.ALWAYS_SETTLES).found(trial) is None


def test_the_promise_broken_in_another_way_is_not_the_accident() -> None:
    trial = broken_trial(Promise.ALWAYS_SETTLES, "the queue holds 3 messages")

    assert Broken(Promise.ALWAYS_SETTLES, like="waits for").found(trial) is None


def test_customers_turned_away_and_nothing_lost_is_found() -> None:
    trial = a_trial(answers=answered(503, 201, 503))

    assert TurnedAway().found(trial) == "503 answered 2 times, 202 never, and every promise held"


def test_it_is_no_honest_no_if_one_was_told_yes_or_something_broke() -> None:
    def found(trial: Trial) -> str | None:
        return TurnedAway().found(trial)

    assert found(a_trial(answers=answered(201, 200))) is None
    assert found(a_trial(answers=answered(503, 202))) is None
    lost = broken_trial(Promise.ACKNOWLEDGED_IS_DURABLE, "lost", answers=answered(503, 201))
    assert found(lost) is None


def test_a_violation_counts_however_many_examples_are_kept() -> None:
    trial = a_trial()
    key = trial.run.placed[0].key
    many = [Violation(Promise.ALWAYS_SETTLES, key, f"waits for {n}") for n in range(9)]
    trial.run.promises = judged(many)

    evidence = Broken(Promise.ALWAYS_SETTLES).found(trial)
    assert evidence is not None
    assert "broken 9 times" in evidence
