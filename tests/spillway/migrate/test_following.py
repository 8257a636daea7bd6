"""What follow says of a server that says nothing, or the wrong thing. Nothing is started here."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from spillway.errors import SpillwayError
from spillway.migrate.following import (
    DISPLACED_MAX,
    ENDS_SAID_MAX,
    SILENT_SECONDS,
    Follow,
    Lag,
    Work,
    check_server,
)
from spillway.migrate.old.binlog import ConnectionLost, DisplacedError, News
from spillway.migrate.old.position import Position
from spillway.migrate.terminal import followed

HERE = Position("binlog.000001", 500)
QUIET = News((), HERE, 0, log_made=7)


@dataclass
class Answering:
    """An old database whose log ends at `end`."""

    end: Position

    def cursor(self) -> Answering:
        return self

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, _statement: str, _values: object) -> None:
        pass

    def fetchall(self) -> list[tuple[str, ...]]:
        return [(self.end.file, str(self.end.offset), "", "")]


@dataclass
class Noted:
    """A state that keeps what is saved, and what follow tells."""

    saved: dict[str, Any] = field(default_factory=dict)
    lags: list[Lag] = field(default_factory=list)

    def save(self, **values: object) -> None:
        self.saved = values


def working(noted: Noted, end: Position = HERE, began: float = 0.0) -> Work:
    parts: Any = SimpleNamespace(state=noted, applier=SimpleNamespace(apply=None))
    old: Any = SimpleNamespace(
        connection=Answering(end), names=lambda keys: keys, readings=lambda *_, **__: ()
    )
    follow = Follow(parts, noted.lags.append, proof_seconds=0)
    return Work(follow, old, HERE, HERE, 7, began=time.time() - began)


def test_a_server_that_says_nothing_is_not_called_caught_up() -> None:
    noted = Noted()
    work = working(noted, began=SILENT_SECONDS + 4)
    work.note(force=True)
    assert noted.lags[-1].silent >= SILENT_SECONDS + 4
    assert noted.saved["lag_ms"] >= (SILENT_SECONDS + 4) * 1000
    assert "heard_at" not in noted.saved
    work.take(QUIET)
    work.note(force=True)
    assert (noted.lags[-1].silent, noted.lags[-1].seconds) == (0.0, 0.0)
    assert noted.saved["lag_ms"] == 0
    assert noted.saved["heard_at"] == pytest.approx(time.time() * 1000, abs=60_000)
    assert noted.saved["log_made"] == 7


def test_the_screen_says_for_how_long_nothing_was_heard() -> None:
    notes: list[str] = []
    bar: Any = SimpleNamespace(title=lambda _: None, note=notes.append)
    followed(bar, Lag(HERE, 0.0, Follow(Any, print).tally, silent=41.2))  # type: ignore[arg-type]
    assert "nothing heard for 41 s" in notes[0]
    assert "0.0 s behind" not in notes[0]


def test_a_log_that_ends_before_what_was_read_was_reset() -> None:
    work = working(Noted(), end=Position(HERE.file, 499))
    with pytest.raises(SpillwayError, match=r"was reset.*copy --again"):
        work.take(QUIET)


def test_heartbeats_from_a_log_that_goes_on_elsewhere_are_no_proof() -> None:
    work = working(Noted(), end=Position(HERE.file, 900))
    for _ in range(ENDS_SAID_MAX):
        work.take(QUIET)
        work.take(QUIET, latest=False)
    with pytest.raises(ConnectionLost, match="its log goes on"):
        work.take(QUIET)
    work = working(Noted(), end=Position(HERE.file, 900))
    for _ in range(ENDS_SAID_MAX * 3):
        # It is behind, and says so: there is something to read.
        work.take(QUIET)
        work.take(News((), HERE, 1_700_000_000))
    work.take(News((), Position(HERE.file, 900), 0))


def test_the_end_of_the_last_transaction_that_changed_an_order_is_noted() -> None:
    noted = Noted()
    work = working(noted, end=Position(HERE.file, 900))
    work.take(News(("A1",), None, 1_700_000_000))
    work.take(News((), Position(HERE.file, 600), 1_700_000_000))
    work.take(News((), Position(HERE.file, 700), 1_700_000_001))
    work.write()
    work.note(force=True)
    assert noted.saved["changed"] == Position(HERE.file, 600)
    assert noted.saved["followed"] == Position(HERE.file, 700)
    assert noted.saved["changed_at"] == pytest.approx(time.time() * 1000, abs=60_000)


def test_two_readers_of_one_number_do_not_displace_each_other_for_ever() -> None:
    work = working(Noted())
    for _ in range(DISPLACED_MAX - 1):
        work.follow.displaced(DisplacedError("another has it"))
    with pytest.raises(SpillwayError, match="another has it"):
        work.follow.displaced(DisplacedError("another has it"))


@pytest.mark.parametrize(
    ("noted", "now", "same"),
    [
        (None, "1/u", True),
        ("1", "1", True),
        ("1", "2", False),
        # MySQL, and a state of before the UUID was noted.
        ("1", "1/u", True),
        ("1/u", "1/u", True),
        ("1/u", "9/u", True),
        ("1/u", "1/v", False),
    ],
)
def test_a_server_with_another_number_is_the_same_where_its_uuid_is(
    noted: str | None, now: str, *, same: bool
) -> None:
    if same:
        check_server(noted, now)
    else:
        with pytest.raises(SpillwayError, match="another server"):
            check_server(noted, now)
