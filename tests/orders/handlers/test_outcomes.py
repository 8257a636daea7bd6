"""What a downstream tells of itself is recorded once, if it is what it seems to be; and its sender
is answered so that it sends again what was not taken, and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from orders.aws import items
from orders.aws.messages import queue_text
from orders.domain.backoff import DRAIN
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.refusals import CUSTOMER_ID_MAX
from orders.domain.saga import Downstream, Facts, Outcome, Step
from orders.domain.units import Millis
from orders.downstream.answers import Rule
from orders.downstream.description import Outcomes as Described
from orders.downstream.description import Signature
from orders.downstream.keys import correlation_id
from orders.downstream.told import TOLERANCE_MS, sign
from orders.failures import TransientFailure
from orders.flow.consumer import Consumer
from orders.flow.outcomes import Outcomes
from orders.handlers.outcomes import BODY_BYTES_MAX, handle
from orders.ports import Command, Progress
from orders.wiring import Telling
from simulation.world.runtime import FixedSigningKeys, MemoryInbox, MemoryLog, SetClock
from simulation.world.table import MemoryOrders
from tests.builders import NOW, accepted, order_id, order_key

OLD_KEY, NEW_KEY = b"the key of last year", b"the key of this year"
DESCRIBED = Described(
    by="callback",
    correlation_id="/correlationId",
    signature=Signature("X-Acme-Signature", "X-Acme-Timestamp", "sha256="),
    answers=(
        Rule("done", where={"/state": ("HELD",)}, reference="/hold"),
        Rule("refused", where={"/state": ("SHORT",)}, code="/why"),
        Rule("later", where={"/state": ("PICKING",)}),
    ),
)
HELD = {"state": "HELD", "hold": "H-1"}
SHORT = {"state": "SHORT", "why": "out_of_stock"}


class UnreadableOrders(MemoryOrders):
    def progress(self, key: OrderKey) -> Progress | None:
        raise TransientFailure(f"Query: throttled ({key.order_id})")


class Bench:
    def __init__(self, orders: MemoryOrders | None = None) -> None:
        self.orders = orders or MemoryOrders()
        self.log = MemoryLog()
        self.inboxes: dict[str, MemoryInbox] = {}
        self.keys = FixedSigningKeys({"2025": OLD_KEY, "2026": NEW_KEY})
        self.tellers: dict[Downstream, Telling] = {
            "inventory": self.telling("inventory", DESCRIBED),
            "fulfilment": self.telling(
                "fulfilment", Described("queue", DESCRIBED.correlation_id, DESCRIBED.answers)
            ),
        }

    def telling(self, name: Downstream, described: Described) -> Telling:
        inbox = self.inboxes[name] = MemoryInbox()
        consumer = Consumer("outcomes", inbox, SetClock(NOW), lambda: 0.0, self.log, DRAIN)
        return Telling(described, consumer, self.keys if described.by == "callback" else None)

    def order(self, *done: Step) -> AcceptedOrder:
        order = accepted()
        self.orders.place(order)
        for step in done:
            self.orders.record(order.key, {step: Outcome(NOW, reference="R-1")})
        return order

    def call(self, event: dict[str, Any]) -> int:
        status: int = handle(event, self.tellers, Outcomes(self.orders))["statusCode"]
        return status

    def receive(self, name: Downstream, *bodies: str) -> list[str]:
        """The ids of the messages that are to come again."""
        records = [
            {
                "messageId": f"message {number}",
                "receiptHandle": f"receipt {number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "eventSourceARN": f"arn:aws:sqs:eu-west-1:1:spillway-dev-outcomes-{name}",
            }
            for number, body in enumerate(bodies)
        ]
        answer = handle({"Records": records}, self.tellers, Outcomes(self.orders))
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def outcomes(self) -> Sequence[object]:
        return [line["outcome"] for line in self.log.lines]


def message(key: OrderKey, says: dict[str, str], step: Step = Step.RESERVE) -> bytes:
    return msgspec.json.encode({"correlationId": correlation_id(Command(key, step)), **says})


def callback(
    body: bytes,
    *,
    key: bytes = NEW_KEY,
    at: int = NOW,
    signed: bytes | None = None,
    downstream: str = "inventory",
    as_base64: bool = False,
) -> dict[str, Any]:
    """As the HTTP API hands it over: the names of headers in lower case."""
    timestamp = str(at // 1000)
    signature = sign(body if signed is None else signed, timestamp, key)
    text = base64.b64encode(body).decode() if as_base64 else body.decode()
    return {
        "version": "2.0",
        "routeKey": "POST /outcomes/{downstream}",
        "headers": {
            "content-type": "application/json",
            "x-acme-signature": f"sha256={signature}",
            "x-acme-timestamp": timestamp,
        },
        "pathParameters": {"downstream": downstream},
        "body": text,
        "isBase64Encoded": as_base64,
    }


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("as_base64", [False, True])
def test_what_was_taken_is_recorded_as_if_it_had_been_answered_at_once(
    bench: Bench, as_base64: bool
) -> None:
    order = bench.order()
    assert bench.call(callback(message(order.key, HELD), as_base64=as_base64)) == 204
    assert bench.orders.facts(order.key) == Facts({Step.RESERVE: Outcome(NOW, reference="H-1")})
    [line] = bench.log.lines
    assert (line["step"], line["outcome"], line["command"]) == ("outcomes", "done", "reserve")
    assert line["order_id"] == order.key.order_id


def test_a_refusal_is_one_with_its_code(bench: Bench) -> None:
    order = bench.order()
    assert bench.call(callback(message(order.key, SHORT))) == 204
    assert bench.orders.facts(order.key).outcomes[Step.RESERVE].refusal == "out_of_stock"
    assert bench.log.lines[0]["reason"] == "out_of_stock"


def test_on_a_queue_it_is_the_same(bench: Bench) -> None:
    order = bench.order(Step.RESERVE, Step.POST)
    assert bench.receive("fulfilment", message(order.key, HELD, Step.SHIP).decode()) == []
    assert bench.orders.facts(order.key).done(Step.SHIP)
    [line] = bench.log.lines
    assert (line["outcome"], line["status"], line["settle_ms"]) == ("done", "confirmed", 0)


def test_whoever_tells_twice_changes_nothing_and_is_not_logged_again(bench: Bench) -> None:
    body = message(bench.order().key, HELD)
    assert [bench.call(callback(body)) for _ in range(3)] == [204] * 3
    assert bench.outcomes() == ["done"]
    assert bench.inboxes["inventory"].dead_letters == []


@pytest.mark.parametrize("key", [OLD_KEY, NEW_KEY])
def test_each_key_in_force_signs_while_one_replaces_the_other(bench: Bench, key: bytes) -> None:
    assert bench.call(callback(message(bench.order().key, HELD), key=key)) == 204


@pytest.mark.parametrize("at", [NOW - TOLERANCE_MS - 1_000, NOW + TOLERANCE_MS + 1_000])
def test_what_was_signed_at_another_time_is_not_taken(bench: Bench, at: int) -> None:
    order = bench.order()
    assert bench.call(callback(message(order.key, HELD), at=at)) == 401
    assert bench.orders.facts(order.key) == Facts()
    assert bench.outcomes() == ["forged"]


def test_a_timestamp_may_be_in_milliseconds(bench: Bench) -> None:
    body = message(bench.order().key, HELD)
    event = callback(body)
    event["headers"]["x-acme-timestamp"] = str(NOW)
    event["headers"]["x-acme-signature"] = "sha256=" + sign(body, str(NOW), NEW_KEY).upper()
    assert bench.call(event) == 204


def spoil(event: dict[str, Any], **headers: str | None) -> dict[str, Any]:
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {**event["headers"], **changed}
    return event | {"headers": {name: text for name, text in kept.items() if text is not None}}


def test_what_nobody_with_a_key_signed_is_not_even_read(bench: Bench) -> None:
    order = bench.order()
    body = message(order.key, HELD)
    good = callback(body)
    signature = good["headers"]["x-acme-signature"]
    for event in (
        callback(body, key=b"somebody's own"),
        callback(body, signed=message(order.key, SHORT)),
        callback(b"{", signed=body),
        spoil(good, x_acme_signature=None),
        spoil(good, x_acme_signature=""),
        spoil(good, x_acme_signature="sha256="),
        spoil(good, x_acme_signature=signature.removeprefix("sha256=")),
        spoil(good, x_acme_signature=f"{signature},{signature}"),
        spoil(good, x_acme_timestamp=None),
        spoil(good, x_acme_timestamp=str(NOW // 1000 + 1)),
        spoil(good, x_acme_timestamp="١٧٦٣٨٩٢٠٠٠"),
        spoil(good, x_acme_timestamp="9" * 5_000),
    ):
        assert bench.call(event) == 401
    assert bench.orders.facts(order.key) == Facts()
    assert set(bench.outcomes()) == {"forged"}
    assert bench.inboxes["inventory"].dead_letters == []


def wrong(bench: Bench) -> list[tuple[bytes, str]]:
    """Messages of the downstream's own that it cannot mean, and why they are kept."""
    order = bench.order()
    cancelled = bench.order()
    bench.orders.request_cancellation(cancelled.key, NOW, reserved=False)
    held = bench.order(Step.RESERVE)
    unknown = order_key("nobody", order_id())
    return [
        (message(unknown, HELD), "there is no such order"),
        (message(order.key, HELD, Step.RELEASE), "release was never commanded for this order"),
        (message(order.key, HELD, Step.SHIP), "ship is nothing that inventory does"),
        (message(cancelled.key, SHORT, Step.RELEASE), "release was never commanded"),
        (message(held.key, SHORT), "reserve is on record as done, and the downstream now"),
        (message(order.key, {"state": "COOKING"}), "the message says nothing that its description"),
        (b'{"state": "HELD"}', "/correlationId names no command of ours"),
        (
            b'{"state": "HELD", "correlationId": {"a": 1}}',
            "/correlationId names no command of ours",
        ),
        (
            b'{"state": "HELD", "correlationId": "reserve.x.y"}',
            "/correlationId names no command of ours",
        ),
        (
            message(order_key("x" * (CUSTOMER_ID_MAX + 1), order_id()), HELD),
            "/correlationId names no command of ours",
        ),
        (b"<held/>", "the message is not JSON"),
        (b"[" * 60_000, "the message is not JSON"),
    ]


