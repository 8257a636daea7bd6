"""What each kind of answer from a downstream means, over real HTTP on the loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from orders.domain.saga import DOWNSTREAM_OF, DOWNSTREAMS, Outcome, Step
from orders.domain.trace import Trace, of_order, parsed
from orders.domain.units import Millis
from orders.downstream.answers import REFERENCE_MAX
from orders.downstream.description import described
from orders.downstream.http import HttpDownstream, undeclared
from orders.downstream.keys import idempotency_key
from orders.downstream.proofs import Sign, Signature
from orders.downstream.transport import Answer as Answered
from orders.downstream.transport import Call, Https
from orders.failures import Failure, Misconfigured, PermanentFailure, TransientFailure
from orders.ports import Clock, Command, Later
from simulation.world.runtime import SetClock
from tests.builders import CUSTOMER, NOW, OTHER_CUSTOMER, an_order, order_id, order_key

DONE = '[[answers]]\nstatus = [201]\nmeans = "done"'


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0
    hang_up: bool = False
    #: The body comes again and again, in an answer of 10 MB.
    endless: bool = False
    #: Another status goes ahead of the answer.
    interim: int | None = None


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


class Server:
    """Answers every command and every lookup as told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.to_command = Answer(201, b'{"reference":"R-1"}')
        self.to_lookup = Answer(404, b'{"code":"nothing_on_record"}')
        self.asked: list[Asked] = []
        self.connections = 0
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Else a body waits 40 ms until its headers are acknowledged.
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                server.connections += 1

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                self.answer(server.to_command, json.loads(self.rfile.read(length)))

            def do_GET(self) -> None:
                self.answer(server.to_lookup, None)

            def answer(self, answer: Answer, body: Any) -> None:
                server.asked.append(Asked(self.command, self.path, dict(self.headers), body))
                if server.closing.wait(answer.wait_seconds) or answer.hang_up:
                    self.close_connection = True
                    return
                if answer.interim is not None:
                    self.send_response_only(answer.interim)
                    self.end_headers()
                    server.closing.wait(0.02)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                length = 10_000_000 if answer.endless else len(answer.body)
                self.send_header("content-length", str(length))
                with suppress(OSError):
                    self.end_headers()
                    for _ in range(0, length, max(1, len(answer.body))):
                        self.wfile.write(answer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        # How often it looks whether it is to stop: at the usual 0.5 s most of a test would be that.
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def with_key(_method: str, _url: str, headers: Mapping[str, str], _body: bytes) -> dict[str, str]:
    return {**headers, "x-api-key": "secret"}


def downstream(
    url: str,
    name: Any = "inventory",
    timeout: float = 0.5,
    *,
    sign: Sign = with_key,
    look_up_first: bool = False,
    clock: Clock | None = None,
) -> HttpDownstream:
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=timeout, read=timeout))
    clock = clock or SetClock(NOW)
    send = Https(pool, Signature(sign), clock, timeout)
    return HttpDownstream(described(name, name), url, send, clock, look_up_first)


def outcome(service: HttpDownstream, asked: Command) -> Outcome:
    answer = service.perform(asked)
    assert isinstance(answer, Outcome)
    return answer


def without_keys(url: str, name: Any = "inventory", timeout: float = 0.5) -> HttpDownstream:
    return downstream(url, name, timeout, look_up_first=True)


def command(step: Step = Step.RESERVE) -> Command:
    return Command(order_key(CUSTOMER, order_id()), step, an_order())


def test_done_with_a_reference(server: Server) -> None:
    assert downstream(server.url).perform(command()) == Outcome(NOW, reference="R-1")


@pytest.mark.parametrize(("late", "asked"), [(-500, 1), (0, 0)])
def test_a_call_that_nobody_waits_for_any_more_is_not_begun(
    server: Server, late: int, asked: int
) -> None:
    """Its key may have been waited for. The step's own delivery comes, and has it done."""
    in_time = nullcontext() if asked else pytest.raises(TransientFailure, match="not in time")
    with in_time:
        downstream(server.url).perform(command().then(Step.RESERVE, Millis(NOW - late)))
    assert len(server.asked) == asked


