"""The runbook says which commands write, and which queues can hold dead letters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from infra.alarms import QUEUES_WITH_DEAD_LETTERS
from orders.domain.status import Status
from spillway.cli import app

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook"
PAGE = (RUNBOOK / "README.md").read_text()

#: Commands that change nothing of a running service. A new command belongs here or on the page.
READ_ONLY = {
    *("status", "logs", "orders show", "orders list", "audit", "smoke", "doctor", "token"),
    *("simulate", "cost", "capacity", "migrate check"),
    *("migrate init", "migrate verify", "migrate status"),
    *("prices check", "prices show", "prices history", "coupons show"),
}
#: An option that only a command which writes has.
SAFEGUARDS = {"--dry-run", "--yes"}


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that can be run, by its words."""
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", None)
        if below is None:
            yield name, command
        else:
            yield from ((f"{name} {word}", part) for word, part in below.items())


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def writing() -> set[str]:
    """The commands that the page lists as writing, on a stage or on this machine."""
    text = section("Commands that write")
    rows = dict(re.findall(r"^\| `spillway ([\w ]+)` \| (.+) \|$", text, re.MULTILINE))
    of_migrate = re.findall(r"`(\w+)`", rows.pop("migrate").partition(" write;")[0])
    local = re.findall(r"`(\w+)`", text.rpartition("|\n\n")[2].partition(" start and end")[0])
    return {*rows, *local, *(f"migrate {name}" for name in of_migrate)}


def test_every_command_reads_only_or_is_listed_as_one_that_writes() -> None:
    assert {name for name, _ in commands()} == writing() | READ_ONLY
    assert not writing() & READ_ONLY


def test_a_command_that_asks_first_or_has_a_dry_run_is_listed_as_one_that_writes() -> None:
    for name, command in commands():
        options = {option for parameter in command.params for option in parameter.opts}
        if options & SAFEGUARDS:
            assert name in writing(), name
        row = re.search(rf"^\| `spillway {name}` \| (.+) \|$", PAGE, re.MULTILINE)
        if row is not None:
            assert ("`--dry-run`" in row[1]) == ("--dry-run" in options), name


def test_every_status_is_explained() -> None:
    explained = section("A customer asks about an order")
    for status in Status:
        assert f"`{status.value}`" in explained


def test_every_queue_with_dead_letters_is_explained() -> None:
    page = (RUNBOOK / "dead-letters.md").read_text()
    meaning = page.partition("**What it means.**")[2].partition("**What to check.**")[0]
    for queue in QUEUES_WITH_DEAD_LETTERS:
        assert f"`{queue}-dead-letters`" in page
        assert f"`{queue}`" in meaning
