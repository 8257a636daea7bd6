"""The code of a mutant as it is deployed."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from spillway.prove.chaos.mutant import zipped
from spillway.prove.mutants.catalogue import BY_NAME
from spillway.prove.mutants.mutations import Mutant, mutated
from spillway.prove.mutants.service import sources


@pytest.mark.parametrize(
    ("mutants", "raises"), [([BY_NAME["partial-failures-unread"]], False), ([], True)]
)
def test_the_code_that_is_deployed_is_the_service_with_its_mutation(
    mutants: list[Mutant], raises: bool, tmp_path: Path
) -> None:
    code = zipped(mutated(mutants, sources()))
    zipfile.ZipFile(io.BytesIO(code)).extractall(tmp_path)
    asks = (
        "from orders.aws.queues import raise_if_any_failed as ask;"
        "from orders.downstream.description import described;"
        "described('inventory', 'inventory');"
        "ask('', [{'Code': 'Busy'}])"
    )

    done = subprocess.run(  # noqa: S603 -- the command is ours
        [sys.executable, "-c", asks],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ("TransientFailure" in done.stderr) is raises
    assert (done.returncode != 0) is raises