@pytest.mark.parametrize(
    ("reference", "kept"),
    [
        ("90417", "90417"),
        ("0", "0"),
        (f'"{"r" * REFERENCE_MAX}"', "r" * REFERENCE_MAX),
        # Its beginning would be another's.
        (f'"{"r" * (REFERENCE_MAX + 1)}"', None),
        ("9" * (REFERENCE_MAX + 1), None),
    ],
    ids=["a number", "nought", "the longest", "too long", "too long a number"],
)
def test_a_reference_is_kept_whole_or_not_at_all(
    server: Server, reference: str, kept: str | None
) -> None:
    for done in (server.to_command, server.to_lookup):
        done.status, done.body = 200, f'{{"reference":{reference}}}'.encode()
    assert outcome(downstream(server.url), command()).reference == kept
    assert outcome(without_keys(server.url), command()).reference == kept


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n",
        b"{}",
        b'{"reference":null,"more":[1]}',
        b'{"reference":""}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_done_needs_no_reference(server: Server, body: bytes) -> None:
    server.to_command.body = body
    assert downstream(server.url).perform(command()) == Outcome(NOW)


def test_refused_with_its_code(server: Server) -> None:
    server.to_command.status, server.to_command.body = (
        409,
        b'{"code":"out_of_stock","detail":"MUG"}',
    )
    assert downstream(server.url).perform(command()) == Outcome(NOW, refusal="out_of_stock")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_an_unknown_outcome_is_transient(server: Server, status: int) -> None:
    server.to_command.status = status
    with pytest.raises(TransientFailure, match=f"POST /reservations: answered {status}"):
        downstream(server.url).perform(command())


@pytest.mark.parametrize(
    "code",
    [
        "idempotency_in_flight",
        "idempotency_key_in_use",
        "IDEMPOTENT_REQUEST_IN_PROGRESS",
        "request-in-progress",
        "key_in_use",
        "ConcurrentRequest",
    ],
)
def test_a_key_that_is_in_use_is_no_refusal_of_the_order(server: Server, code: str) -> None:
    server.to_command.status, server.to_command.body = 409, json.dumps({"code": code}).encode()
    with pytest.raises(TransientFailure, match=f"POST /reservations: answered 409 {code}"):
        downstream(server.url).perform(command())


# Each status that a service of today answers with (RFC 9110, 15), and some of its neighbours.
UNKNOWN = {408, 425, 429, *range(500, 600)}
ABOUT_THE_ORDER = {400, 409, 413, 422}


def test_an_answer_outside_the_contract_is_a_dead_letter_only_where_it_is_about_the_order() -> None:
    for status in range(100, 600):
        for is_json in (True, False):
            expected: type[Failure] = Misconfigured
            if status in UNKNOWN:
                expected = TransientFailure
            elif status in ABOUT_THE_ORDER and is_json:
                expected = PermanentFailure
            assert undeclared(status, None, is_json=is_json) is expected, (status, is_json)
    assert issubclass(Misconfigured, TransientFailure)
    assert undeclared(409, "idempotency_in_flight", is_json=True) is TransientFailure
    assert undeclared(409, "pin_used_up", is_json=True) is PermanentFailure
    assert undeclared(400, "idempotency_in_flight", is_json=True) is PermanentFailure


@pytest.mark.parametrize("status", [301, 304, 401, 403, 404, 405])
def test_an_answer_about_configuration_waits_and_no_redirect_is_followed(
    server: Server, status: int
) -> None:
    server.to_command.status, server.to_command.headers = status, {"location": "/elsewhere"}
    server.to_command.body = b"" if status == 304 else b'{"code":"api_key_wrong"}'
    with pytest.raises(Misconfigured, match=f"POST /reservations: answered {status}"):
        downstream(server.url).perform(command())
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("body", [b'{"code":"unknown_sku"}', b'{"code":7}', b'["sku"]', b""])
def test_an_answer_about_the_order_breaks_the_contract(
    server: Server, status: int, body: bytes
) -> None:
    server.to_command = Answer(status, body)
    with pytest.raises(PermanentFailure, match=f"answered {status}"):
        downstream(server.url).perform(command())


