"""Spillway goes through the trials like the others, with downstreams that this process serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers import trials
from benchmarks.peers.audit import KINDS
from benchmarks.peers.fakes import serving_fakes
from benchmarks.peers.spillway.system import Spillway
from benchmarks.peers.trials import Load
from spillway.run.workload import generate

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.usefixtures("own_stacks")
def test_its_orders_are_found_in_ledgers_that_somebody_else_keeps(tmp_path: Path) -> None:
    load = Load(tuple(generate(seed=1, count=6)))
    with serving_fakes() as fakes, Spillway(tmp_path, fakes) as system:
        found = trials.answers_lost(system, fakes, load)
        used = system.usage()

    assert {kind: found["audit"][kind] for kind in KINDS} == dict.fromkeys(KINDS, 0)
    assert found["audit"]["fulfilled"] + found["audit"]["undone"] == 6
    assert used["functions"].processor_seconds > 0
    assert used["stand_in"].processor_seconds > 0
