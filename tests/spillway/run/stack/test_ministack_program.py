"""The emulator has all that a run logged when the run is over, on a busy machine too."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.core import lambda_runtime, responses  # type: ignore[import-untyped]
from ministack.services import cloudwatch_logs, lambda_svc  # type: ignore[import-untyped]

from spillway.run.stack.ministack_program import (
    with_early_starts,
    with_one_session,
    with_whole_logs,
    with_whole_pages,
)

# ruff: noqa: SLF001  # what is replaced has no name for others

HANDLER = """
import os

def handle(event, context):
    for number in range(event["lines"]):
        print(event["run"], number)
    if event.get("killed"):
        os._exit(1)
    return event["result"]
"""


class LateWorker(lambda_runtime.Worker):  # type: ignore[misc]  # it has no types
    """Its log is read later than MiniStack waits for it."""

    def _read_stderr(self) -> None:
        for line in self._proc.stderr:
            time.sleep(0.1)
            self._stderr_queue.put(line.rstrip("\n"))


@pytest.fixture
def worker(own_stacks: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for owner, name in (
        (lambda_runtime, "_PYTHON_WORKER_SCRIPT"),
        (lambda_runtime.Worker, "_drain_stderr_bounded"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    with_whole_logs()
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("logging_function.py", HANDLER)
    config = {
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:late",
        "Runtime": "python3.13",
        "Handler": "logging_function.handle",
        "Timeout": 60,
    }
    worker = LateWorker("late", config, code.getvalue())
    yield worker
    worker.kill()


def test_each_run_has_its_own_lines_whole(worker: Any) -> None:
    for run, lines in enumerate((2, 0, 1)):
        event = {"run": run, "lines": lines, "result": None}
        answer = worker.invoke(event, str(run))
        assert (answer["status"], answer["log"].splitlines()) == (
            "ok",
            [f"{run} {number}" for number in range(lines)],
        )


def test_a_worker_that_dies_has_logged_what_it_logged(worker: Any) -> None:
    answer = worker.invoke({"run": 0, "lines": 2, "killed": True}, "0")
    assert (answer["status"], answer["log"].splitlines()) == ("error", ["0 0", "0 1"])


def test_a_long_log_has_a_next_page_and_each_line_once(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "_filter_log_events"
    monkeypatch.setattr(cloudwatch_logs, name, getattr(cloudwatch_logs, name))
    with_whole_pages()

    def call(action: str, **request: Any) -> dict[str, Any]:
        headers = {"x-amz-target": f"Logs_20140328.{action}"}
        body = json.dumps({"logGroupName": "/aws/lambda/long", **request})
        answer = asyncio.run(cloudwatch_logs.handle_request("POST", "/", headers, body, {}))
        assert answer[0] == 200
        return dict(json.loads(answer[2] or "{}"))

    call("CreateLogGroup")
    call("CreateLogStream", logStreamName="one")
    # Two thousand and one lines in each millisecond: a page ends in the middle of one.
    written = [{"timestamp": 1 + n // 2_001, "message": f"line {n}"} for n in range(25_001)]
    call("PutLogEvents", logStreamName="one", logEvents=written)
    read: list[str] = []
    token: dict[str, str] = {}
    for _ in range(3):
        page = call("FilterLogEvents", startTime=1, **token)
        read += [event["message"] for event in page["events"]]
        token = {"nextToken": page["nextToken"]} if "nextToken" in page else {}
    call("DeleteLogGroup")
    assert read == [one["message"] for one in written]
    assert not token


def test_a_function_waits_for_the_first_event_of_its_trigger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(lambda_svc, "_ensure_poller", lambda: None)
    monkeypatch.setattr(lambda_runtime, "ensure_spawned", started.append)
    with_early_starts()
    arn = "arn:aws:lambda:us-east-1:000000000000:function:early"
    config = {"FunctionName": "early", "FunctionArn": arn, "Version": "3", "Runtime": "python3.13"}
    version = {"config": config, "code_zip": b"code"}
    function = {
        **version,
        "versions": {"3": version},
        "aliases": {"live": {"FunctionVersion": "3"}},
    }
    trigger = {"FunctionName": "early", "Qualifier": "live", "FunctionArn": f"{arn}:live"}
    for name in ("early", "its-drain"):
        lambda_svc._functions[name] = function
    try:
        late = {**trigger, "FunctionName": "its-drain", "FunctionArn": "its own"}
        for trigger_id, one in (("first", trigger), ("second", trigger), ("late", late)):
            lambda_svc._esms[trigger_id] = one
            lambda_svc._ensure_poller()
        for thread in threading.enumerate():
            if thread.name == "early starts":
                thread.join()
        worker, how = lambda_runtime.acquire_worker("early", config, b"code", qualifier="3")
        assert (started, how) == ([worker], "reused")
    finally:
        lambda_runtime.reset()
        lambda_svc._esms.clear()
        lambda_svc._functions.clear()


def test_one_session_reads_the_models_of_all_services(monkeypatch: pytest.MonkeyPatch) -> None:
    def another() -> None:
        raise AssertionError

    monkeypatch.setattr(responses, "_service_model", responses._service_model)
    with_one_session()
    monkeypatch.setattr("botocore.session.get_session", another)
    expected = responses.expected_success_content_type
    assert expected("sqs", "application/json") == "application/x-amz-json-1.0"
    assert expected("apigateway", "application/xml") is None
    assert expected("no-such-service", "application/json") is None