@pytest.mark.parametrize("code", ["out_of_stock", "pin_used_up", "winter_in_user_list"])
def test_a_code_that_only_resembles_it_is_a_refusal(server: Server, code: str) -> None:
    server.to_command.status, server.to_command.body = 409, json.dumps({"code": code}).encode()
    assert outcome(downstream(server.url), command()).refusal == code


def test_a_command_is_not_answered_as_if_it_were_a_lookup(server: Server) -> None:
    server.to_command = server.to_lookup
    with pytest.raises(Misconfigured, match="POST /reservations: answered 404"):
        downstream(server.url).perform(command())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, b"<html>"),
        (201, b'{"reference":7.5}'),
        (201, b'{"reference":true}'),
        (201, b'{"reference":"Bestellung f\xfcr Ada"}'),  # not UTF-8
        (201, b'{"more":' + b"[" * 100_000),
        (200, b"[]"),
        (400, b"<html><title>400 The plain HTTP request was sent to HTTPS port</title>"),
        (409, b'{"code":"zur\xfcck"}'),
    ],
)
def test_a_body_outside_its_contract_says_nothing_of_the_order(
    server: Server, status: int, body: bytes
) -> None:
    server.to_command.status, server.to_command.body = status, body
    with pytest.raises(Misconfigured, match=f"answered {status} with a body outside its contract"):
        downstream(server.url).perform(command())


@pytest.mark.parametrize("body", [b"{}", b'{"code":7}', b'{"code":""}'])
def test_a_conflict_without_a_code_is_for_a_person(server: Server, body: bytes) -> None:
    server.to_command.status, server.to_command.body = 409, body
    with pytest.raises(PermanentFailure, match="answered 409"):
        downstream(server.url).perform(command())


def test_an_answer_that_takes_too_long_is_unknown_and_asked_once_only(server: Server) -> None:
    server.to_command.wait_seconds = 1.0
    with pytest.raises(TransientFailure, match="ReadTimeoutError"):
        downstream(server.url, timeout=0.2).perform(command())
    assert len(server.asked) == 1


class PassingClock(SetClock):
    def now(self) -> Millis:
        self.milliseconds += 1_000
        return super().now()


def test_an_answer_without_end_ends_with_the_time_of_its_command(server: Server) -> None:
    server.to_command = Answer(200, b" ", endless=True)
    service = downstream(server.url, timeout=60, clock=PassingClock(NOW))
    with pytest.raises(TransientFailure, match="not in time"):
        service.perform(command().then(Step.RESERVE, Millis(NOW + 20_000)))
    assert len(server.asked) == 1


def test_a_body_without_end_is_read_no_further_than_the_contract_goes(server: Server) -> None:
    server.to_command = Answer(200, b"x" * 50_000, endless=True)
    with pytest.raises(Misconfigured, match="outside its contract"):
        downstream(server.url).perform(command())


def test_a_lost_answer_is_unknown_and_asked_once_only(server: Server) -> None:
    server.to_command.hang_up = True
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


@pytest.mark.parametrize("status", [102, 103])
def test_an_answer_never_counts_for_the_connections_next_order(server: Server, status: int) -> None:
    server.to_command.interim = status
    asks = downstream(server.url)
    with pytest.raises(Misconfigured, match=f"answered {status} ahead of its answer"):
        asks.perform(command())
    server.to_command = Answer(201, b'{"reference":"R-2"}')
    assert outcome(asks, command()).reference == "R-2"


@pytest.mark.parametrize("key", ["s3cret\n", "s3cret\r\nx-admin: 1", "s3cret\u2026"])
def test_a_key_that_fits_in_no_header_waits_and_is_named_nowhere(server: Server, key: str) -> None:
    asks = downstream(server.url, sign=lambda _m, _u, headers, _b: {**headers, "x-api-key": key})
    with pytest.raises(Misconfigured, match="its key fits in no header") as failed:
        asks.perform(command())
    assert failed.value.__suppress_context__
    assert not server.asked


