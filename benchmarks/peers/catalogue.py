"""All systems, in the order in which they run and are shown."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.peers.dbos.system import Dbos
from benchmarks.peers.restate.system import Restate
from benchmarks.peers.spillway.system import Spillway
from benchmarks.peers.system import System
from benchmarks.peers.temporal.system import Temporal

SYSTEMS: Mapping[str, type[System]] = {
    system.name: system for system in (Spillway, Dbos, Temporal, Restate)
}
