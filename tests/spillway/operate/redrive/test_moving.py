"""Each dead letter is moved once; nothing is lost, whatever fails in between."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from orders.aws.messages import batch_messages_of, check_message_of, message_of
from orders.domain.order import OrderKey
from orders.domain.saga import Step
from orders.ports import Check, Command
from spillway.operate.batches import BATCH_BYTES_MAX
from spillway.operate.redrive.dead_letters import Source
from spillway.operate.redrive.found import ORDERS_NAMED_MAX, OTHER_REASONS, REASONS_MAX
from spillway.operate.redrive.moving import NO_ORDER, Redrive
from spillway.operate.redrive.stream import EXPIRED
from tests.builders import CUSTOMER, order_id
from tests.spillway.operate.redrive.fake_sqs import NOW, FakeSqs, Message
from tests.spillway.operate.redrive.test_dead_letters import NESTED, failure_record

SHIPPING = Source("fulfilment", "letters", "queue")
RELAY = Source("relay", "letters", "watchdog")
WATCHDOG = Source("watchdog", "letters", "watchdog")
EARLIER = NOW - 60_000


def dead_letters(*bodies: str, reason: str | None = "answered 401") -> list[Message]:
    return [Message(body, EARLIER, reason) for body in bodies]


def sqs_with(messages: list[Message], **changes: Any) -> FakeSqs:
    return FakeSqs({"letters": messages, "queue": [], "watchdog": []}, **changes)


def redriven(
    sqs: Any, source: Source = SHIPPING, *, dry_run: bool = False, streams: Any = None
) -> Redrive:
    work = Redrive(sqs, streams, [source], dry_run, sleep=lambda _: None)
    work.run()
    return work


def test_every_dead_letter_is_sent_and_then_deleted() -> None:
    bodies = [str(number) for number in range(25)]
    sqs = sqs_with(dead_letters(*bodies))

    found = redriven(sqs).found["fulfilment"]

    assert sqs.bodies_sent() == bodies
    assert sqs.queues["letters"] == []
    assert (found.dead_letters, found.moved, found.not_moved) == (25, 25, {})
    assert sqs.requests == ["receive", "send", "delete"] * 3 + ["receive"]


def test_a_second_time_there_is_nothing_to_move() -> None:
    sqs = sqs_with(dead_letters("a"))
    redriven(sqs)

    assert redriven(sqs).found["fulfilment"].dead_letters == 0
    assert sqs.bodies_sent() == ["a"]


def test_everything_is_sent_without_the_queues_own_delay() -> None:
    sqs = sqs_with(
        dead_letters(check_message_of(Check(OrderKey(CUSTOMER, order_id()), force=True)))
    )
    redriven(sqs, RELAY)

    assert [(url, delay) for url, _, delay in sqs.sent] == [("watchdog", 0)]


def test_a_batch_that_ran_out_of_tries_goes_back_message_by_message() -> None:
    """It is here only if its function could not start for hours, so it was never tried."""
    bodies = [check_message_of(Check(OrderKey(CUSTOMER, order_id()))) for _ in range(3)]
    sqs = sqs_with(dead_letters(*batch_messages_of(bodies, 3)))
    found = redriven(sqs).found["fulfilment"]
    assert sqs.bodies_sent() == bodies
    assert sqs.queues["letters"] == []
    assert (found.dead_letters, found.moved) == (1, 1)


def test_what_a_downstream_tells_goes_back_whole() -> None:
    """A warehouse's message may well have its lots under this name."""
    told = '{"event": "DISPATCHED", "batch": ["LOT-1", "LOT-2"]}'
    sqs = sqs_with(dead_letters(told, NESTED))
    source = Source("outcomes-fulfilment", "letters", "queue")
    assert redriven(sqs, source).found[source.name].moved == 2
    assert sqs.bodies_sent() == [told, NESTED]


def test_a_batch_of_which_something_was_not_taken_stays() -> None:
    bodies = [check_message_of(Check(OrderKey(CUSTOMER, order_id()))) for _ in range(2)]
    sqs = sqs_with(dead_letters(*batch_messages_of(bodies, 2)))
    sqs.refuse_send = {bodies[1]}
    assert redriven(sqs).found["fulfilment"].moved == 0
    assert len(sqs.queues["letters"]) == 1


