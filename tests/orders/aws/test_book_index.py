"""Which price book is in force when."""

from __future__ import annotations

import pytest

from orders.aws.book_index import BookIndex, Entry, decode_index, encode_index
from orders.domain.units import Millis


def index(*entries: tuple[str, int, bool]) -> BookIndex:
    return BookIndex(tuple(Entry(name, Millis(begins), gone) for name, begins, gone in entries))


def test_it_comes_back_as_it_was_put() -> None:
    one = index(("v1", 10, True), ("v2", 20, False))
    assert decode_index(encode_index(one)) == one


@pytest.mark.parametrize(("at", "version"), [(10, "v1"), (19, "v1"), (20, "v2"), (99, "v2")])
def test_a_book_is_in_force_until_the_next_begins(at: int, version: str) -> None:
    found = index(("v1", 10, False), ("v2", 20, False)).in_force(Millis(at), Millis(99))
    assert found is not None
    assert found.version == version


@pytest.mark.parametrize(("at", "version"), [(5, "v1"), (15, "v1"), (25, "v3"), (35, "v3")])
def test_an_order_of_a_withdrawn_books_time_is_priced_by_one_that_is_not(
    at: int, version: str
) -> None:
    found = index(("v1", 10, False), ("v2", 20, True), ("v3", 30, False)).in_force(
        Millis(at), Millis(99)
    )
    assert found is not None
    assert found.version == version


def test_where_nothing_came_after_a_withdrawn_book_the_one_before_counts_again() -> None:
    found = index(("v1", 10, False), ("v2", 20, False), ("v3", 30, True)).in_force(
        Millis(35), Millis(35)
    )
    assert found is not None
    assert found.version == "v2"


def test_before_the_first_book_the_first_one_counts() -> None:
    """For an order that was made before it began, and comes later."""
    found = index(("v1", 10, True), ("v2", 20, False)).in_force(Millis(1), Millis(20))
    assert found is not None
    assert found.version == "v2"


@pytest.mark.parametrize(
    ("entries", "version"),
    [
        ([("v1", 10, True), ("v2", 20, False), ("planned", 90, False)], "v2"),
        ([("v1", 10, False), ("v2", 20, True), ("planned", 90, False)], "v1"),
        ([("v1", 10, True), ("planned", 90, False)], None),
        ([("planned", 90, False)], None),
    ],
)
@pytest.mark.parametrize("at", [5, 15, 25, 50])
def test_a_book_that_has_not_begun_takes_nobodys_place(
    entries: list[tuple[str, int, bool]], version: str | None, at: int
) -> None:
    found = index(*entries).in_force(Millis(at), Millis(50))
    assert (found.version if found else None) == version


def test_there_may_be_none() -> None:
    assert index().in_force(Millis(1), Millis(99)) is None
    assert index(("v1", 1, True)).in_force(Millis(1), Millis(99)) is None


def test_the_books_before_one_are_the_latest_first_without_the_withdrawn() -> None:
    one = index(("v1", 10, False), ("v2", 20, True), ("v3", 30, False), ("v4", 40, False))
    assert [entry.version for entry in one.before(one.entries[3])] == ["v3", "v1"]
    assert not [*one.before(one.entries[0])]
