"""The comparison alone, on sides that are lists: what it must never pass over, and never accuse."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from rich.console import Console

from spillway.errors import SpillwayError
from spillway.migrate.config import Config, read_config
from spillway.migrate.terminal import show_verdict
from spillway.migrate.verifying.canonical import Canonical, Place, State
from spillway.migrate.verifying.comparing import CANDIDATES_MAX, FollowState, Verdict, Verify
from spillway.migrate.verifying.comparing_back import VerifyBack
from spillway.migrate.verifying.naming import differing
from spillway.migrate.verifying.new import NewSide
from spillway.migrate.verifying.old import OldSide, Read
from spillway.migrate.verifying.sums import Sums, groups_for, unequal
from tests.spillway.migrate.legacy import DOCS

PER_ORDER = read_config(DOCS / "row-per-order.toml")
PER_LINE = read_config(DOCS / "row-per-line.toml")
AT = 1_654_255_800_000
CONFIRMED = State(("post", "reserve", "ship"), (("cancel_shipment", "too_late"),), at=(AT,))


def order(key: str, **fields: Any) -> Canonical:
    made = Canonical(
        old_key=key,
        customer="legacy|5",
        order_id=f"id-{key}",
        accepted_at=AT,
        state=CONFIRMED,
        channel="web",
        currency="GBP",
        lines=(("MUG", 1, 400), ("CUP", 2, 150), ("PAN", 1, 900)),
        total=1_600,
        address=(("name", "Ada"), ("line 1", "1 High Street"), ("city", "Leeds")),
        payment=f"pay-{key}",
    )
    return made._replace(**fields)


@dataclass
class Old:
    """The old side: readings of everything take turns with what they find."""

    readings: list[Sequence[Read]]
    #: What a look by number finds, in turns; by default what the last reading found.
    looks: list[Sequence[Read]] = field(default_factory=list)
    config: Config = PER_ORDER

    def all(self) -> Iterator[Read]:
        yield from self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    def some(self, keys: Sequence[str]) -> Iterator[Read]:
        looks = self.looks or self.readings[-1:]
        found = looks.pop(0) if len(looks) > 1 else looks[0]
        return (read for read in found if read[0] in keys)

    def numbers(self) -> Iterator[str]:
        return (key for key, _ in self.readings[0])

    def present(self, keys: Collection[str]) -> set[str]:
        return {number for number in self.numbers() if number in keys}

    def sample(self, size: int) -> list[str]:
        return [key for key, _ in self.readings[0]][:size]


@dataclass
class New:
    readings: list[Sequence[Canonical]]

    def imported(self) -> Iterator[Canonical]:
        yield from self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    everything = imported

    def some(self, places: Sequence[Place]) -> dict[Place, Canonical]:
        return {one.place: one for one in self.readings[-1] if one.place in places}


def compared(
    old: Old,
    new: New,
    *,
    followed: Sequence[FollowState] = ("caught up",),
    quarantined: Mapping[str, bool] | None = None,
    candidates_max: int = CANDIDATES_MAX,
    sample: int | None = None,
) -> Verdict:
    turns = list(followed)
    return Verify(
        cast("OldSide", old),
        cast("NewSide", new),
        lambda: quarantined or {},
        lambda: turns.pop(0) if len(turns) > 1 else turns[0],
        lambda *_: None,
        pause_seconds=0,
        candidates_max=candidates_max,
    ).compare(sample)


def reads(*orders: Canonical) -> list[Read]:
    return [(one.old_key, one) for one in orders]


A, B, C = map(order, "ABC")


def test_equal_sides_are_equal() -> None:
    verdict = compared(Old([reads(A, B, C)]), New([[C, B, A]]))
    assert (verdict.result, verdict.orders_looked_at_again) == ("equal", 0)
    assert verdict.months == {"2022-06": {"old": (3, 4_800), "new": (3, 4_800)}}


@pytest.mark.parametrize(
    ("other", "field", "column", "sides"),
    [
        (B._replace(total=1_601), "total", "total", (1_600, 1_601)),
        (B._replace(customer="legacy|6"), "customer", "customer_id", ("legacy|5", "legacy|6")),
        (
            B._replace(accepted_at=1_000, order_id="other", state=CONFIRMED._replace(at=(1_000,))),
            *("accepted_at", "placed_at"),
            ("2022-06-03T11:30:00.000Z", "1970-01-01T00:00:01.000Z"),
        ),
        (B._replace(channel="app"), "channel", "channel", ("web", "app")),
        (B._replace(payment="x"), "payment", "payment_ref", ("pay-B", "x")),
        (B._replace(state=State()), "status", "status", (str(CONFIRMED), str(State()))),
        (B._replace(address=(*B.address, ("phone", "1"))), "address.phone", "phone", ("", "1")),
        (B._replace(address=B.address[:2]), "address.city", "city", ("Leeds", "")),
        (
            B._replace(lines=(("MUG", 1, 400), ("CUP", 3, 150), ("PAN", 1, 900))),
            *("line 2 (CUP) quantity", "items", (2, 3)),
        ),
    ],
)
def test_a_difference_is_named_by_number_field_column_and_both_values(
    other: Canonical, field: str, column: str, sides: tuple[Any, Any]
) -> None:
    verdict = compared(Old([reads(A, B, C)]), New([[A, other, C]]))
    (found,) = verdict.differences
    assert (verdict.result, found.key, found.kind) == ("differs", "B", "differs")
    old, new = sides
    assert found.fields == {field: {"column": column, "old": old, "new": new}}


def printed(verdict: Verdict) -> list[str]:
    """Without a terminal, as in a nightly log."""
    written = io.StringIO()
    show_verdict(verdict, Console(file=written, width=80))
    return written.getvalue().splitlines()


def test_a_nightly_log_has_one_line_or_all_that_differs() -> None:
    assert printed(compared(Old([reads(A, B)]), New([[A, B]]))) == [
        "2 orders on 1 day: no difference."
    ]
    dearer = A._replace(lines=(*A.lines[:2], ("PAN", 1, 901)), total=1_601)
    lines = printed(compared(Old([reads(A, B)]), New([[dearer]])))
    assert [line for line in lines if "order" in line and line[0] not in "╭│"] == [
        "order A: differs",
        "order B: not in the orders table",
        "2 of 2 orders differ.",
    ]
    assert "    total: 1600 in the old table, 1601 in the new" in lines
    assert (
        "    line 3 (PAN) unit_price (column items): 900 in the old table, 901 in the new" in lines
    )
    shorter = A._replace(lines=A.lines[:2])
    lines = printed(compared(Old([reads(A)]), New([[shorter]])))
    assert "    line 3 (column items): 1 of PAN at 900 in the old table, none in the new" in lines


def test_of_lines_it_says_which_one_and_a_missing_one_makes_no_other_differ() -> None:
    mug, cup, pan = B.lines
    dearer = ("PAN", 1, 901)
    for theirs, expected in (
        ((mug, cup, dearer), {"line 3 (PAN) unit_price": ("unit_price", 900, 901)}),
        ((mug, pan), {"line 2": (None, cup, None)}),
        ((mug, cup, cup, pan), {"line 3": (None, None, cup)}),
        ((), {f"line {place}": (None, one, None) for place, one in enumerate(B.lines, 1)}),
    ):
        found = differing(PER_LINE, B, B._replace(lines=theirs))
        assert {
            name: (sides["column"], sides["old"], sides["new"]) for name, sides in found.items()
        } == expected


def test_a_time_of_settling_that_differs_is_of_its_own_column() -> None:
    later = B._replace(state=CONFIRMED._replace(at=(10,)))
    assert differing(PER_ORDER, B, later)["status"]["column"] == "updated_at"
    assert differing(PER_LINE, B, later)["status"]["column"] == "invoiced_at"


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (reads(A, B), [A], "not in the orders table"),
        (reads(A), [A, B], "only in the orders table"),
        (reads(A, B), [A, B, B._replace(customer="other")], "more than once in the orders table"),
        # The same one twice: only the count differs, and a look sees one.
        (reads(A, B), [A, B, B], "more than once in the orders table"),
        ([*reads(A), ("B", None)], [A], "no order in the old table, and not in quarantine"),
        ([*reads(A), ("", None)], [A], "no order in the old table, and not in quarantine"),
    ],
)
def test_an_order_that_one_side_lacks_or_has_twice_is_a_difference(
    old: list[Read], new: list[Canonical], kind: str
) -> None:
    (found,) = compared(Old([old]), New([new])).differences
    assert found.key in ("B", "")
    assert kind in found.kind


@pytest.mark.parametrize("blind", [True, False])
def test_what_a_look_clears_is_a_difference_if_two_readings_show_it(blind: bool) -> None:
    """The look finds nothing, or another order than the reading; and another order differs."""
    looks: list[Sequence[Read]] = [[]] if blind else [reads(A, B, C._replace(total=5))]
    changed = [A._replace(total=7), B._replace(total=9), C]
    verdict = compared(Old([reads(A, B, C)], looks), New([changed]))
    found = {one.key: one for one in verdict.differences}
    assert set(found) >= {"A", "B"}
    assert "a look by its number" in found["A"].kind or not blind
    assert found["A"].fields["total"] == {"column": "total", "old": 1_600, "new": 7}


def test_an_order_that_no_look_finds_is_a_difference_even_if_it_changes_meanwhile() -> None:
    readings = [reads(A, B._replace(total=total)) for total in (1, 2, 3)]
    verdict = compared(Old(cast("Any", readings), [[]]), New([[A, B]]))
    (found,) = verdict.differences
    assert (found.key, found.fields["total"]["old"]) == ("B", 3)


def test_a_row_that_no_look_finds_and_that_is_no_order_is_a_difference() -> None:
    verdict = compared(Old([[*reads(A), ("B", None)]], [[]]), New([[A]]))
    assert [one.key for one in verdict.differences] == ["B"]
    put_aside = compared(Old([[*reads(A), ("B", None)]]), New([[A]]), quarantined={"B": False})
    assert (put_aside.result, put_aside.quarantined) == ("equal", 1)


def test_orders_that_changed_while_they_were_read_are_no_difference() -> None:
    """Each reading meets another order in flight, and every look finds it arrived."""
    later = A._replace(total=2_000)
    old = Old([reads(A, B), reads(A, B), reads(later, B)], [reads(later, B)])
    new = New([[later, B]])
    assert compared(old, new).result == "equal"


def test_an_order_that_differs_in_another_way_at_each_look_is_no_difference_yet() -> None:
    looks = [reads(A._replace(total=total)) for total in range(10)]
    verdict = compared(Old([reads(A._replace(total=1))], cast("Any", looks)), New([[A]]))
    assert (verdict.result, verdict.differences) == ("unsure", [])
    assert [one.key for one in verdict.unsettled] == ["A"]
    assert "quieter hour" in verdict.summary


def test_one_that_stays_is_final_while_another_one_keeps_changing() -> None:
    looks = [reads(A._replace(total=total), B._replace(total=9)) for total in range(10)]
    old = Old([reads(A._replace(total=1), B._replace(total=9))], cast("Any", looks))
    verdict = compared(old, New([[A, B]]))
    assert [one.key for one in verdict.differences] == ["B"]
    assert [one.key for one in verdict.unsettled] == ["A"]
    assert verdict.result == "differs"


@pytest.mark.parametrize("sample", [None, 10])
def test_what_may_not_be_written_yet_is_not_called_a_difference(sample: int | None) -> None:
    def found(*followed: FollowState, total: int = 1) -> Verdict:
        new = New([[A, B._replace(total=total)]])
        return compared(Old([reads(A, B)]), new, followed=followed, sample=sample)

    assert found("stopped", total=B.total).result == "equal"
    verdict = found("stopped")
    assert verdict.result == "unsure"
    assert [one.key for one in verdict.differences] == ["B"]
    assert "does not run" in verdict.summary
    assert "start it" in verdict.summary
    assert found("caught up", "behind").result == "unsure"
    assert found("stopped", "caught up").result == "unsure"
    assert found("caught up").result == "differs"


def test_while_follow_does_not_catch_up_nothing_is_read() -> None:
    with pytest.raises(SpillwayError, match=r"does not catch up.*migrate status"):
        compared(Old([[]]), New([[]]), followed=["behind"])


def test_more_that_may_differ_than_are_looked_at_is_never_equal() -> None:
    many = [order(str(number)) for number in range(200)]
    changed = [one._replace(total=1) for one in many]
    verdict = compared(Old([reads(*many)]), New([changed]), candidates_max=20)
    assert verdict.result == "differs"
    assert 0 < len(verdict.differences) <= 20
    assert verdict.orders_not_looked_at >= 150
    # What is looked at has arrived; of the rest nothing is known.
    in_flight = Old([reads(*many), reads(*changed)])
    verdict = compared(in_flight, New([changed]), candidates_max=20)
    assert (verdict.result, verdict.differences) == ("unsure", [])
    assert "more may differ" in verdict.summary


def test_groups_grow_with_the_table_and_have_an_end() -> None:
    sizes = [groups_for(orders) for orders in (0, 10_000, 1_000_000, 10**7, 10**8, 10**10)]
    assert sizes == [2**16, 2**16, 2**19, 2**22, 2**22, 2**22]
    for groups in sizes[:3]:
        old, new = Sums(groups), Sums(groups)
        for number in range(1_000):
            old.add(str(number), number)
            new.add(str(number), number if number != 77 else 78)
        found = unequal(old, new, 100_000)
        assert "77" in found
        assert len(found.groups) == 1


def test_a_sampled_order_that_no_look_finds_is_a_difference() -> None:
    verdict = compared(Old([reads(A, B)], [reads(A)]), New([[A, B]]), sample=2)
    assert [one.key for one in verdict.differences] == ["B"]


def test_verify_back_names_the_orders_that_only_the_old_table_has() -> None:
    """Also where something else differs; what was never migrated is not among them."""
    old = Old([reads(A, B, C, order("D"))])
    dearer = B._replace(total=9)
    judge = VerifyBack(
        cast("OldSide", old), cast("NewSide", New([[A, dearer]])), NOTHING, lambda: {"D": False}
    )
    judge.pause_seconds = 0
    verdict = judge.run()
    assert [(one.key, one.kind) for one in verdict.differences] == [
        ("B", "differs"),
        ("C", "only in the old table"),
    ]
    assert (verdict.old_orders, verdict.new_orders, verdict.quarantined) == (3, 2, 1)


NOTHING: Callable[..., None] = lambda *_: None  # noqa: E731