class TestBounded:
    def test_what_comes_back_meanwhile_stays(self) -> None:
        """A contract that is still broken must not make it go round in circles."""

        def dead_lettered_again(body: str) -> None:
            sqs.queues["letters"].append(Message(body, NOW + 1000, "answered 401"))

        sqs = sqs_with(dead_letters("a", "b"), on_send=dead_lettered_again)
        found = redriven(sqs).found["fulfilment"]

        assert sqs.bodies_sent() == ["a", "b"]
        assert (found.dead_letters, found.moved, found.came_meanwhile) == (2, 2, 2)
        assert [message.visible for message in sqs.queues["letters"]] == [True, True]

    def test_what_sqs_dead_letters_meanwhile_keeps_its_old_time_and_is_moved(self) -> None:
        def run_out_of_tries(body: str) -> None:
            if body == "a":
                sqs.queues["letters"].append(Message("b", EARLIER))

        sqs = sqs_with(dead_letters("a"), on_send=run_out_of_tries)
        found = redriven(sqs).found["fulfilment"]

        assert sqs.bodies_sent() == ["a", "b"]
        assert (found.dead_letters, found.moved, found.came_meanwhile) == (2, 2, 0)

    def test_it_ends_though_new_dead_letters_never_cease_to_come(self) -> None:
        class NeverEmpty(FakeSqs):
            def receive_message(self, QueueUrl: str, **rest: Any) -> dict[str, Any]:  # noqa: N803
                self.queues[QueueUrl].append(Message("new", NOW + 5000))
                return super().receive_message(QueueUrl, **rest)

        sqs = NeverEmpty({"letters": dead_letters("a"), "queue": []})
        found = redriven(sqs).found["fulfilment"]

        assert sqs.bodies_sent() == ["a"]
        assert found.moved == 1

    def test_nothing_is_sent_before_the_second_in_which_it_began_is_over(self) -> None:
        """HTTP tells the time in seconds: only then is what comes back surely newer."""
        slept: list[float] = []
        sqs: Any = sqs_with(dead_letters("a"))
        streams: Any = None
        work = Redrive(sqs, streams, [SHIPPING], False, sleep=slept.append)
        work.run()

        assert slept == [1]

    def test_an_empty_queue_takes_no_time(self) -> None:
        slept: list[float] = []
        sqs: Any = sqs_with([])
        streams: Any = None
        work = Redrive(sqs, streams, [SHIPPING], False, sleep=slept.append)
        work.run()

        assert slept == []


class TestInterrupted:
    def test_between_sending_and_deleting_a_dead_letter_is_in_both_queues(self) -> None:
        class Interrupted(FakeSqs):
            def delete_message_batch(self, **_: Any) -> dict[str, Any]:  # type: ignore[override]
                raise KeyboardInterrupt

        sqs = Interrupted({"letters": dead_letters("a", "b"), "queue": []})
        with pytest.raises(KeyboardInterrupt):
            redriven(sqs)

        assert sqs.bodies_sent() == ["a", "b"]
        assert [message.visible for message in sqs.queues["letters"]] == [True, True]

    def test_before_sending_it_stays_where_it_is(self) -> None:
        class Interrupted(FakeSqs):
            def send_message_batch(self, **_: Any) -> dict[str, Any]:  # type: ignore[override]
                raise KeyboardInterrupt

        sqs = Interrupted({"letters": dead_letters("a"), "queue": []})
        with pytest.raises(KeyboardInterrupt):
            redriven(sqs)

        assert sqs.sent == []
        assert [message.visible for message in sqs.queues["letters"]] == [True]


class TestPartialFailures:
    def test_what_its_queue_did_not_take_is_not_deleted(self) -> None:
        sqs = sqs_with(dead_letters("a", "b", "c"), refuse_send={"b"})
        found = redriven(sqs).found["fulfilment"]

        assert [(m.body, m.visible) for m in sqs.queues["letters"]] == [("b", True)]
        assert (found.dead_letters, found.moved) == (3, 2)
        assert list(found.not_moved.values()) == [1]

    def test_what_could_not_be_deleted_is_in_both_queues(self) -> None:
        sqs = sqs_with(dead_letters("a", "b"), refuse_delete={"b"})
        redriven(sqs)

        assert sqs.bodies_sent() == ["a", "b"]
        assert [(m.body, m.visible) for m in sqs.queues["letters"]] == [("b", True)]


class TestDryRun:
    def test_it_changes_nothing_and_hides_nothing(self) -> None:
        sqs = sqs_with(dead_letters(*map(str, range(12))))
        found = redriven(sqs, dry_run=True).found["fulfilment"]

        assert (found.dead_letters, found.moved) == (12, 0)
        assert sqs.sent == []
        assert [message.visible for message in sqs.queues["letters"]] == [True] * 12


class TestReported:
    def test_dead_letters_are_grouped_by_reason_with_their_first_orders(self) -> None:
        ids = [order_id() for _ in range(ORDERS_NAMED_MAX + 2)]
        checks = [check_message_of(Check(OrderKey(CUSTOMER, id_))) for id_ in ids]
        tried = message_of(Command(OrderKey(CUSTOMER, ids[0]), Step.SHIP))
        strange = [Message(tried, EARLIER, moved_by_sqs=True), Message("{}", EARLIER)]
        sqs = sqs_with([*dead_letters(*checks), *strange])

        found = redriven(sqs, dry_run=True).found["fulfilment"]

        assert {reason: group.dead_letters for reason, group in found.groups.items()} == {
            "answered 401": len(ids),
            "tried 98 times without an outcome": 1,
            "cannot be read as a command; no reason given: it was not moved here from its queue": 1,
        }
        named = [key.order_id for key in found.groups["answered 401"].orders]
        assert named == ids[:ORDERS_NAMED_MAX]

    def test_endless_reasons_do_not_take_endless_room(self) -> None:
        messages = [Message("{}", EARLIER, f"reason {n}") for n in range(REASONS_MAX + 5)]
        found = redriven(sqs_with(messages), dry_run=True).found["fulfilment"]

        assert len(found.groups) == REASONS_MAX + 1
        assert found.groups[OTHER_REASONS].dead_letters == 5

    def test_dead_letters_that_another_redrive_holds_are_counted(self) -> None:
        messages = dead_letters("a", "b")
        messages[0].visible = False

        assert redriven(sqs_with(messages)).found["fulfilment"].elsewhere == 1


