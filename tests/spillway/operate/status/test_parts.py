"""The path of an order, as AWS's own figures tell it."""

from __future__ import annotations

from orders.domain.promises import Promise
from spillway.operate.status.alarms import read_alarms
from spillway.operate.status.parts import dead_letters_by_source, read_parts
from tests.spillway.operate.fakes import (
    NOW,
    FakeCloudWatch,
    FakeLambda,
    FakeQueues,
    service,
    with_tellers,
)


def test_each_part_has_what_waits_before_it_and_how_it_runs() -> None:
    aws = service(
        sqs=FakeQueues({"accounting": 7, "accounting_dead_letter": 2, "relay_dead_letter": 1}),
        cloudwatch=FakeCloudWatch(
            {
                ("ApproximateAgeOfOldestMessage", "spillway-test-accounting"): [100, 160],
                ("Invocations", "spillway-test-intake"): [3, 12],
                ("Errors", "spillway-test-relay"): [4],
                ("IteratorAge", "spillway-test-relay"): [2_500],
            }
        ),
        **{"lambda": FakeLambda()},
    )
    parts = {part.name: part for part in read_parts(aws, NOW)}
    accounting, relay, intake = parts["deliver-accounting"], parts["relay"], parts["intake"]
    assert accounting.queue is not None
    assert (accounting.queue.visible, accounting.oldest_seconds) == (7, 160)
    assert (accounting.dead_letters, relay.dead_letters, intake.dead_letters) == (2, 1, 0)
    assert (intake.queue, intake.runs, intake.errors) == (None, 12, 0)
    assert (relay.errors, relay.oldest_seconds) == (4, 2)
    assert parts["drain"].oldest_seconds is None


def test_a_function_whose_trigger_is_off_or_gone_is_stopped() -> None:
    states = {"relay": "Disabled", "drain": "Enabled", "watchdog": "Updating"}
    states |= {"deliver-inventory": "Enabled", "deliver-fulfilment": "Enabled"}
    aws = service(sqs=FakeQueues(), cloudwatch=FakeCloudWatch(), **{"lambda": FakeLambda(states)})
    parts = {part.name: part for part in read_parts(aws, NOW)}
    stopped = {name: part.trigger for name, part in parts.items() if part.stopped}
    assert stopped == {
        "relay": "Disabled",
        "deliver-accounting": "Missing",
        "watchdog": "Updating",
    }
    # It still handles the checks that are there, and gets no new ones.
    assert parts["watchdog"].stream_trigger == "Missing"
    assert "does not read the table's stream" in str(parts["watchdog"].stopped)
    assert parts["watchdog"].trigger == "Updating"
    assert parts["intake"].trigger is None


def test_each_queue_of_outcomes_has_its_dead_letters_and_its_own_trigger() -> None:
    inventory, fulfilment = "outcomes-inventory", "outcomes-fulfilment"
    aws = service(
        sqs=FakeQueues({inventory: 3, f"{fulfilment}_dead_letter": 4}),
        cloudwatch=FakeCloudWatch(
            {
                ("ApproximateAgeOfOldestMessage", f"spillway-test-{inventory}"): [90],
                ("Invocations", "spillway-test-outcomes"): [5],
                ("Errors", "spillway-test-outcomes"): [1],
            }
        ),
        **{"lambda": FakeLambda({inventory: "Enabled", fulfilment: "Disabled"})},
    )
    found = read_parts(with_tellers(aws, inventory, fulfilment), NOW)
    parts = {part.name: part for part in found}
    assert [name for name in parts if "outcomes" in name] == [inventory, fulfilment]
    first, second = parts[inventory], parts[fulfilment]
    assert (first.held, first.oldest_seconds, first.dead_letters) == (3, 90, 0)
    assert (second.held, second.oldest_seconds, second.dead_letters) == (0, None, 4)
    assert {(one.runs, one.errors) for one in (first, second)} == {(5, 1)}
    assert (first.stopped, second.trigger) == (None, "Disabled")
    assert dead_letters_by_source(parts.values())[fulfilment] == 4


def test_an_alarm_is_known_by_its_promise_and_its_page() -> None:
    ringing = {"AlarmName": "spillway-test-always-settles", "StateValue": "ALARM"}
    other = {"AlarmName": "spillway-test-needs-a-fix", "StateValue": "OK"}
    aws = service(cloudwatch=FakeCloudWatch(alarms=[other, ringing]))
    settles, needs_a_fix = read_alarms(aws)
    assert (settles.promise, settles.state) == (Promise.ALWAYS_SETTLES, "ALARM")
    assert settles.runbook == "docs/runbook/alarms.md#always-settles"
    assert needs_a_fix.promise is None
