"""A reader with a calculator gets the figures of docs/cost.md from docs/cost.md alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()


def table(name: str) -> list[list[str]]:
    """The cells of its rows, without the head."""
    part = PAGE.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in part.split("\n")[3:-1]]


def number(cell: str) -> float:
    """ "3.24 M" or "0.4 /M" or "0.03 /10 k"."""
    found = re.fullmatch(r"([\d,.]+)\*?(?: (/?)(.+))?", cell)
    assert found is not None, cell
    units = {"M": 1e6, "10 k": 1e4, "1000": 1e3, None: 1.0}[found[3]]
    value = float(found[1].replace(",", ""))
    return value / units if found[2] else value * units


@pytest.mark.parametrize(
    ("items", "row"),
    [("items", "a million web orders, in a crowd"), ("idle", "a month without orders")],
)
def test_a_row_of_the_first_table_by_hand(items: str, row: str) -> None:
    *lines, together = table(items)
    for _, operations, price, listed, free, billed in lines:
        used, each = number(operations), number(price)
        if listed:
            # Four digits that count, in both factors.
            assert used * each == pytest.approx(number(listed), rel=2e-3, abs=1e-4)
        paid = used - (number(free) if free else 0.0)
        assert paid * each == pytest.approx(number(billed), rel=2e-2, abs=2e-4)
    sums = [round(sum(number(line[at]) for line in lines if line[at]), 2) for at in (3, 5)]
    assert sums == [round(number(together[at]), 2) for at in (3, 5)]
    [first] = [cells for cells in table("store") if cells[0] == row]
    assert [f"{amount:.2f}" for amount in sums] == first[1:3]


def test_a_month_by_hand() -> None:
    [kept] = [cells for cells in table("orders") if cells[0] == "kept, each month"]
    stored, keeping, _free, recoverable = map(float, re.findall(r"[\d.]+", kept[3]))
    assert stored * (keeping + recoverable) == pytest.approx(number(kept[2]), abs=0.01)
    [month] = [cells for cells in table("months") if cells[0] == "1,000,000"]
    orders, quiet = table("items")[-1][5], table("idle")[-1][5]
    assert number(quiet) + number(orders) + stored * recoverable == pytest.approx(
        number(month[1]), abs=0.01
    )
    said = re.findall(r"(\d\.\d\d)(?= and| from above| for keeping)", PAGE)
    assert [f"{one:.2f}" for one in (number(quiet), number(orders), stored * recoverable)] == said
