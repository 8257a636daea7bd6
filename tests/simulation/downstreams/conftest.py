from collections.abc import Callable, Iterator

import boto3
import pytest

from simulation.downstreams.dynamodb_ledger import dynamodb_ledgers
from simulation.downstreams.ledger import Ledger, MemoryLedger
from simulation.downstreams.server import uvicorn_config
from spillway.run.stack.emulator import emulator
from tests.hosting import Host, hosting
from tests.needs import starts
from tests.tables import make_table

REGION = "us-east-1"
CREDENTIALS = {"access_key_id": "test", "secret_access_key": "test"}


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """Serves a test's fakes over HTTP."""
    with hosting(lambda application: uvicorn_config(application, 0)) as host:
        yield host


@pytest.fixture(scope="session")
@starts("emulator")
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
        table = make_table(client, "downstream")
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