def test_what_it_cannot_mean_is_kept_for_a_person_and_the_sender_stops(bench: Bench) -> None:
    for body, why in wrong(bench):
        before = len(bench.inboxes["inventory"].dead_letters)
        assert bench.call(callback(body)) == 204
        [(kept, reason)] = bench.inboxes["inventory"].dead_letters[before:]
        assert (kept, reason[: len(why)]) == (body.decode(), why)
    assert set(bench.outcomes()) == {"dead_lettered", "contradicted"}
    assert bench.outcomes().count("contradicted") == 1


def test_news_of_what_is_not_decided_yet_is_passed_over(bench: Bench) -> None:
    order = bench.order()
    for body in (message(order.key, {"state": "PICKING"}), b'{"state": "PICKING"}'):
        assert bench.call(callback(body)) == 204
        assert bench.receive("inventory", body.decode()) == []
    assert bench.orders.facts(order.key) == Facts()
    assert (bench.inboxes["inventory"].dead_letters, bench.outcomes()) == ([], [])


def test_on_a_queue_it_is_kept_too(bench: Bench) -> None:
    for body, why in wrong(bench):
        before = len(bench.inboxes["inventory"].dead_letters)
        assert bench.receive("inventory", body.decode()) == []
        [(kept, reason)] = bench.inboxes["inventory"].dead_letters[before:]
        assert (kept, reason[: len(why)]) == (body.decode(), why)


