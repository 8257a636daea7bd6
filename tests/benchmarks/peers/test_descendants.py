"""No process that a run has started outlives it, and what all hold together is known."""

from __future__ import annotations

import subprocess
import sys

from spillway.paths import PROJECT

#: Its child starts a sleeper and goes: nobody's child any more, but the run's.
_RUN = """
import subprocess, sys, time
from benchmarks.peers import descendants

orphaning = "import subprocess, sys; subprocess.Popen(['sleep', '60'], stdout=sys.stderr)"
with descendants.watched() as peak:
    subprocess.run([sys.executable, "-S", "-c", orphaning], check=True)
    peak.look()
    print(descendants.end_all(), descendants.end_all(), peak.memory_bytes > 2**20)
"""


def test_an_orphan_is_found_and_ended() -> None:
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _RUN], cwd=PROJECT, capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "['sleep 60'] [] True"
