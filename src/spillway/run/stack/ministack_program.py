"""MiniStack as a program, with the whole log of each of a function's runs, and all pages of it, and
no start-up of its own or of a function's while customers wait.

MiniStack reads what a function logs on a thread of its own. It stops waiting 50 ms after a run's
answer when nothing has come, and 5 ms after a line. On a busy machine a line that comes later shows
with the next run of the same worker, which may be never; on any machine a run that logs nothing
takes these 50 ms. Here a worker ends each run's log with a line of its own before it answers, and
MiniStack reads up to that line.

FilterLogEvents of MiniStack answers with the oldest 10,000 events and no token, as if there were no
more: after an outage the latest would be missing. Here it has a next page, as on AWS.

A function that a queue or a stream triggers starts when its trigger is made, while the deployment
goes on, and not with the first order: MiniStack's one poll loop would wait for relay's start, then
for the watchdog's, and no delivery begin meanwhile. Drain does not: few runs have an order for it.

At a service's first answer MiniStack reads its model of the SDK, on the thread that serves all
requests, and looks through the folders of all services each time. Here one session has looked.

Run by path, without `spillway`, whose imports the emulator need not wait for.
"""

import contextvars
import functools
import json
import queue
import threading
import time
from typing import Any

import botocore.session
from ministack.core import lambda_runtime, responses  # type: ignore[import-untyped]
from ministack.services import cloudwatch_logs, lambda_svc  # type: ignore[import-untyped]

# ruff: noqa: SLF001  # what it replaces has no name for others

#: How the name ends of a triggered function that most runs do not need.
_LATE = "-drain"
#: No function logs a line that begins so.
_END = "\x1e end of this run's log"
_ANSWER = '            _real_stdout.write(json.dumps({"status": '
#: A worker that was killed says no end: whether it lives is looked at so often.
_POLL_SECONDS = 0.05
#: A worker that still runs has its end in the pipe before its answer.
_READ_WITHIN_SECONDS = 60.0

_drain_stderr_bounded = lambda_runtime.Worker._drain_stderr_bounded


def _read_log(worker: Any, **waits: float) -> str:
    """In place of `Worker._drain_stderr_bounded`, which stays for what is not Python."""
    if not worker.config["Runtime"].startswith("python"):
        return str(_drain_stderr_bounded(worker, **waits))
    lines: list[str] = []
    deadline = time.monotonic() + _READ_WITHIN_SECONDS
    while time.monotonic() < deadline:
        alive = worker._stderr_thread.is_alive()
        try:
            line = worker._stderr_queue.get(timeout=_POLL_SECONDS if alive else 0)
        except queue.Empty:
            if not alive:
                break
            continue
        if line == _END:
            break
        lines.append(line)
    return "\n".join(lines)


def with_whole_logs() -> None:
    """Change what MiniStack will start its workers with."""
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(_ANSWER) != 2:  # what a handler returned, and what it raised
        raise RuntimeError(
            "This MiniStack's workers answer in another way: see ministack_program.py."
        )
    end = f"            print({_END!r}, file=sys.stderr, flush=True)\n"
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(_ANSWER, end + _ANSWER)
    lambda_runtime.Worker._drain_stderr_bounded = _read_log


_EVENTS_MAX = 10_000
#: An event's names and times alone: an answer of fewer bytes has all events.
_EVENT_BYTES_MIN = 60
_filter_log_events = cloudwatch_logs._filter_log_events


def _filter_page(request: dict[str, Any]) -> Any:
    """In place of `_filter_log_events`. A token is the time to go on from (Unix ms), and how many
    events of that time the pages before had."""
    start, _, had = request.get("nextToken", "").partition("+")
    limit = min(request.get("limit", _EVENTS_MAX), _EVENTS_MAX)
    ask = {**request, "startTime": int(start), "limit": _EVENTS_MAX} if start else request
    status, headers, body = _filter_log_events(ask)
    is_whole = not start and limit == _EVENTS_MAX and len(body) < _EVENTS_MAX * _EVENT_BYTES_MIN
    if status != 200 or is_whole:
        return status, headers, body
    answer = json.loads(body)
    events = answer["events"][int(had or 0) :][:limit]
    full = len(events) == limit or len(answer["events"]) == _EVENTS_MAX
    if events and full:
        last = events[-1]["timestamp"]
        same = sum(event["timestamp"] == last for event in events)
        before = int(had) if start and last == int(start) else 0
        answer["nextToken"] = f"{last}+{same + before}"
    return status, headers, json.dumps({**answer, "events": events}).encode()


def with_whole_pages() -> None:
    cloudwatch_logs._filter_log_events = _filter_page


def with_early_starts() -> None:
    """Start the first worker of each function whose trigger is made from now on, but drain's."""
    ensure_poller = lambda_svc._ensure_poller
    begun: set[str] = set()

    def and_start() -> None:
        """In place of `_ensure_poller`, which follows each new trigger."""
        ensure_poller()
        for trigger in list(lambda_svc._esms.values()):
            if trigger["FunctionArn"] in begun or trigger["FunctionName"].endswith(_LATE):
                continue
            begun.add(trigger["FunctionArn"])
            context = contextvars.copy_context()  # says which account and region
            threading.Thread(
                target=context.run, args=(_start, trigger), name="early starts", daemon=True
            ).start()

    lambda_svc._ensure_poller = and_start


def _start(trigger: dict[str, Any]) -> None:
    """Have a worker that waits for this trigger's first event, as MiniStack keeps one after it."""
    name = trigger["FunctionName"]
    function, config = lambda_svc._get_func_record_for_qualifier(name, trigger["Qualifier"])
    if function is None or not function.get("code_zip"):
        return
    config = function.get("config") or config
    worker, _ = lambda_runtime.acquire_worker(
        config["FunctionName"], config, function["code_zip"], qualifier=config["Version"]
    )
    try:
        lambda_runtime.ensure_spawned(worker)
    except RuntimeError as error:  # its first event will say so again
        lambda_svc.logger.warning("Lambda %s did not start: %s", name, error)
    finally:
        lambda_runtime.release_worker(worker)


def with_one_session() -> None:
    """Have one session of the SDK read all services' models."""
    session = botocore.session.get_session()

    @functools.cache
    def model(service: str) -> Any:
        """In place of `_service_model`: None where the SDK knows no such service."""
        try:
            return session.get_service_model(responses._BOTOCORE_NAME.get(service, service))
        except Exception:  # noqa: BLE001  # as MiniStack: an answer without it is as good
            return None

    responses._service_model = model


if __name__ == "__main__":
    from ministack import app  # type: ignore[import-untyped]

    with_whole_logs()
    with_whole_pages()
    with_early_starts()
    with_one_session()
    app.main()