def test_what_was_kept_can_be_moved_to_the_queue_when_it_can_be_taken(bench: Bench) -> None:
    order = accepted()
    body = message(order.key, HELD)
    bench.call(callback(body))
    [(kept, _)] = bench.inboxes["inventory"].dead_letters
    bench.orders.place(order)
    assert bench.receive("inventory", kept) == []
    assert bench.orders.facts(order.key).done(Step.RESERVE)


def test_a_step_that_cannot_be_refused_is_for_a_person(bench: Bench) -> None:
    order = bench.order()
    bench.orders.request_cancellation(order.key, NOW, reserved=False)
    bench.orders.record(order.key, {Step.RESERVE: Outcome(NOW)})
    assert bench.call(callback(message(order.key, SHORT, Step.RELEASE))) == 204
    assert not bench.orders.facts(order.key).known(Step.RELEASE)
    assert len(bench.inboxes["inventory"].dead_letters) == 1


def test_a_sentence_is_no_code_and_a_text_that_no_queue_takes_is_kept_in_escapes(
    bench: Bench,
) -> None:
    order = bench.order()
    bench.call(callback(message(order.key, SHORT | {"why": "Ada Fletcher ordered too much"})))
    assert bench.orders.facts(order.key).outcomes[Step.RESERVE].refusal == "unnamed"
    assert bench.call(callback(b"")) == 204
    assert bench.inboxes["inventory"].dead_letters[-1][0] == "{}"
    assert queue_text("a\x00b\ufffec\U0001f600") == "a\\u0000b\\ufffec\U0001f600"
    assert msgspec.json.decode(queue_text('"\ufffe"')) == "\ufffe"


