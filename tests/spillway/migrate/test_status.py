"""One page on a migration: what it says in each phase, and when it calls a person."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from spillway.cli import app
from spillway.errors import SpillwayError
from spillway.migrate.copying import Copy
from spillway.migrate.following import Follow
from spillway.migrate.new.state import Phase, Standing, State, Verified, comparable
from spillway.migrate.old.position import Position
from spillway.migrate.status import Status, read_status
from spillway.migrate.terminal import show_status, status_document
from spillway.run.stack.aws import client
from tests.spillway.migrate.legacy import Shop, rows
from tests.spillway.migrate.tables import config_file, config_for, make_orders_table, migration

NOTHING: Any = lambda *_: None  # noqa: E731
HOUR = 3_600_000
NOW = 1_800_000_000_000
FOLLOWING = Standing(
    phase="following",
    copied=12_345,
    followed=Position("binlog.000007", 4_711),
    heard_at=NOW - 500,
    changed_at=NOW - 2 * HOUR,
    lag_ms=400,
    owner="mover/77",
    work="follow",
    since=NOW - 90 * HOUR,
    until=NOW + 20_000,
)
EQUAL = Verified(NOW - 10 * HOUR, "equal", "no difference", 12_340, 12_340, 0)
BACK = replace(EQUAL, back=True)
DIFFERS = Verified(NOW - 10 * HOUR, "differs", "3 of 12,340 orders differ", 12_340, 12_340, 3)
HEALTHY = Status("orders-migration", NOW, FOLLOWING, EQUAL, 3, {"status_unknown": 2})


def shown(status: Status) -> str:
    written = io.StringIO()
    show_status(status, Console(file=written, width=140))
    return written.getvalue()


def test_it_shows_what_is_heard_apart_from_what_has_changed_and_what_is_proven() -> None:
    assert HEALTHY.needs == []
    page = shown(HEALTHY)
    for fact in (
        *("following", "12,345 orders", "mover/77", "0.4 s behind", "binlog.000007"),
        *("heard 0 s ago", "last change of an order 2 h ago", "status_unknown 2"),
        *("10 h ago, 12,340 orders: no difference", "cutover --dry-run"),
    ):
        assert fact in page
    document = status_document(HEALTHY)
    assert (document["healthy"], document["running"], document["phase"]) == (
        True,
        True,
        "following",
    )
    assert document["quarantine"] == {"orders": 3, "rules": {"status_unknown": 2}}
    assert document["verified"]["result"] == "equal"


@pytest.mark.parametrize(
    ("standing", "verified", "need"),
    [
        ({"until": NOW - 1}, EQUAL, r"`spillway migrate follow` does not run: start it.*says why"),
        ({"until": 0, "work": "copy"}, EQUAL, r"follow` does not run"),
        ({"lag_ms": HOUR}, EQUAL, r"`follow` is 1 h behind: raise"),
        ({"heard_at": NOW - HOUR}, EQUAL, r"last heard 1 h ago"),
        ({}, DIFFERS, r"The last `verify`: 3 of 12,340 orders differ"),
        ({}, replace(EQUAL, result="unsure", summary="Not sure"), "Not sure"),
        ({}, replace(EQUAL, at=NOW - 60 * HOUR), r"No `verify` for 2 d 12 h: run"),
        ({}, None, r"No `verify` for 3 d 18 h: run"),
        ({"phase": "copying", "work": "copy", "until": 0}, None, r"`spillway migrate copy` does"),
        ({"phase": "switched", "work": "back", "until": 0}, BACK, r"back` does not run.*24 hours"),
        ({"phase": "switched", "work": "back", "waiting": 2}, BACK, "could not write 2 new or"),
        ({"phase": "switched", "work": "back"}, EQUAL, r"No `verify --back` for"),
        ({"phase": "switched", "work": "back"}, replace(DIFFERS, back=True), "3 of 12,340"),
    ],
)
def test_it_calls_a_person_and_names_the_next_step(
    standing: dict[str, Any], verified: Verified | None, need: str
) -> None:
    status = replace(HEALTHY, standing=replace(FOLLOWING, **standing), verified=verified)
    (one,) = status.needs
    assert re.search(need, one), one
    assert one in shown(status).replace("\n", " ")
    assert status_document(status)["healthy"] is False


@pytest.mark.parametrize(
    ("standing", "verified"),
    [
        ({"phase": "new", "work": "", "until": 0}, None),
        ({"phase": "copying", "work": "copy"}, None),
        # Again, after a change of the mapping.
        ({"work": "copy", "heard_at": 0}, EQUAL),
        # Just started: nothing is heard yet, and there was no night.
        ({"since": NOW - 1_000, "heard_at": 0, "changed_at": 0}, None),
        ({"phase": "switched", "work": "back", "heard_at": 0}, BACK),
    ],
)
def test_it_calls_nobody_where_all_is_as_it_should_be(
    standing: dict[str, Any], verified: Verified | None
) -> None:
    status = replace(HEALTHY, standing=replace(FOLLOWING, **standing), verified=verified)
    assert status.needs == []
    assert f"Next: {status.next}" in shown(status)


@pytest.mark.parametrize(
    ("phase", "back", "step"),
    [
        ("new", False, "run `spillway migrate copy` first"),
        ("copying", False, "run `spillway migrate copy` first"),
        ("following", True, "without --back"),
        ("switched", False, "verify --back"),
    ],
)
def test_verify_says_why_there_is_nothing_to_compare(phase: Phase, back: bool, step: str) -> None:
    with pytest.raises(SpillwayError, match=step) as error:
        comparable(phase, back=back)
    assert error.value.exit_code == 3
    comparable("switched", back=True)
    comparable("following", back=False)


def test_it_needs_no_old_database_and_keeps_what_verify_found(
    shop: Shop, aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("OLD_SHOP", raising=False)
    dynamodb = client(aws, "dynamodb")
    table = make_orders_table(dynamodb)
    file = str(config_file(shop, table, tmp_path))

    def run(command: str) -> Any:
        return CliRunner().invoke(app, ["migrate", command, "--config", file])

    assert "Nothing is migrated yet" in str(run("status").exception)
    monkeypatch.setenv("OLD_SHOP", shop.server.url(shop.database))
    nothing_yet = run("verify").exception
    assert isinstance(nothing_yet, SpillwayError)
    assert "`spillway migrate copy` makes it" in str(nothing_yet)

    shop.fill(rows(1, 40, hostile=0.5))
    with migration(shop, dynamodb, config_for(shop, table, tmp_path)) as parts:
        tally = Copy(parts, NOTHING).run()
        Follow(parts, NOTHING).run(until_caught_up=True)
    verified = run("verify")
    assert (verified.exit_code, "no difference" in verified.stdout) == (0, True)
    shop.run("UPDATE orders SET city = 'Hull' WHERE status = 'shipped' LIMIT 1")
    unsure = run("verify")
    assert unsure.exit_code == 3
    assert "address.city (column city): 'Hull' in the old table" in unsure.stdout
    assert "`spillway migrate follow` does not run" in unsure.stdout

    monkeypatch.delenv("OLD_SHOP")
    status = run("status")
    assert status.exit_code == 1
    assert "The last `verify`: Not sure: 1 of" in status.stdout
    found = read_status(State(dynamodb, f"{table}-migration"))
    assert (found.quarantined, found.open) == (tally.quarantined, tally.open)
    assert sum(found.rules.values()) >= tally.quarantined
    assert found.standing.copied == tally.written + tally.quarantined
    assert found.verified is not None
    assert (found.verified.result, found.verified.differences) == ("unsure", 1)