def asked_at(tmp_path: Path, location: str, url: str = "https://erp.example.com/api") -> list[str]:
    """Where a command that is taken with this location is asked about."""
    later = '[[answers]]\nstatus = [202]\nmeans = "later"\nask = "header:location"'
    holds = "[reserve]\npath = '/holds'\n[release]\npath = '/releases'\n"
    (tmp_path / "erp.toml").write_text(f"{holds}{DONE}\n{later}")
    asked: list[str] = []

    def answer(call: Call) -> Answered:
        asked.append(call.url)
        return Answered(202, {"location": location}, b"")

    description = described("erp", "inventory", tmp_path)
    asks = HttpDownstream(description, url, answer, SetClock(NOW), False)
    taken = asks.perform(command())
    assert isinstance(taken, Later)
    asks.ask(command(), taken.ask)
    return asked[1:]


@pytest.mark.parametrize(
    ("location", "at"),
    [
        ("/v2/holds/7?full=1#top", "/v2/holds/7?full=1"),
        ("7", "/api/7"),
        ("https://erp.example.com/h", "/h"),
        ("HTTPS://ERP.example.com:443/h", "/h"),
        ("https://erp.example.com", "/"),
        ("https://erp.example.com//evil.example.net/h", "//evil.example.net/h"),
        ("////evil.example.net/h", "//evil.example.net/h"),
        ("https://user:pass@erp.example.com/h", "/h"),
        ("/\\evil.example.net", "/\\evil.example.net"),
        ("?id=7", "/api/holds?id=7"),
    ],
)
def test_a_place_to_ask_at_is_on_the_downstreams_own_host(
    tmp_path: Path, location: str, at: str
) -> None:
    assert asked_at(tmp_path, location) == [f"https://erp.example.com{at}"]


@pytest.mark.parametrize(
    "location",
    [
        "//evil.example.net/h",
        "https://evil.example.net/h",
        "http://erp.example.com/h",
        "https://erp.example.com:8443/h",
        "https://erp.example.com@evil.example.net/h",
        "https://erp.example.com\\@evil.example.net/h",
        "https://erp.example.com:port/h",
        "https://[erp/h",
        "/\t/evil.example.net",
        "/" + "h" * 2_000,
    ],
)
def test_a_place_to_ask_at_elsewhere_waits_for_a_person(tmp_path: Path, location: str) -> None:
    with pytest.raises(Misconfigured, match=r"names another host|too long a place"):
        asked_at(tmp_path, location)


def test_an_endless_refusal_code_is_cut(server: Server) -> None:
    server.to_command.status, server.to_command.body = (
        409,
        json.dumps({"code": "x" * 10_000}).encode(),
    )
    refusal = outcome(downstream(server.url), command()).refusal
    assert refusal == "x" * 100


def test_one_step_of_one_order_has_one_key(server: Server) -> None:
    one = command()
    again = Command(one.key, one.step)
    others = [
        Command(one.key, Step.RELEASE),
        Command(order_key(OTHER_CUSTOMER, one.key.order_id), one.step),
        Command(order_key(CUSTOMER, order_id()), one.step),
    ]
    keys = {idempotency_key(other) for other in others}
    assert idempotency_key(one) == idempotency_key(again)
    assert len(keys | {idempotency_key(one)}) == 4
    downstream(server.url).perform(one)
    [asked] = server.asked
    assert asked.headers["idempotency-key"] == idempotency_key(one)
    assert asked.headers["x-api-key"] == "secret"


@pytest.mark.parametrize("customer", ["auth0|6489", "Ärger\n", "x" * 256])
def test_any_identity_providers_customer_makes_a_key_that_a_header_can_hold(customer: str) -> None:
    key = idempotency_key(Command(order_key(customer, order_id()), Step.RESERVE))
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
    service = downstream(server.url, DOWNSTREAM_OF[step])
    needs = service.needs(step)
    order = an_order() if needs.goods or needs.order else None
    one = Command(order_key(CUSTOMER, order_id()), step, order)
    service.perform(one)
    [asked] = server.asked
    assert (asked.method, asked.path) == ("POST", PATHS[step])
    assert asked.body["customer_id"] == CUSTOMER
    assert asked.body["order_id"] == one.key.order_id


@pytest.mark.parametrize("step", list(Step))
def test_a_downstream_is_never_asked_for_anothers_step(server: Server, step: Step) -> None:
    for name in {*DOWNSTREAMS} - {DOWNSTREAM_OF[step]}:
        with pytest.raises(KeyError):
            downstream(server.url, name).perform(command(step))
    assert not server.asked


