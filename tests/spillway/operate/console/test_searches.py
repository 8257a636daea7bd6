"""Readings of the table for the console's lists: kept, repeated where that is free, and honest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spillway.operate.console.searches import SEARCHES_MAX, Searches
from tests.builders import accepted, order_id, order_key
from tests.spillway.operate.console.builders import browser
from tests.spillway.operate.console.test_pages import a_state_with, a_table
from tests.spillway.operate.fakes import FakeTable, service


class Broken(FakeTable):
    def paginate(self, **_: Any) -> Any:
        raise RuntimeError("a bug")


def test_a_reading_that_fails_is_no_empty_list() -> None:
    state = a_state_with(Broken())
    search = state.searches.of("PO-1", unsettled_only=False)
    with pytest.raises(RuntimeError):
        search.read(state.service)
    page = browser(state).get("/orders?q=PO-1").text
    assert "The table could not be read: RuntimeError." in page
    assert "order was found by" not in page


def test_on_the_emulator_a_list_is_read_again_and_knows_what_has_come() -> None:
    table = a_table(accepted(order_key("c", order_id())))
    emulated = replace(service(dynamodb=table), emulator="http://127.0.0.1:1")
    seconds = iter((100.0, 101.0, 200.0))
    searches = Searches(emulated, 2.0, now=lambda: next(seconds))
    search = searches.fresh(searches.of("", unsettled_only=False))
    assert search.found is not None
    assert len(search.found.orders) == 1
    table.add(accepted(order_key("c", order_id())))
    search.read_at = 100.0
    assert len(searches.fresh(search).found.orders) == 1  # type: ignore[union-attr]
    assert len(searches.fresh(search).found.orders) == 2  # type: ignore[union-attr]


def test_only_the_latest_lists_are_kept() -> None:
    searches = Searches(service(), 2.0)
    first = searches.of("0", unsettled_only=False)
    for text in map(str, range(SEARCHES_MAX)):
        searches.of(text, unsettled_only=False)
    assert searches.of("0", unsettled_only=False) is first
    searches.of("new", unsettled_only=False)
    searches.of("newer", unsettled_only=False)
    assert searches.of("1", unsettled_only=False).found is None
    assert searches.keep("ada@example.com") == searches.keep("ada@example.com")
