from collections.abc import Callable, Iterator
from uuid import uuid4

import boto3
import pytest

from simulation.downstreams.dynamodb_ledger import dynamodb_ledgers
from simulation.downstreams.ledger import Ledger, MemoryLedger
from spillway.local.emulator import emulator

REGION = "us-east-1"
CREDENTIALS = {"access_key_id": "test", "secret_access_key": "test"}


@pytest.fixture(scope="session")
def downstream_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an emulator for this folder's tests alone."""
    with emulator(tmp_path_factory.mktemp("downstream-emulator")) as running:
        yield running.url


@pytest.fixture(scope="session")
def make_dynamodb_ledger(downstream_emulator: str) -> Callable[[], Ledger]:
    """A function that makes an empty ledger in a table of its own."""
    client = boto3.client(
        "dynamodb",
        endpoint_url=downstream_emulator,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["access_key_id"],
        aws_secret_access_key=CREDENTIALS["secret_access_key"],
    )

    def make() -> Ledger:
        table = f"downstream-{uuid4()}"
        client.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        ledgers = dynamodb_ledgers(
            {"any": table}, endpoint_url=downstream_emulator, region=REGION, **CREDENTIALS
        )
        return ledgers["any"]

    return make


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.emulator)])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """An empty ledger: each test runs once in memory and once on the emulator's DynamoDB."""
    if request.param == "memory":
        return MemoryLedger()
    make: Callable[[], Ledger] = request.getfixturevalue("make_dynamodb_ledger")
    return make()