REQUESTS: list[tuple[Step, Callable[[], dict[str, Any]]]] = [
    (Step.RESERVE, lambda: {"lines": [{"sku": "HEART-LIGHT", "quantity": 2}]}),
    (Step.REFUND, lambda: {"payment_reference": "pay_01", "amount": 905, "currency": "GBP"}),
]


@pytest.mark.parametrize(("step", "expected"), REQUESTS)
def test_a_downstream_is_told_what_it_needs_and_nothing_else(
    server: Server, step: Step, expected: Callable[[], dict[str, Any]]
) -> None:
    downstream(server.url, DOWNSTREAM_OF[step]).perform(command(step))
    [asked] = server.asked
    del asked.body["customer_id"], asked.body["order_id"]
    assert asked.body == expected()


def test_only_accounting_hears_of_terms_and_only_where_an_order_has_some(server: Server) -> None:
    for terms in (None, "net30"):
        payment = {"reference": "pay_01", "amount": 905, "currency": "GBP", "terms": terms}
        order = an_order(payment={**payment, "receipt": "credit.k1.0"})
        for step in (Step.RESERVE, Step.SHIP, Step.POST, Step.REFUND):
            one = replace(command(step), order=order)
            downstream(server.url, DOWNSTREAM_OF[step]).perform(one)
    told = [asked.body.get("payment_terms") for asked in server.asked]
    assert told == [None] * 6 + ["net30"] * 2
    assert "payment_terms" not in server.asked[2].body


def test_fulfilment_gets_no_price_and_accounting_no_address(server: Server) -> None:
    downstream(server.url, "fulfilment").perform(command(Step.SHIP))
    downstream(server.url, "accounting").perform(command(Step.POST))
    shipment, posting = (asked.body for asked in server.asked)
    assert "unit_price" not in json.dumps(shipment)
    assert shipment["address"]["city"] == "Leeds"
    assert "High Street" not in json.dumps(posting)
    assert (posting["total"], posting["lines"][0]["unit_price"]) == (905, 255)


# A downstream without idempotency keys.


def test_what_was_done_before_is_found_and_not_asked_for_again(server: Server) -> None:
    server.to_lookup = Answer(200, b'{"reference":"R-0"}')
    assert without_keys(server.url).perform(command()) == Outcome(NOW, reference="R-0")
    assert [asked.method for asked in server.asked] == ["GET"]


def test_what_was_refused_before_is_found_and_not_asked_for_again(server: Server) -> None:
    server.to_lookup = Answer(409, b'{"code":"out_of_stock"}')
    assert without_keys(server.url).perform(command()) == Outcome(NOW, refusal="out_of_stock")
    assert [asked.method for asked in server.asked] == ["GET"]


@pytest.mark.parametrize("step", list(Step))
def test_what_is_not_on_record_is_asked_for_where_it_was_looked_up(
    server: Server, step: Step
) -> None:
    one = command(step)
    outcome = without_keys(server.url, DOWNSTREAM_OF[step]).perform(one)
    assert outcome == Outcome(NOW, reference="R-1")
    looked_up, acted = server.asked
    assert (looked_up.method, acted.method) == ("GET", "POST")
    assert urlsplit(looked_up.path).path == acted.path == PATHS[step]
    assert parse_qs(urlsplit(looked_up.path).query) == {
        "customer_id": [CUSTOMER],
        "order_id": [one.key.order_id],
    }
    assert looked_up.headers["x-api-key"] == acted.headers["x-api-key"] == "secret"


def test_lookup_and_command_share_one_connection(server: Server) -> None:
    without_keys(server.url).perform(command())
    assert (len(server.asked), server.connections) == (2, 1)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_lookup_without_a_result_is_an_unknown_outcome_and_nothing_is_asked_for(
    server: Server, status: int
) -> None:
    server.to_lookup = Answer(status, b"<html>")
    with pytest.raises(TransientFailure, match=f"GET /reservations: answered {status}"):
        without_keys(server.url).perform(command())
    assert [asked.method for asked in server.asked] == ["GET"]


