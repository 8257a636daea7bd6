"""What the benchmarks time is also counted: growth that can be seen without a clock."""

from __future__ import annotations

from benchmarks import scaling


def test_a_page_of_a_history_reads_as_much_however_long_the_history_is() -> None:
    short, long = (scaling.history_page(size) for size in (40, 400))
    # Twenty orders with their progress, one item more to see whether that is all, and its order.
    assert short.items == long.items == 42


def test_a_whole_history_is_read_once() -> None:
    # Two items an order; and at the end of each page but the last, what shows that it goes on.
    assert scaling.whole_history(100).items == (200 + 4 * 2) / 100


def test_an_audit_settles_every_order_that_is_made_up_for_it() -> None:
    """Or it would be timed at something else."""
    found = scaling.audited(50)
    assert found.size == 50
    assert found.memory > 0
