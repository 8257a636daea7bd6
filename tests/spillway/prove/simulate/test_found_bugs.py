"""What the simulation found: each bug with the seed that finds it again.

The bug is brought back as a mutant, because a seed whose schedule has changed would prove nothing.
"""

from __future__ import annotations

import pytest

from simulation.world.world import World
from spillway.prove.simulate.kill import kill_all
from spillway.prove.simulate.plan import planned
from spillway.prove.simulate.schedule import run


@pytest.mark.parametrize(
    ("bug", "seed", "promise"),
    [
        # A message that another copy had finished with could not be postponed: SQS answers
        # InvalidParameterValue, which counted as a bug of ours and rang its alarm.
        pytest.param("gone-message-is-a-bug", 182, "no_bugs", id="a_message_that_is_gone"),
        # Of the two ways to stop a shipment the second was answered when the first had settled the
        # order: announced again, the same event had another time.
        pytest.param("event-with-two-times", 1106, "announced", id="an_event_with_two_times"),
    ],
)
def test_the_seed_that_found_a_bug_finds_it_again(bug: str, seed: int, promise: str) -> None:
    [result] = kill_all([bug], seed_from=seed, seeds_max=1)
    assert result.seed == seed
    assert result.broken.startswith(promise)


def test_a_command_whose_outcome_came_meanwhile_was_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one seed of the first million that broke was the invariant checker's mistake: the
    outcome came between the watchdog's look at an order and its sending, six seconds later."""
    assert run(planned(961_425)).broken == ()
    monkeypatch.setattr(World, "_is_on_record", lambda *_: False)
    [broken] = run(planned(961_425)).broken
    assert str(broken).startswith("no_command_lost")
