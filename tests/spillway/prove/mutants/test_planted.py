"""Bugs are planted in the service as it is today, only in the process that asks for it, and each is
caught."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from spillway.prove.mutants.bugs import BUGS
from spillway.prove.mutants.patches import Bug, Patch, PatchMisplaced, planted, sources
from spillway.prove.simulate.hunt import hunt

INTACT = {"aws/table.py": "if new:\n    put()\n", "ports.py": "class Orders: ...\n"}
#: Two that take few seeds. All of them are hunted by `spillway simulate --controls`.
QUICK = ("order-overwritten", "undone-once")


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_bug_is_where_its_patch_looks_for_it_and_is_still_python(bug: Bug) -> None:
    patched = planted([bug], sources())
    changed = {file for file in patched if patched[file] != sources()[file]}
    assert changed == {patch.file for patch in bug.patches}
    for file in changed:
        ast.parse(patched[file])


def test_every_bug_has_a_name_and_a_sentence_of_its_own() -> None:
    assert len({bug.name for bug in BUGS}) == len({bug.sentence for bug in BUGS}) == len(BUGS)


def test_a_guard_that_is_not_where_it_was_is_told_with_what_to_do() -> None:
    gone = Bug("b", "it forgets", (Patch("ports.py", "class Payments", "class Nothing"),))
    with pytest.raises(PatchMisplaced, match=r"orders/ports.py is not where it was: bring its"):
        planted([gone], INTACT)


def test_a_guard_that_could_be_meant_twice_is_refused() -> None:
    twice = Bug("b", "it forgets", (Patch("aws/table.py", "p", "q"),))
    with pytest.raises(PatchMisplaced, match="is not where it was"):
        planted([twice], {"aws/table.py": "put() or post()"})


def test_planting_a_bug_leaves_the_service_itself_as_it_is() -> None:
    before = dict(sources())
    planted(BUGS[:1], sources())
    assert sources() == before


def test_a_process_runs_the_patched_service_and_no_other() -> None:
    asks = (
        "from spillway.prove.simulate.hunt import plant; plant('clash-is-retry');"
        "import inspect, orders.flow.intake as intake; print(intake.__spec__.origin);"
        "from spillway.prove.simulate.plan import planned;"
        "from spillway.prove.simulate.schedule import run;"
        "print(any(run(planned(seed)).broken for seed in range(60)))"
    )
    done = subprocess.run(  # noqa: S603 -- the command is ours
        [sys.executable, "-c", asks], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n") == ["patched flow/intake.py", "True", ""]


def test_a_bug_is_not_planted_in_a_service_that_runs_already() -> None:
    asks = "import orders; from spillway.prove.simulate.hunt import plant; plant('clash-is-retry')"
    done = subprocess.run(  # noqa: S603 -- the command is ours
        [sys.executable, "-c", asks], capture_output=True, text=True, check=False
    )
    assert "imported already" in done.stderr


def test_bugs_are_caught() -> None:
    caught = hunt(QUICK, jobs=2)
    assert [bug.name for bug in caught if bug.seeds is None] == []
    assert all(bug.broken for bug in caught)
