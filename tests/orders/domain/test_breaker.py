"""A breaker opens after failures in a row, lets a probe through now and then, and closes."""

from __future__ import annotations

from orders.domain.breaker import FAILURES_MAX, PROBES, Breaker
from orders.domain.units import Millis
from tests.builders import NOW


def opened(at: int = NOW) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_MAX):
        assert breaker.lets_through(Millis(at))
        breaker.unanswered(Millis(at))
    return breaker


def probes(breaker: Breaker, until: int) -> list[int]:
    """After how many seconds it let one through, a look every second."""
    passed = []
    for second in range(until):
        if breaker.lets_through(Millis(NOW + second * 1000)):
            breaker.unanswered(Millis(NOW + second * 1000))
            passed.append(second)
    return passed


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker()
    for _ in range(2 * FAILURES_MAX):
        breaker.unanswered(NOW)
        breaker.answered()
        assert breaker.lets_through(NOW)
    assert not opened().lets_through(NOW)


def test_while_it_is_open_probes_go_through_ever_more_seldom() -> None:
    passed = probes(opened(), 3_600)
    waits = [later - earlier for earlier, later in zip([0, *passed], passed, strict=False)]
    assert waits[:4] == [5, 10, 20, 40]
    assert waits == sorted(waits)
    assert waits[-1] == PROBES.max_seconds


def test_a_probe_that_is_answered_closes_it_and_the_next_outage_is_met_like_the_first() -> None:
    breaker = opened()
    probes(breaker, 600)
    breaker.answered()
    assert all(breaker.lets_through(NOW) for _ in range(100))
    assert probes(opened(), 16) == [5, 15]
    again = breaker
    for _ in range(FAILURES_MAX):
        again.unanswered(NOW)
    assert probes(again, 16) == [5, 15]


def test_calls_that_were_under_way_when_it_opened_do_not_make_it_wait_longer() -> None:
    breaker = opened()
    for _ in range(10):
        breaker.unanswered(NOW)
    assert probes(breaker, 16) == [5, 15]


def test_a_clock_that_is_set_back_does_not_keep_it_open() -> None:
    breaker = opened()
    earlier = Millis(NOW - 3_600_000)
    assert breaker.lets_through(earlier)
    breaker.unanswered(earlier)
    assert not breaker.lets_through(earlier)
