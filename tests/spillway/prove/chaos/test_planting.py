"""The mutants that chaos deploys can be made of the service as it is today."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from spillway.prove.chaos.planting import zipped
from spillway.prove.chaos.scenarios import SCENARIOS
from spillway.prove.mutants.catalogue import DEPLOYED, PARTIAL_FAILURES_UNREAD
from spillway.prove.mutants.mutations import Mutant, mutated
from spillway.prove.mutants.service import sources


def test_mutations_that_are_deployed_together_do_not_get_in_each_others_way() -> None:
    for scenario in SCENARIOS:
        for control in scenario.controls:
            mutated(control.mutants, sources())


def test_every_mutant_that_is_meant_to_be_deployed_belongs_to_a_control() -> None:
    assert {mutant for s in SCENARIOS for c in s.controls for mutant in c.mutants} == set(DEPLOYED)


@pytest.mark.parametrize(("mutants", "raises"), [([PARTIAL_FAILURES_UNREAD], False), ([], True)])
def test_the_code_that_is_deployed_is_the_mutated_service(
    mutants: list[Mutant], raises: bool, tmp_path: Path
) -> None:
    code = zipped(mutated(mutants, sources()))
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
