"""What each kind of answer from a downstream means, over real HTTP on the loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3

from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAM_OF, Outcome, Step
from orders.downstream import REQUEST_OF
from orders.downstream.http import HttpDownstream, idempotency_key
from orders.failures import PermanentFailure, TransientFailure
from orders.ports import NEEDS_ORDER, Command
from simulation.world.outside import SetClock
from tests.builders import CUSTOMER, NOW, OTHER_CUSTOMER, an_order, order_id


class Server:
    """Answers every POST as told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 201
        self.body: bytes = b'{"reference":"R-1"}'
        self.headers: dict[str, str] = {}
        self.wait_seconds = 0.0
        self.hang_up = False
        self.asked: list[tuple[str, Mapping[str, str], Any]] = []
        self.connections = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                server.connections += 1

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = json.loads(self.rfile.read(length))
                server.asked.append((self.path, dict(self.headers), body))
                time.sleep(server.wait_seconds)
                if server.hang_up:
                    self.close_connection = True
                    return
                self.send_response(server.status)
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(server.body)))
                self.end_headers()
                self.wfile.write(server.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def with_key(_method: str, _url: str, headers: Mapping[str, str], _body: bytes) -> dict[str, str]:
    return {**headers, "x-api-key": "secret"}


def downstream(url: str, name: Any = "inventory", timeout: float = 0.5) -> HttpDownstream:
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=timeout, read=timeout))
    return HttpDownstream(REQUEST_OF[name], url, pool, with_key, SetClock(NOW))


def command(step: Step = Step.RESERVE) -> Command:
    return Command(OrderKey(CUSTOMER, order_id()), step, an_order())


def test_done_with_a_reference(server: Server) -> None:
    assert downstream(server.url).perform(command()) == Outcome(NOW, reference="R-1")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"reference":null,"more":[1]}'])
def test_done_needs_no_reference(server: Server, body: bytes) -> None:
    server.body = body
    assert downstream(server.url).perform(command()) == Outcome(NOW)


def test_refused_with_its_code(server: Server) -> None:
    server.status, server.body = 409, b'{"code":"out_of_stock","detail":"MUG"}'
    assert downstream(server.url).perform(command()) == Outcome(NOW, refusal="out_of_stock")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_an_unknown_outcome_is_transient(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(TransientFailure, match=f"/reservations: answered {status}"):
        downstream(server.url).perform(command())


@pytest.mark.parametrize("status", [301, 304, 400, 401, 403, 404, 422])
def test_any_other_answer_breaks_the_contract(server: Server, status: int) -> None:
    server.status, server.headers = status, {"location": "/elsewhere"}
    server.body = b"" if status == 304 else server.body
    with pytest.raises(PermanentFailure, match=f"answered {status}"):
        downstream(server.url).perform(command())
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "body"), [(201, b"<html>"), (201, b'{"reference":7}'), (409, b"{}")]
)
def test_a_body_outside_its_contract_breaks_it(server: Server, status: int, body: bytes) -> None:
    server.status, server.body = status, body
    with pytest.raises(PermanentFailure):
        downstream(server.url).perform(command())


def test_an_answer_that_takes_too_long_is_unknown_and_asked_once_only(server: Server) -> None:
    server.wait_seconds = 1.0
    with pytest.raises(TransientFailure, match="ReadTimeoutError"):
        downstream(server.url, timeout=0.2).perform(command())
    assert len(server.asked) == 1


def test_a_lost_answer_is_unknown_and_asked_once_only(server: Server) -> None:
    server.hang_up = True
    with pytest.raises(TransientFailure, match="ProtocolError"):
        downstream(server.url).perform(command())
    assert len(server.asked) == 1


def test_nobody_there_is_unknown() -> None:
    with pytest.raises(TransientFailure, match="/reservations: "):
        downstream("http://127.0.0.1:1").perform(command())


def test_the_connection_is_used_again(server: Server) -> None:
    service = downstream(server.url)
    for _ in range(5):
        service.perform(command())
    assert server.connections == 1