def test_a_lookup_that_takes_too_long_is_an_unknown_outcome_and_nothing_is_asked_for(
    server: Server,
) -> None:
    server.to_lookup.wait_seconds = 1.0
    with pytest.raises(TransientFailure, match="GET /reservations: ReadTimeoutError"):
        without_keys(server.url, timeout=0.2).perform(command())
    assert [asked.method for asked in server.asked] == ["GET"]


def test_a_command_whose_answer_is_lost_after_its_lookup_is_an_unknown_outcome(
    server: Server,
) -> None:
    server.to_command.hang_up = True
    with pytest.raises(TransientFailure, match="POST /reservations: ProtocolError"):
        without_keys(server.url).perform(command())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b'{"code":"api_key_wrong"}'),
        (403, b'{"message":"Forbidden"}'),
        (404, b'{"message":"Not Found"}'),  # as API Gateway answers where there is no lookup
        (404, b"<html>"),
        (404, b""),
        (405, b""),
        (301, b""),
        (200, b"[]"),
        (200, b'{"items":[]}'),
        (200, b'{"reference":""}'),
        (204, b""),
    ],
)
def test_a_lookup_outside_the_contract_waits_and_nothing_is_asked_for(
    server: Server, status: int, body: bytes
) -> None:
    server.to_lookup = Answer(status, body)
    with pytest.raises(Misconfigured, match="GET /reservations: "):
        without_keys(server.url).perform(command())
    assert [asked.method for asked in server.asked] == ["GET"]


@pytest.mark.parametrize("customer", ["auth0|6489", "Ärger & Söhne", "a b+c/d?e=f#g%20", "x\ny"])
def test_any_customer_is_looked_up_under_the_signed_address_and_named_in_no_failure(
    server: Server, customer: str
) -> None:
    signed: list[str] = []

    def remembering(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        signed.append(url)
        return with_key(method, url, headers, body)

    service = downstream(server.url, sign=remembering, look_up_first=True)
    server.to_lookup.status = 503
    with pytest.raises(TransientFailure) as raised:
        service.perform(Command(order_key(customer, order_id()), Step.RESERVE, an_order()))
    assert str(raised.value) == "GET /reservations: answered 503"
    [asked] = server.asked
    assert [server.url + asked.path] == signed
    assert "+" not in asked.path
    assert parse_qs(urlsplit(asked.path).query)["customer_id"] == [customer]


def test_each_call_carries_the_trace_of_its_order(server: Server) -> None:
    named = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=False)
    one = command()
    without_keys(server.url).perform(replace(one, trace=named))
    downstream(server.url).perform(one)
    looked_up, asked, untraced = (parsed(call.headers["traceparent"]) for call in server.asked)
    assert looked_up
    assert asked
    assert untraced
    assert {looked_up.trace_id, asked.trace_id} == {named.trace_id}
    assert untraced.trace_id == of_order(one.key.order_id).trace_id
    assert len({looked_up.parent_id, asked.parent_id, named.parent_id}) == 3
    assert (looked_up.sampled, untraced.sampled) == (False, True)


def test_a_sentence_is_no_code_and_goes_no_further(server: Server) -> None:
    server.to_command.status = 409
    server.to_command.body = b'{"code":"Ada Fletcher has moved"}'
    assert outcome(downstream(server.url), command()).refusal == "unnamed"


def test_a_description_may_say_that_an_answer_is_not_about_the_order(tmp_path: Path) -> None:
    expired = 'status = [400]\nwhere = { "/error" = ["KEY_EXPIRED"] }\nmeans = "misconfigured"'
    (tmp_path / "erp.toml").write_text(
        f"[reserve]\npath = '/holds'\n[release]\npath = '/releases'\n[[answers]]\n{expired}\n{DONE}"
    )

    def answering(error: str) -> HttpDownstream:
        answer = Answered(400, {}, json.dumps({"error": error}).encode())
        description = described("erp", "inventory", tmp_path)
        return HttpDownstream(description, "https://erp", lambda _: answer, SetClock(NOW), False)

    with pytest.raises(Misconfigured, match="POST /holds: answered 400"):
        answering("KEY_EXPIRED").perform(command())
    with pytest.raises(PermanentFailure):
        answering("NO_SUCH_ARTICLE").perform(command())
