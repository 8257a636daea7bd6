"""A batch request answers 200 and lists what it did not take: that list is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from orders.aws.messages import check_of, messages_in
from orders.aws.queues import (
    SqsBacklogs,
    SqsChangeDeadLetters,
    SqsChecks,
    SqsCommands,
    SqsDeadLetters,
    SqsInbox,
)
from orders.aws.topic import SnsEvents, cloud_event
from orders.domain.events import Event, EventType, accepted
from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAMS, Step
from orders.failures import PermanentFailure, TransientFailure
from orders.ports import Check, Command
from simulation.world.runtime import SetClock
from tests.builders import CUSTOMER, NOW, order_id

EVERY = frozenset(EventType)
URLS = {downstream: f"https://sqs/{downstream}" for downstream in DOWNSTREAMS}


class Recording:
    """An SDK client that remembers each call and answers as told."""

    def __init__(self, answer: Any = None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._answer = answer or {}

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Any:
            self.calls.append((operation, request))
            if isinstance(self._answer, Exception):
                raise self._answer
            return self._answer

        return call


def commands(step: Step, count: int) -> list[Command]:
    return [Command(OrderKey(CUSTOMER, order_id()), step) for _ in range(count)]


def test_commands_go_to_their_own_queues_ten_at_a_time() -> None:
    sqs = Recording()
    sent = [*commands(Step.RESERVE, 21), *commands(Step.SHIP, 1), *commands(Step.REFUND, 2)]
    SqsCommands(sqs, URLS).send(sent)
    assert [(call["QueueUrl"].split("/")[-1], len(call["Entries"])) for _, call in sqs.calls] == [
        ("inventory", 10),
        ("inventory", 10),
        ("inventory", 1),
        ("fulfilment", 1),
        ("accounting", 2),
    ]


def test_batches_of_commands_go_to_their_own_queues_and_batches_of_checks_to_theirs() -> None:
    sqs = Recording()
    SqsCommands(sqs, URLS, batched_max=5).send(
        [*commands(Step.RESERVE, 12), *commands(Step.SHIP, 1), *commands(Step.RELEASE, 1)]
    )
    SqsChecks(sqs, "https://sqs/watchdog", batched_max=10).set(
        [Check(OrderKey(CUSTOMER, order_id())) for _ in range(12)]
    )
    sent = {
        call["QueueUrl"].split("/")[-1]: [
            len(messages_in(entry["MessageBody"])) for entry in call["Entries"]
        ]
        for _, call in sqs.calls
    }
    assert sent == {"inventory": [5, 5, 3], "fulfilment": [0], "watchdog": [10, 2]}


def test_what_a_batch_leaves_open_goes_to_its_own_queue_each_with_its_delay() -> None:
    sqs = Recording()
    inbox = SqsInbox(sqs, "https://sqs/inventory", SqsDeadLetters(sqs, "https://sqs/dead"))
    inbox.requeue([(f"message {n}", n) for n in range(11)])
    assert [call["QueueUrl"] for _, call in sqs.calls] == ["https://sqs/inventory"] * 2
    entries = [entry for _, call in sqs.calls for entry in call["Entries"]]
    assert [(entry["MessageBody"], entry["DelaySeconds"]) for entry in entries] == [
        (f"message {n}", n) for n in range(11)
    ]
    with pytest.raises(TransientFailure, match="not taken"):
        SqsInbox(Recording(FAILED), "q", SqsDeadLetters(sqs, "d")).requeue([("a", 1)])


def test_nothing_to_send_is_no_request() -> None:
    sqs, sns = Recording(), Recording()
    SqsCommands(sqs, URLS).send([])
    SnsEvents(sns, "arn", EVERY).publish([])
    SnsEvents(sns, "arn", frozenset()).publish([accepted(OrderKey(CUSTOMER, order_id()), NOW)])
    assert sqs.calls == sns.calls == []


def test_only_the_types_that_the_stage_publishes_go_to_the_topic() -> None:
    sns, keys = Recording(), [OrderKey(CUSTOMER, order_id()) for _ in range(11)]
    events = [Event(type_, key, NOW) for key in keys for type_ in EventType]
    published = frozenset({EventType.CONFIRMED, EventType.CANCELLED})
    SnsEvents(sns, "arn", published).publish(events)
    entries = [call["PublishBatchRequestEntries"] for _, call in sns.calls]
    assert [len(batch) for batch in entries] == [10, 10, 2]
    sent = [json.loads(entry["Message"])["id"] for batch in entries for entry in batch]
    assert sent == [event.id for event in events if event.type in published]


FAILED = {"Successful": [], "Failed": [{"Id": "0", "Code": "InternalError"}]}


def test_a_command_that_was_not_taken_is_a_failure() -> None:
    with pytest.raises(TransientFailure, match="1 not taken \\(InternalError\\)"):
        SqsCommands(Recording(FAILED), URLS).send(commands(Step.RESERVE, 2))


def test_an_event_that_was_not_taken_is_a_failure() -> None:
    event = accepted(OrderKey(CUSTOMER, order_id()), NOW)
    with pytest.raises(TransientFailure, match="not taken"):
        SnsEvents(Recording(FAILED), "arn", EVERY).publish([event])


NEVER = {"Id": "1", "Code": "InvalidMessageContents", "SenderFault": True}


def test_what_aws_will_never_take_is_a_permanent_failure_unless_something_is_left_to_try() -> None:
    with pytest.raises(PermanentFailure, match="InvalidMessageContents"):
        SqsCommands(Recording({"Failed": [NEVER]}), URLS).send(commands(Step.RESERVE, 2))
    both = {"Failed": [NEVER, *FAILED["Failed"]]}
    with pytest.raises(TransientFailure, match="2 not taken"):
        SqsCommands(Recording(both), URLS).send(commands(Step.RESERVE, 2))


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "secret detail"}}, "SendMessageBatch")


@pytest.mark.parametrize(
    "error",
    [
        client_error("ThrottlingException"),
        client_error("AccessDenied"),
        client_error("InternalError"),
        EndpointConnectionError(endpoint_url="https://sqs"),
    ],
)
def test_whatever_aws_refuses_or_delays_is_transient(error: Exception) -> None:
    with pytest.raises(TransientFailure) as failure:
        SqsCommands(Recording(error), URLS).send(commands(Step.RESERVE, 1))
    assert "secret detail" not in str(failure.value)


@pytest.mark.parametrize(
    "code",
    [
        "ValidationException",
        "MissingParameter",
        "InvalidMessageContents",
        "AWS.SimpleQueueService.BatchRequestTooLong",
    ],
)
def test_a_request_that_can_never_be_right_is_a_bug(code: str) -> None:
    with pytest.raises(ClientError):
        SqsCommands(Recording(client_error(code)), URLS).send(commands(Step.RESERVE, 1))


def test_an_announcement_that_can_never_be_right_is_for_a_person_and_stops_no_order() -> None:
    topic = SnsEvents(Recording(client_error("InvalidParameter")), "arn:topic", EVERY)
    with pytest.raises(PermanentFailure, match=": InvalidParameter"):
        topic.publish([accepted(OrderKey(CUSTOMER, order_id()), NOW)])


class OneQueueDown(Recording):
    """Refuses what goes to one queue."""

    def __getattr__(self, operation: str) -> Any:
        call = super().__getattr__(operation)

        def checked(**request: Any) -> Any:
            answer = call(**request)
            if request["QueueUrl"] == URLS["inventory"]:
                raise client_error("ServiceUnavailable")
            return answer

        return checked


def test_one_queue_that_is_down_keeps_no_other_queues_commands_from_going_out() -> None:
    sqs = OneQueueDown()
    sent = [*commands(Step.RESERVE, 1), *commands(Step.SHIP, 1), *commands(Step.POST, 1)]
    with pytest.raises(TransientFailure, match="inventory: SendMessageBatch: ServiceUnavailable"):
        SqsCommands(sqs, URLS).send(sent)
    assert [call["QueueUrl"] for _, call in sqs.calls] == [*URLS.values()]


def test_a_backlog_counts_all_that_waits_and_asks_only_now_and_then() -> None:
    clock = SetClock(NOW)
    counts = {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "1",
        "ApproximateNumberOfMessagesDelayed": "0",
    }
    sqs = Recording({"Attributes": counts})
    backlogs = SqsBacklogs(sqs, {name: (URLS[name], f"{URLS[name]}-dead") for name in URLS}, clock)
    assert not backlogs.is_empty("inventory")
    counts["ApproximateNumberOfMessagesNotVisible"] = "0"
    assert not backlogs.is_empty("inventory")
    assert len(sqs.calls) == 2  # the queue and its dead letters, once
    clock.milliseconds += 10_001
    assert backlogs.is_empty("inventory")


def test_what_could_not_be_relayed_is_a_forced_check() -> None:
    sqs = Recording()
    key = OrderKey(CUSTOMER, order_id())
    SqsChangeDeadLetters(SqsDeadLetters(sqs, "https://sqs/relay-dead")).dead_letter(key, "KeyError")
    [(_, dead_letter)] = sqs.calls
    assert check_of(dead_letter["MessageBody"]) == Check(key, force=True)


def test_a_dead_letter_says_why() -> None:
    sqs = Recording()
    inbox = SqsInbox(sqs, "https://sqs/inventory", SqsDeadLetters(sqs, "https://sqs/dead"))
    inbox.dead_letter("the message", "x" * 2_000)
    inbox.postpone("receipt", 8)
    (_, dead_letter), (_, postponed) = sqs.calls
    assert dead_letter["QueueUrl"] == "https://sqs/dead"
    assert dead_letter["MessageBody"] == "the message"
    assert dead_letter["MessageAttributes"]["reason"]["StringValue"] == "x" * 500
    assert postponed == {
        "QueueUrl": "https://sqs/inventory",
        "ReceiptHandle": "receipt",
        "VisibilityTimeout": 8,
    }


@pytest.mark.parametrize("code", ["InvalidParameterValue", "ReceiptHandleIsInvalid"])
def test_a_message_that_another_copy_has_finished_with_is_not_postponed_and_no_bug(
    code: str,
) -> None:
    sqs = Recording(client_error(code))
    SqsInbox(sqs, "https://sqs/inventory", SqsDeadLetters(sqs, "https://sqs/dead")).postpone(
        "a receipt of a message that is gone", 8
    )
    assert len(sqs.calls) == 1


def test_an_event_is_a_cloud_event_without_personal_data() -> None:
    key = OrderKey(CUSTOMER, order_id())
    event = Event(EventType.REJECTED, key, NOW, reason="out_of_stock")
    assert json.loads(cloud_event(event)) == {
        "specversion": "1.0",
        "id": f"{CUSTOMER}/{key.order_id}/rejected",
        "source": "spillway/orders",
        "type": "spillway.order.rejected.v1",
        "subject": key.order_id,
        "time": "2026-11-23T10:00:00Z",
        "datacontenttype": "application/json",
        "data": {"customer_id": CUSTOMER, "order_id": key.order_id, "reason": "out_of_stock"},
    }
