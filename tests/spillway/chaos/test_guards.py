"""Guards are removed from the service as it is today, and only they."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from spillway.chaos.guards import (
    GUARDS,
    PARTIAL_FAILURES_READ,
    WATCHDOG,
    Guard,
    Patch,
    sources,
    without,
    zipped,
)
from spillway.chaos.scenarios import SCENARIOS
from spillway.errors import SpillwayError

INTACT = {"aws/table.py": "if new:\n    put()\n", "ports.py": "class Orders: ...\n"}


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.removed)
def test_each_guard_is_where_its_patch_looks_for_it(guard: Guard) -> None:
    patched = without([guard], sources())

    changed = {file for file in patched if patched[file] != sources()[file]}
    assert changed == {patch.file for patch in guard.patches}
    for file in changed:
        ast.parse(patched[file])


def test_guards_that_are_removed_together_do_not_hinder_each_other() -> None:
    for scenario in SCENARIOS:
        for control in scenario.controls:
            without(control.guards, sources())


def test_every_guard_is_removed_by_some_control() -> None:
    removed = {g for scenario in SCENARIOS for c in scenario.controls for g in c.guards}

    assert removed == set(GUARDS)


def test_a_guard_that_is_not_where_it_was_is_told_with_what_to_do() -> None:
    gone = Guard("it forgets", (Patch("ports.py", "class Payments", "class Nothing"),))

    with pytest.raises(SpillwayError, match=r"orders/ports.py is not where it was: bring its"):
        without([gone], INTACT)


def test_a_guard_that_could_be_meant_twice_is_refused() -> None:
    twice = Guard("it forgets", (Patch("aws/table.py", "p", "q"),))

    with pytest.raises(SpillwayError, match="is not where it was"):
        without([twice], {"aws/table.py": "put() or post()"})


def test_removing_a_guard_leaves_the_service_itself_as_it_is() -> None:
    before = dict(sources())

    without([WATCHDOG], sources())

    assert sources() == before


@pytest.mark.parametrize(("guards", "raises"), [([PARTIAL_FAILURES_READ], False), ([], True)])
def test_the_code_that_is_deployed_is_the_service_without_its_guard(
    guards: list[Guard], raises: bool, tmp_path: Path
) -> None:
    code = zipped(without(guards, sources()))
    zipfile.ZipFile(io.BytesIO(code)).extractall(tmp_path)
    asks = "from orders.aws.queues import raise_if_any_failed as ask; ask('', [{'Code': 'Busy'}])"

    done = subprocess.run(  # noqa: S603 -- the command is ours
        [sys.executable, "-c", asks],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ("TransientFailure" in done.stderr) is raises
    assert (done.returncode != 0) is raises
