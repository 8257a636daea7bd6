"""What every run of the tests relies on: the same tests, whoever collects them and when."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def test_the_tests_have_the_same_ids_in_another_process_at_another_time(
    request: pytest.FixtureRequest,
) -> None:
    """pytest-xdist runs nothing at all where its processes collect different ids, and each collects
    for itself: an id that holds the time, or the order of a set, would fail now and then."""
    ours = [item.nodeid for item in request.session.items]
    files = dict.fromkeys(name.partition("::")[0] for name in ours)

    collected = subprocess.run(  # noqa: S603 -- ourselves
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-o", "addopts=", *files],
        cwd=request.config.rootpath,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    theirs = set(collected.stdout.splitlines())
    assert [name for name in ours if name not in theirs] == []
