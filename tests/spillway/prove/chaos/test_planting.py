"""The bugs that chaos deploys are planted in the service as it is today."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from spillway.prove.chaos.planting import zipped
from spillway.prove.chaos.scenarios import SCENARIOS
from spillway.prove.mutants.bugs import DEPLOYED, PARTIAL_FAILURES_UNREAD
from spillway.prove.mutants.patches import Bug, planted, sources


def test_bugs_that_are_planted_together_do_not_hinder_each_other() -> None:
    for scenario in SCENARIOS:
        for control in scenario.controls:
            planted(control.bugs, sources())


def test_every_bug_that_is_meant_to_be_deployed_is_some_controls() -> None:
    assert {bug for s in SCENARIOS for c in s.controls for bug in c.bugs} == set(DEPLOYED)


@pytest.mark.parametrize(("bugs", "raises"), [([PARTIAL_FAILURES_UNREAD], False), ([], True)])
def test_the_code_that_is_deployed_is_the_service_with_its_bug(
    bugs: list[Bug], raises: bool, tmp_path: Path
) -> None:
    code = zipped(planted(bugs, sources()))
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
