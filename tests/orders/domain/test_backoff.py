"""A downstream that is down is asked less and less often, and never later than it must be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orders.domain.backoff import DELAY_MAX_SECONDS, delay_seconds

jitters = st.floats(0, 1, exclude_max=True)


def test_the_wait_doubles_and_is_capped_at_fifteen_minutes() -> None:
    waits = [delay_seconds(count, 0.999999) for count in range(1, 14)]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]


@given(st.integers(1, 10_000), jitters)
def test_the_wait_lies_in_the_upper_half_of_its_ceiling(count: int, jitter: float) -> None:
    ceiling = delay_seconds(count, 0.999999999)
    assert max(1, ceiling // 2) <= delay_seconds(count, jitter) <= ceiling


def test_an_outage_of_a_day_passes_within_the_tries_that_a_queue_allows() -> None:
    """The queues' receive count (infra) is set by this sum."""
    tries, passed = 0, 0
    while passed < 24 * 60 * 60:
        tries += 1
        passed += delay_seconds(tries, 0.0)
    assert tries < 220
    assert delay_seconds(tries, 0.0) <= DELAY_MAX_SECONDS
