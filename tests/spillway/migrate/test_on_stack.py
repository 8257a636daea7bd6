"""An order that is brought over makes nothing happen, on the service as it is deployed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from orders.domain.order import OrderKey
from spillway.migrate.config import read_config
from spillway.migrate.copying import Copy
from spillway.migrate.cutting_over import hand_over
from spillway.migrate.following import Follow
from spillway.migrate.running import Parts, Place, assembled
from spillway.run.stack import Stack
from spillway.target.reading import read_effects
from spillway.target.service import of_stack
from tests.e2e.shop import Customer
from tests.spillway.migrate.legacy import DOCS, Shop, order

NOTHING: Any = lambda *_: None  # noqa: E731


@dataclass
class Ears:
    """A queue that hears every event, and the downstreams' own tables."""

    stack: Stack
    queue: str

    @staticmethod
    def of(stack: Stack) -> Ears:
        sqs, sns = stack.client("sqs"), stack.client("sns")
        name = f"ears-{random.randrange(10**9)}"
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        (topic,) = [
            one["TopicArn"]
            for one in sns.list_topics()["Topics"]
            if "order-events" in one["TopicArn"].lower() or "events" in one["TopicArn"].lower()
        ]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return Ears(stack, url)

    def events(self, last: str) -> Iterator[str]:
        """Every event, until one speaks of the order `last`."""
        sqs = self.stack.client("sqs")
        event = ""
        while last not in event:
            messages = sqs.receive_message(
                QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=20
            )["Messages"]
            for message in messages:
                event = json.loads(message["Body"])["Message"]
                yield event
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])

    def effects(self, order_id: str) -> set[str]:
        dynamodb = self.stack.client("dynamodb")
        return {
            effect.step
            for downstream in ("inventory", "fulfilment", "accounting")
            for effect in read_effects(dynamodb, self.stack.tables[downstream], downstream)
            if effect.key.order_id == order_id
        }


@contextmanager
def assembled_for(shop: Shop, stack: Stack, folder: Path) -> Iterator[Parts]:
    """The parts of a migration; its table on the stack is deleted when the block ends."""
    example = read_config(DOCS / "row-per-order.toml")
    config = msgspec.structs.replace(
        example,
        source=msgspec.structs.replace(example.source, url_variable="OLD_SHOP", tls="off"),
        customers=msgspec.structs.replace(example.customers, prefix=""),
        quarantine_file=str(folder / "quarantine.jsonl"),
    )
    place = Place(
        stack.client,
        stack.tables["orders"],
        f"{stack.tables['orders']}-migration-{shop.database}",
        stack.queues["watchdog"],
        of_stack(stack).archive,
    )
    with assembled(config, place, {"OLD_SHOP": shop.server.url(shop.database)}) as parts:
        parts.state.make_table()
        yield parts
        parts.state.dynamodb.delete_table(TableName=parts.state.table)


def ids_of(parts: Parts) -> dict[str, str]:
    """Old order number to order id."""
    found = parts.state.dynamodb.scan(TableName=parts.state.table)["Items"]
    return {
        item["pk"]["S"].removeprefix("order/"): item["order"]["S"]
        for item in found
        if item["pk"]["S"].startswith("order/")
    }


def _all_is_seen(shopper: Customer) -> str:
    """Place an order and wait until it has settled, after three steps. By then the stream has
    reported all earlier writes to relay, and their effects have had the same time."""
    id_ = shopper.place()
    shopper.settled(id_)
    return id_


def test_imported_orders_are_silent_and_open_ones_go_their_way_when_handed_over(
    stack: Stack, shop: Shop, shopper: Customer, tmp_path: Path
) -> None:
    ears = Ears.of(stack)
    rng = random.Random(1)
    done = {
        status: shop.insert(order(rng, status=status, customer_id=shopper.id))
        for status in ("shipped", "cancelled", "refused", "paid", "picked")
    }
    with assembled_for(shop, stack, tmp_path) as parts:
        Copy(parts, NOTHING).run()
        # Other facts, another customer's time: what follow writes is silent too.
        shop.run(f"UPDATE orders SET status = 'delivered' WHERE id = {done['picked']}")
        shop.run(
            f"UPDATE orders SET placed_at = '2024-05-05 05:05:05' WHERE id = {done['shipped']}"
        )
        Follow(parts, NOTHING).run(until_caught_up=True)
        ids = ids_of(parts)
        order_id = {status: ids[str(number)] for status, number in done.items()}

        last = _all_is_seen(shopper)
        heard = [event for event in ears.events(last) if any(id_ in event for id_ in ids.values())]
        assert heard == []
        for id_ in ids.values():
            assert ears.effects(id_) == set()

        statuses = {status: shopper.get(id_) for status, id_ in order_id.items()}
        assert {status: one["status"] for status, one in statuses.items()} == {
            "shipped": "confirmed",
            "cancelled": "cancelled",
            "refused": "rejected",
            "paid": "accepted",
            "picked": "confirmed",
        }
        # A customer who cancels an old purchase is answered; fulfilment is not asked.
        assert shopper.cancel(order_id["shipped"]).status_code == 202
        _all_is_seen(shopper)
        cancelled = shopper.get(order_id["shipped"])
        assert (cancelled["status"], cancelled["cancellation"]["outcome"]) == (
            "confirmed",
            "refused",
        )
        assert ears.effects(order_id["shipped"]) == set()

        (listed,) = parts.state.listed("open")
        hand_over(parts, [OrderKey(listed["customer"]["S"], listed["order"]["S"])])
        settled = shopper.settled(order_id["paid"])
        assert settled["status"] == "confirmed"
        assert ears.effects(order_id["paid"]) == {"reserve", "ship", "post"}


def test_an_audit_does_not_hold_old_orders_against_downstreams_that_never_saw_them(
    stack: Stack, shop: Shop, shopper: Customer, tmp_path: Path
) -> None:
    shop.insert(order(random.Random(2), status="shipped", customer_id=shopper.id))
    with assembled_for(shop, stack, tmp_path) as parts:
        Copy(parts, NOTHING).run()
        (id_,) = ids_of(parts).values()
    records = of_stack(stack).orders.orders()
    assert id_ not in {record.key.order_id for record in records}
