"""Lines of all functions in the order of time, each once, and never too many."""

from __future__ import annotations

import itertools

from infra.metrics import ARCHIVE
from spillway.operate.logs.reading import LOGGING, follow, lines, lines_of_order
from tests.builders import NOW, order_id
from tests.spillway.operate.fakes import FakeLogs, service

ID = order_id(NOW)


def said(logs: FakeLogs) -> list[tuple[int, str, str]]:
    read = lines(service(logs=logs), since=0)
    return [(line.at, line.function, line.outcome) for line in read.lines]


def test_lines_of_all_functions_come_in_the_order_of_time() -> None:
    logs = FakeLogs()
    logs.say("deliver-inventory", 30, step="deliver", outcome="done")
    logs.say("intake", 10, step="intake", outcome="accepted")
    logs.say("relay", 20, step="relay", outcome="unsent")
    assert said(logs) == [
        (10, "intake", "accepted"),
        (20, "relay", "unsent"),
        (30, "deliver-inventory", "done"),
    ]


def test_a_stage_without_an_archive_has_no_lines_of_its_runs() -> None:
    for logs, found in (
        (FakeLogs(), ["intake", "archive"]),
        (FakeLogs(missing=ARCHIVE), ["intake"]),
    ):
        for at, function in enumerate(("intake", "archive")):
            logs.say(function, NOW + at, step=function, outcome="archived")
        read = lines(service(logs=logs), since=0, functions=LOGGING)
        assert ([line.function for line in read.lines], read.complete) == (found, True)


def test_lambda_s_account_of_each_run_is_left_out_and_what_it_says_of_trouble_is_not() -> None:
    logs = FakeLogs()
    for message in (
        "START RequestId: 1 Version: $LATEST",
        "REPORT RequestId: 1 Duration: 3 ms",
        '{"type": "platform.report", "record": {}}',
        "Task timed out after 10.00 seconds",
        "[1, 2]",
    ):
        logs.written.append(("intake", 1, message))
    read = lines(service(logs=logs), since=0)
    assert [line.fields["message"] for line in read.lines] == [
        "Task timed out after 10.00 seconds",
        "[1, 2]",
    ]


def test_an_order_s_lines_are_its_own() -> None:
    logs = FakeLogs()
    logs.say("intake", NOW, step="intake", outcome="accepted", order_id=ID)
    logs.say("drain", NOW, step="drain", outcome="placed", order_id=order_id(), detail=f"not {ID}")
    [line] = lines_of_order(service(logs=logs), ID).lines
    assert line.outcome == "accepted"


def test_two_customers_orders_under_one_id_are_kept_apart() -> None:
    logs = FakeLogs()
    for customer in ("ada", "bob"):
        logs.say("intake", NOW, step="intake", outcome=customer, order_id=ID, customer=customer)
    [line] = lines_of_order(service(logs=logs), ID, customer="bob").lines
    assert line.outcome == "bob"


def test_only_the_latest_are_kept_and_it_is_said_so() -> None:
    logs = FakeLogs()
    for at in range(10):
        logs.say("intake", at, step="intake", outcome=str(at))
    read = lines(service(logs=logs), since=0, lines_max=4)
    assert [line.outcome for line in read.lines] == ["6", "7", "8", "9"]
    assert not read.complete
    assert lines(service(logs=logs), since=0, lines_max=10).complete


def test_what_is_followed_comes_once_also_when_it_comes_late() -> None:
    logs, clock = FakeLogs(), itertools.count(NOW / 1000)
    logs.say("intake", NOW, step="intake", outcome="first")
    shown = lines(service(logs=logs), since=0).lines
    coming = follow(service(logs=logs), shown=shown, now=lambda: next(clock), sleep=lambda _: None)
    logs.say("relay", NOW + 500, step="relay", outcome="second")
    assert next(coming).outcome == "second"
    logs.say("intake", NOW - 400, step="intake", outcome="late")
    assert next(coming).outcome == "late"
