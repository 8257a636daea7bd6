"""`spillway redrive` as an operator meets it: a process, its output and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys

from spillway.operate.redrive.command import Queue
from spillway.operate.redrive.dead_letters import OF_TELLERS, SOURCES
from spillway.run.stack import Stack


def spillway_redrive(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from spillway.cli import main; main()"]
    return subprocess.run(  # noqa: S603
        [*command, "redrive", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_source_can_be_named() -> None:
    assert [queue.value for queue in Queue] == [*SOURCES, *OF_TELLERS]


def test_a_dead_letter_that_cannot_be_moved_makes_it_exit_with_1(stack: Stack) -> None:
    sqs, url = stack.client("sqs"), stack.queues["relay_dead_letter"]
    sqs.send_message(QueueUrl=url, MessageBody="not a check")
    port = ("--port", str(stack.port))
    try:
        looked = spillway_redrive("relay", "--dry-run", "--json", *port)
        moved = spillway_redrive("relay", "--json", *port)
    finally:
        sqs.purge_queue(QueueUrl=url)
    empty = spillway_redrive(*port)

    assert looked.returncode == 0, looked.stderr
    assert json.loads(looked.stdout)["letters"] == 1
    assert moved.returncode == 1
    assert json.loads(moved.stdout)["queues"]["relay"]["not_moved"] == {"names no order": 1}
    assert (empty.returncode, empty.stdout) == (0, "No dead letters.\n")
