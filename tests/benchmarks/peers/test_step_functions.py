"""The definition for Step Functions does what the other peers' programs do, and the walk through it
enters the states that the emulator's executor enters."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from benchmarks.peers.commands import PATHS, Order, body
from benchmarks.peers.step_functions.walk import DEFINITION, Walk, definition
from benchmarks.peers.system import answers
from spillway.plan.cost.alternatives import alternatives
from spillway.run.stack.ports import LOOPBACK, free_port
from spillway.run.stack.processes import guarded, isolated_environment
from tests.benchmarks.peers.builders import placed, sent

_STEPS = {path: step for step, path in PATHS.items()}
_REFUSED = "States.Http.StatusCode.409"
#: By what is refused: the states that an order goes through.
PATHS_THROUGH = {
    "nothing": ["Reserve", "Ship and post", "Ship", "Post", "What now", "Confirmed"],
    "reserve": ["Reserve", "Refund"],
    "ship": [
        *("Reserve", "Ship and post", "Ship", "Not shipped", "Post"),
        *("What now", "Release", "Refund"),
    ],
    "post": [
        *("Reserve", "Ship and post", "Ship", "Post", "Not posted"),
        *("What now", "Recall", "Release", "Refund"),
    ],
}


def _walk(order: Order, refused: str, *, answers_lost: int = 0) -> Walk:
    """Through the definition, where each command is held against what every other peer sends."""
    lost = dict.fromkeys(PATHS, answers_lost)

    def call(path: str, headers: Mapping[str, str], sent: Mapping[str, Any]) -> str | None:
        step = _STEPS[path]
        assert sent == body(step, order)
        assert headers == {"idempotency-key": f"{order['order_id']}/{step}"}
        if lost[step]:
            lost[step] -= 1
            return "States.Timeout"
        return _REFUSED if step == refused else None

    walk = Walk(call)
    walk.through(definition(), order)
    return walk


@pytest.mark.parametrize("refused", PATHS_THROUGH)
def test_an_order_goes_its_way_and_sends_what_the_others_send(refused: str) -> None:
    [order] = placed(1)
    walk = _walk(sent(order), refused)
    assert walk.entered == PATHS_THROUGH[refused]
    assert walk.transitions == len(walk.entered)


def test_the_price_is_that_of_the_states_of_an_order_that_nobody_refuses() -> None:
    counts = {
        price: count for price, count, _ in alternatives()["Step Functions Standard"].per_order
    }
    assert counts["states.transitions"] == len(PATHS_THROUGH["nothing"])


def test_each_lost_answer_is_one_transition_more() -> None:
    [order] = placed(1)
    walk = _walk(sent(order), "ship", answers_lost=2)
    assert walk.entered == PATHS_THROUGH["ship"]
    assert walk.transitions == len(walk.entered) + 2 * len(
        {"reserve", "ship", "post", "release", "refund"}
    )


@pytest.mark.emulator
@pytest.mark.slow
def test_the_emulators_executor_goes_the_same_ways(tmp_path: Path) -> None:
    [order] = placed(1)
    with _emulator(tmp_path) as client:
        machine = client.create_state_machine(
            name="order",
            definition=DEFINITION.read_text(),
            roleArn="arn:aws:iam::000000000000:role/peers",
        )["stateMachineArn"]
        for refused, states in PATHS_THROUGH.items():
            execution = client.start_execution(
                stateMachineArn=f"{machine}#{refused}", name=refused, input=json.dumps(sent(order))
            )["executionArn"]
            deadline = time.monotonic() + 30
            while client.describe_execution(executionArn=execution)["status"] == "RUNNING":
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert client.describe_execution(executionArn=execution)["status"] == "SUCCEEDED"
            events = client.get_execution_history(executionArn=execution)["events"]
            entered = [
                event["stateEnteredEventDetails"]["name"]
                for event in events
                if "stateEnteredEventDetails" in event
            ]
            # Its history leaves out what is within a branch.
            top = definition()["States"]
            assert entered == [state for state in states if state in top]


@contextmanager
def _emulator(folder: Path) -> Iterator[Any]:
    """A client of one that answers the definition's HTTP tasks as the test case's name says."""
    tasks = {step.capitalize(): step for step in PATHS}
    cases = {
        refused: {state: "no" if step == refused else "yes" for state, step in tasks.items()}
        for refused in PATHS_THROUGH
    }
    responses = {
        "yes": {"0": {"Return": {"StatusCode": 200}}},
        "no": {"0": {"Throw": {"Error": _REFUSED, "Cause": "refused"}}},
    }
    mocks = folder / "mocks.json"
    mocks.write_text(
        json.dumps({"StateMachines": {"order": {"TestCases": cases}}, "MockedResponses": responses})
    )
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    settings = {"GATEWAY_PORT": str(port), "BIND_HOST": LOOPBACK, "IOT_MTLS_ENABLED": "0"}
    with guarded(
        [sys.executable, "-m", "ministack"],
        environment={**isolated_environment(folder), **settings, "SFN_MOCK_CONFIG": str(mocks)},
        log=folder / "emulator.log",
        cwd=folder,
    ):
        ready, deadline = answers(f"{url}/_ministack/health"), time.monotonic() + 60
        while not ready():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield boto3.client(
            "stepfunctions",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
