"""One emulator behind a proxy, shared: each test starts with no rules and counts at zero."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.config import Config

from spillway.run.proxy import Proxy
from spillway.run.stack.aws import client
from spillway.run.stack.emulator import emulator, fault_injection_proxy
from spillway.run.stack.ports import free_port
from tests.needs import starts

TABLE = "parts"
QUEUE = "work"
TOPIC = "news"
TOKEN = "a-token"


@dataclass(frozen=True)
class Wire:
    """A proxy and what is on both of its sides."""

    proxy: Proxy
    emulator: str
    queue_url: str
    topic_arn: str

    def through(self, service: str, **settings: Any) -> Any:
        """A client whose calls pass the proxy, each made once."""
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=32, **settings)
        return client(self.proxy.url, service, config)

    def direct(self, service: str) -> Any:
        """A client that goes round the proxy."""
        return client(self.emulator, service)

    def item(self, key: str) -> dict[str, Any] | None:
        """What the table has under `key`."""
        found = self.direct("dynamodb").get_item(TableName=TABLE, Key={"pk": {"S": key}})
        item: dict[str, Any] | None = found.get("Item")
        return item

    def messages(self) -> list[str]:
        """Takes all messages that can be seen out of the queue; their bodies, sorted."""
        sqs, bodies = self.direct("sqs"), []
        while received := sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0
        ).get("Messages"):
            for message in received:
                bodies.append(message["Body"])
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return sorted(bodies)


@pytest.fixture(scope="session")
@starts("emulator")
def shared_wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    folder = tmp_path_factory.mktemp("wire")
    with (
        emulator(folder) as running,
        fault_injection_proxy(folder, port=free_port(), emulator=running.url, token=TOKEN) as proxy,
    ):
        client(running.url, "dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        queue_url = client(running.url, "sqs").create_queue(QueueName=QUEUE)["QueueUrl"]
        topic_arn = client(running.url, "sns").create_topic(Name=TOPIC)["TopicArn"]
        yield Wire(Proxy(proxy.url, TOKEN), running.url, queue_url, topic_arn)


@pytest.fixture
def wire(shared_wire: Wire) -> Wire:
    shared_wire.proxy.reset()
    shared_wire.messages()
    return shared_wire
