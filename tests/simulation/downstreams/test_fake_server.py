"""The fakes over real HTTP."""

import asyncio
import re
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from starlette.responses import JSONResponse

from simulation.downstreams.ledger import Ledger, MemoryLedger
from simulation.downstreams.server import application
from tests.hosting import Host
from tests.simulation.downstreams.builders import API_KEYS, PATHS, body_of, key_of
from tests.waiting import eventually


@pytest.fixture
def ledgers() -> dict[str, Ledger]:
    return {downstream: MemoryLedger() for downstream in API_KEYS}


@pytest.fixture
def client(host: Host, ledgers: Mapping[str, Ledger]) -> Iterator[httpx.Client]:
    host.application = application(ledgers, API_KEYS)
    with host.client() as client:
        yield client


PROJECT = Path(__file__).parents[3]
#: As docs/production.md tells whoever writes a downstream.
CONTRACT_TEST = re.search(
    r"^\.venv/bin/schemathesis (run .*?[^\\])$",
    (PROJECT / "docs" / "production.md").read_text(),
    re.MULTILINE | re.DOTALL,
)


def contract_test(host: Host, tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Of whatever stands in inventory's place. It leaves its files where it runs."""
    assert CONTRACT_TEST is not None
    command = CONTRACT_TEST[1].replace("\\\n", " ").replace("$KEY", API_KEYS["inventory"])
    command = command.replace("docs/", f"{PROJECT}/docs/")
    command = command.replace("http://127.0.0.1:9000", f"{host.url}/inventory")
    return subprocess.run(  # noqa: S603
        [Path(sys.executable).parent / "schemathesis", *shlex.split(command), *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.usefixtures("client")
def test_a_service_that_keeps_its_contract_passes_the_test_of_it(
    host: Host, tmp_path: Path
) -> None:
    done = contract_test(host, tmp_path, "--max-examples=5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_one_that_breaks_its_contract_fails_it(host: Host, tmp_path: Path) -> None:
    """It says 200 where the contract says 201, which Spillway takes for a broken contract."""
    host.application = JSONResponse({"reference": "done"})
    done = contract_test(host, tmp_path, "--phases=examples")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Undocumented" in done.stdout


class Latency:
    """Waits out no latency before it is told to, whatever the machine's speed."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.over = threading.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds:
            self.asked.append(seconds)
            while not self.over.is_set():
                await asyncio.sleep(0.005)


@pytest.fixture
def latency(host: Host, client: httpx.Client, ledgers: Mapping[str, Ledger]) -> Iterator[Latency]:
    latency = Latency()
    host.application = application(ledgers, API_KEYS, latency.sleep)
    set_faults(client, "inventory", latency_ms=2_000)
    yield latency
    latency.over.set()


def send(client: httpx.Client, downstream: str, step: str, key: str = "") -> httpx.Response:
    return client.post(
        f"/{downstream}{PATHS[step]}",
        json=body_of(step),
        headers={"x-api-key": API_KEYS[downstream], "Idempotency-Key": key or key_of(step)},
    )


def set_faults(client: httpx.Client, downstream: str, **fault_settings: object) -> None:
    client.put(
        f"/{downstream}/fault-settings",
        json=fault_settings,
        headers={"x-api-key": API_KEYS[downstream]},
    ).raise_for_status()


def test_each_downstream_has_its_prefix_its_key_and_its_ledger(
    client: httpx.Client, ledgers: Mapping[str, Ledger]
) -> None:
    for downstream, step in {
        "inventory": "reserve",
        "fulfilment": "ship",
        "accounting": "post",
    }.items():
        answer = send(client, downstream, step)
        assert answer.status_code == 201
        assert answer.headers["content-type"] == "application/json"
        (entry,) = ledgers[downstream].all_entries()
        assert answer.json() == {"reference": entry.reference}
        assert abs(entry.at - time.time() * 1000) < 60_000
        assert client.get(f"/{downstream}/health").json() == {"status": "healthy"}


def test_the_key_of_one_downstream_opens_no_other(client: httpx.Client) -> None:
    answer = client.get("/inventory/fault-settings", headers={"x-api-key": API_KEYS["accounting"]})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "ApiKey"


@pytest.mark.parametrize("path", ["/", "/marketing/postings", "/inventory", "/inventory/nowhere"])
def test_there_is_a_problem_document_where_there_is_nothing(
    client: httpx.Client, path: str
) -> None:
    answer = client.post(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "path_unknown")


def test_fault_settings_of_one_downstream_leave_the_others_alone(client: httpx.Client) -> None:
    set_faults(client, "inventory", outage=True)
    assert send(client, "inventory", "reserve").status_code == 503
    assert send(client, "fulfilment", "ship").status_code == 201


def test_a_lost_answer_is_a_closed_connection_and_a_done_effect(
    client: httpx.Client, ledgers: Mapping[str, Ledger], caplog: pytest.LogCaptureFixture
) -> None:
    set_faults(client, "inventory", lose_answers_rate=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        send(client, "inventory", "reserve")
    (entry,) = ledgers["inventory"].all_entries()
    set_faults(client, "inventory")
    assert send(client, "inventory", "reserve").json() == {"reference": entry.reference}
    assert ledgers["inventory"].all_entries() == [entry]
    assert caplog.records == []


def test_latency_is_waited_out_before_the_effect_and_holds_no_other_request_up(
    client: httpx.Client, ledgers: Mapping[str, Ledger], latency: Latency
) -> None:
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(send, client, "inventory", "reserve")
        eventually(lambda: latency.asked)
        assert send(client, "fulfilment", "ship").status_code == 201
        assert not slow.done()
        assert ledgers["inventory"].all_entries() == []
        latency.over.set()
        assert slow.result().status_code == 201
    assert latency.asked == [2.0]


def test_latency_takes_its_time(client: httpx.Client) -> None:
    set_faults(client, "inventory", latency_ms=50)
    began = time.monotonic()
    assert send(client, "inventory", "reserve").status_code == 201
    assert time.monotonic() - began >= 0.05


def test_a_client_that_gives_up_waiting_finds_the_effect_done_later(
    client: httpx.Client, ledgers: Mapping[str, Ledger], latency: Latency
) -> None:
    client.timeout = httpx.Timeout(10, read=0.05)
    with pytest.raises(httpx.ReadTimeout):
        send(client, "inventory", "reserve")
    eventually(lambda: latency.asked)
    assert ledgers["inventory"].all_entries() == []
    latency.over.set()
    eventually(ledgers["inventory"].all_entries)
    assert len(ledgers["inventory"].all_entries()) == 1


def test_a_client_killed_while_it_sends_has_no_effect_and_makes_no_noise(
    client: httpx.Client, ledgers: Mapping[str, Ledger], caplog: pytest.LogCaptureFixture
) -> None:
    whole = httpx.Request(
        "POST",
        client.base_url.join(f"/inventory{PATHS['reserve']}"),
        json=body_of("reserve"),
        headers={"x-api-key": API_KEYS["inventory"], "Idempotency-Key": key_of("reserve")},
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in whole.headers.items())
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address) as connection:
        connection.sendall(f"POST {whole.url.path} HTTP/1.1\r\n{head}\r\n".encode())
        connection.sendall(whole.content[:-1])
        # The server has begun with that request before it answers this one.
        assert client.get("/inventory/health").status_code == 200
    assert send(client, "fulfilment", "ship").status_code == 201
    assert ledgers["inventory"].all_entries() == []
    assert caplog.records == []


def test_twenty_connections_with_one_key_have_one_effect_on_dynamodb(
    make_dynamodb_ledger: Callable[[], Ledger], host: Host, client: httpx.Client
) -> None:
    ledger = make_dynamodb_ledger()
    host.application = application({"inventory": ledger}, API_KEYS)
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: send(client, "inventory", "reserve"), range(20)))
    (entry,) = ledger.all_entries()
    assert {(answer.status_code, answer.json()["reference"]) for answer in answers} == {
        (201, entry.reference)
    }
