"""A downstream that is down is asked less and less often, and never later than it must be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orders.domain.backoff import ASK, DELIVER, DRAIN, Backoff

jitters = st.floats(0, 1, exclude_max=True)


def test_the_wait_doubles_and_is_capped() -> None:
    waits = [ASK.delay_seconds(count, 0.999999) for count in range(1, 14)]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]


def test_no_step_waits_longer_than_half_of_the_outage_that_it_waited_for() -> None:
    """Nor than three minutes. Each wait so far was the shortest here, and the last the longest."""
    outage = 0
    for tries in range(1, 50):
        assert DELIVER.delay_seconds(tries, 0.999999) <= min(180, 3 + outage / 2)
        outage += DELIVER.delay_seconds(tries, 0.0)


@given(st.integers(1, 10_000), jitters)
def test_the_wait_lies_in_the_upper_half_of_its_ceiling(count: int, jitter: float) -> None:
    ceiling = DELIVER.delay_seconds(count, 0.999999999)
    assert max(1, ceiling // 2) <= DELIVER.delay_seconds(count, jitter) <= ceiling


def test_an_outage_of_a_day_passes_within_the_tries_that_a_queue_allows() -> None:
    """SQS counts to 1,000, and the unluckiest message has the shortest wait each time."""
    tries, passed = 0, 0
    while passed < 24 * 60 * 60:
        tries += 1
        passed += DELIVER.delay_seconds(tries, 0.0)
    assert tries < 1_000


def test_an_overflowed_order_waits_minutes_and_not_a_quarter_of_an_hour() -> None:
    assert DRAIN.delay_seconds(50, 0.999999) == 180


def test_any_backoff_starts_where_it_is_told() -> None:
    looks = [Backoff(900, 14_400).delay_seconds(attempt, 0.999999) for attempt in range(1, 8)]
    assert looks == [900, 1_800, 3_600, 7_200, 14_400, 14_400, 14_400]