def test_a_sender_is_asked_to_send_again_what_could_not_be_taken(bench: Bench) -> None:
    bench = Bench(UnreadableOrders())
    key = order_key("a", order_id())
    assert bench.call(callback(message(key, HELD))) == 503
    assert bench.outcomes() == ["unavailable"]
    assert bench.receive("fulfilment", message(key, HELD, Step.SHIP).decode()) == ["message 0"]


def test_without_a_key_at_hand_nothing_is_judged(bench: Bench) -> None:
    class NoKeys:
        def in_force(self) -> dict[str, bytes]:
            raise TransientFailure("GetParameter: ThrottlingException")

    telling = bench.tellers["inventory"]
    bench.tellers["inventory"] = replace(telling, keys=NoKeys())
    assert bench.call(callback(message(bench.order().key, HELD))) == 503


@pytest.mark.parametrize("downstream", ["fulfilment", "accounting", "nobody"])
def test_whoever_does_not_call_back_has_no_route(bench: Bench, downstream: str) -> None:
    assert bench.call(callback(b"{}", downstream=downstream)) == 404


def test_a_message_is_bounded(bench: Bench) -> None:
    assert bench.call(callback(b" " * (BODY_BYTES_MAX + 1))) == 413


def test_an_order_that_has_left_the_table_had_settled(bench: Bench) -> None:
    order = bench.order()
    object.__setattr__(bench.orders, "archive", None)  # as the function is wired
    bench.orders.client.put_item(
        TableName=bench.orders.table,
        Item=items.stub_item(order.key, items.Location("2026/11/23", "1", 1, 1)),
    )
    assert bench.call(callback(message(order.key, HELD))) == 204
    assert bench.outcomes() == ["archived"]


def test_the_time_to_settle_counts_from_the_order_s_acceptance(bench: Bench) -> None:
    order = replace(accepted(), accepted_at=Millis(NOW - 900))
    bench.orders.place(order)
    for step in (Step.SHIP, Step.POST):
        bench.orders.record(order.key, {step: Outcome(NOW)})
    assert bench.call(callback(message(order.key, HELD))) == 204
    assert bench.log.lines[-1]["settle_ms"] == 900