class TestRelay:
    def test_a_text_that_is_no_check_is_kept(self) -> None:
        sqs = sqs_with(dead_letters("{}"))
        found = redriven(sqs, RELAY).found["relay"]

        assert sqs.sent == []
        assert [message.visible for message in sqs.queues["letters"]] == [True]
        assert found.not_moved == {NO_ORDER: 1}

    @pytest.mark.parametrize("source", [RELAY, WATCHDOG])
    def test_a_failure_record_becomes_a_forced_check_for_each_order(self, source: Source) -> None:
        ids = [order_id() for _ in range(12)]
        batch = [record(200 + place, id_) for place, id_ in enumerate(ids)]
        progress = record(212, f"{ids[0]}#progress")
        beyond = record(213, order_id())
        streams = FakeStream([*batch[:5]], [], [*batch[5:], progress, beyond])
        body = failure_record(startSequenceNumber=number(200), endSequenceNumber=number(212))
        sqs = sqs_with(dead_letters(body, reason=None))

        found = redriven(sqs, source, streams=streams).found[source.name]

        assert sqs.bodies_sent() == [
            check_message_of(Check(OrderKey(CUSTOMER, id_), force=True)) for id_ in ids
        ]
        assert sqs.queues["letters"] == []
        assert (found.dead_letters, found.moved) == (1, 1)

    def test_it_stays_while_one_of_its_checks_was_not_taken(self) -> None:
        ids = [order_id() for _ in range(2)]
        second = check_message_of(Check(OrderKey(CUSTOMER, ids[1]), force=True))
        streams = FakeStream([record(200, ids[0]), record(201, ids[1])])
        body = failure_record(startSequenceNumber=number(200), endSequenceNumber=number(201))
        sqs = sqs_with(dead_letters(body, reason=None), refuse_send={second})

        assert redriven(sqs, RELAY, streams=streams).found["relay"].moved == 0
        assert len(sqs.queues["letters"]) == 1

    @pytest.mark.parametrize("code", ["TrimmedDataAccessException", "ResourceNotFoundException"])
    def test_records_that_the_stream_no_longer_has_are_reported_and_the_dead_letter_kept(
        self, code: str
    ) -> None:
        sqs = sqs_with(dead_letters(failure_record(), reason=None))
        found = redriven(sqs, RELAY, streams=Forgetful(code)).found["relay"]

        assert found.not_moved == {EXPIRED: 1}
        assert "spillway orders resume" in EXPIRED
        assert len(sqs.queues["letters"]) == 1

    def test_a_shard_that_ends_before_the_last_record_has_forgotten_it(self) -> None:
        streams = FakeStream([record(200, order_id())])
        body = failure_record(startSequenceNumber=number(200), endSequenceNumber=number(201))
        found = redriven(sqs_with(dead_letters(body)), RELAY, streams=streams).found["relay"]

        assert found.not_moved == {EXPIRED: 1}

    def test_any_other_error_of_the_stream_is_not_taken_for_that(self) -> None:
        with pytest.raises(ClientError):
            redriven(
                sqs_with(dead_letters(failure_record())),
                RELAY,
                streams=Forgetful("InternalServerError"),
            )


def test_large_dead_letters_are_sent_in_more_requests() -> None:
    half = "x" * (BATCH_BYTES_MAX // 2)
    sqs = sqs_with(dead_letters(half, half, half))
    redriven(sqs)

    assert sqs.requests.count("send") == 2
    assert sqs.queues["letters"] == []


class FakeStream:
    """A closed shard of some pages."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = pages

    def get_shard_iterator(self, **_: Any) -> dict[str, Any]:
        return {"ShardIterator": "0"}

    def get_records(self, ShardIterator: str) -> dict[str, Any]:  # noqa: N803
        place = int(ShardIterator)
        page: dict[str, Any] = {"Records": self.pages[place]}
        if place + 1 < len(self.pages):
            page["NextShardIterator"] = str(place + 1)
        return page


class Forgetful(FakeStream):
    def __init__(self, code: str) -> None:
        self.code = code

    def get_shard_iterator(self, **_: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": self.code, "Message": ""}}, "GetShardIterator")


def number(count: int) -> str:
    """A sequence number: 21 digits at least."""
    return f"{count:021d}"


def record(count: int, sort_key: str) -> dict[str, Any]:
    keys = {"pk": {"S": CUSTOMER}, "sk": {"S": sort_key}}
    return {"dynamodb": {"SequenceNumber": number(count), "Keys": keys}}