def test_an_endless_refusal_code_is_cut(server: Server) -> None:
    server.status, server.body = 409, json.dumps({"code": "x" * 10_000}).encode()
    refusal = downstream(server.url).perform(command()).refusal
    assert refusal == "x" * 100


def test_one_step_of_one_order_has_one_key(server: Server) -> None:
    one = command()
    again = Command(one.key, one.step)
    others = [
        Command(one.key, Step.RELEASE),
        Command(OrderKey(OTHER_CUSTOMER, one.key.order_id), one.step),
        Command(OrderKey(CUSTOMER, order_id()), one.step),
    ]
    keys = {idempotency_key(other) for other in others}
    assert idempotency_key(one) == idempotency_key(again)
    assert len(keys | {idempotency_key(one)}) == 4
    downstream(server.url).perform(one)
    _, headers, _ = server.asked[0]
    assert headers["idempotency-key"] == idempotency_key(one)
    assert headers["x-api-key"] == "secret"


@pytest.mark.parametrize("customer", ["auth0|6489", "Ärger\n", "x" * 256])
def test_any_identity_providers_customer_makes_a_key_that_a_header_can_hold(customer: str) -> None:
    key = idempotency_key(Command(OrderKey(customer, order_id()), Step.RESERVE))
    assert key.isascii()
    assert key.isprintable()
    assert len(key) < 100


PATHS: Mapping[Step, str] = {
    Step.RESERVE: "/reservations",
    Step.RELEASE: "/releases",
    Step.SHIP: "/shipments",
    Step.CANCEL_SHIPMENT: "/shipment-cancellations",
    Step.RECALL_SHIPMENT: "/recalls",
    Step.POST: "/postings",
    Step.REFUND: "/refunds",
}


@pytest.mark.parametrize("step", list(Step))
def test_each_step_is_its_own_request(server: Server, step: Step) -> None:
    one = Command(OrderKey(CUSTOMER, order_id()), step, an_order() if step in NEEDS_ORDER else None)
    downstream(server.url, DOWNSTREAM_OF[step]).perform(one)
    [(path, _, body)] = server.asked
    assert path == PATHS[step]
    assert body["customer_id"] == CUSTOMER
    assert body["order_id"] == one.key.order_id


@pytest.mark.parametrize("step", list(Step))
def test_a_downstream_is_never_asked_for_anothers_step(step: Step) -> None:
    for name, request_of in REQUEST_OF.items():
        if name != DOWNSTREAM_OF[step]:
            with pytest.raises(ValueError, match=f"{name} does no {step}"):
                request_of(command(step))


REQUESTS: list[tuple[Step, Callable[[], dict[str, Any]]]] = [
    (Step.RESERVE, lambda: {"lines": [{"sku": "HEART-LIGHT", "quantity": 2}]}),
    (Step.REFUND, lambda: {"payment_reference": "pay_01", "amount": 905, "currency": "GBP"}),
]


@pytest.mark.parametrize(("step", "expected"), REQUESTS)
def test_a_downstream_is_told_what_it_needs_and_nothing_else(
    server: Server, step: Step, expected: Callable[[], dict[str, Any]]
) -> None:
    downstream(server.url, DOWNSTREAM_OF[step]).perform(command(step))
    [(_, _, body)] = server.asked
    del body["customer_id"], body["order_id"]
    assert body == expected()


def test_fulfilment_gets_no_price_and_accounting_no_address(server: Server) -> None:
    downstream(server.url, "fulfilment").perform(command(Step.SHIP))
    downstream(server.url, "accounting").perform(command(Step.POST))
    (_, _, shipment), (_, _, posting) = server.asked
    assert "unit_price" not in json.dumps(shipment)
    assert shipment["address"]["city"] == "Leeds"
    assert "High Street" not in json.dumps(posting)
    assert (posting["total"], posting["lines"][0]["unit_price"]) == (905, 255)
