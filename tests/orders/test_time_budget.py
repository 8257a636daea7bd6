"""Whatever hangs or is slow around a function, its run ends before Lambda ends it.

A function that its timeout ends has told nobody anything: the gateway answers a customer in its
place, and of a batch all messages come back, those that are done too. So the handlers run here with
the settings of the stages on AWS, in virtual time, while AWS and a downstream let them wait as long
as their clients allow:

    hangs   each call is cut off when its client gives up
    slow    each call is answered just before that

Relay and the watchdog are not tried with slow answers: a batch of theirs makes many calls, each of
which would have to be slow to the last moment. Should one ever be ended by its timeout, the batch
comes back, relay's in halves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
import pytest
import urllib3
from botocore.exceptions import ClientError, ReadTimeoutError
from urllib3.exceptions import HTTPError

from infra.event_sources import (
    DELIVER_BATCH_SIZE,
    DRAIN_BATCH_SIZE,
    RELAY_BATCH_SIZE,
    WATCHDOG_BATCH_SIZE,
)
from infra.function_settings import Addresses, function_settings
from infra.stage import STAGES, Downstreams, Stage, load
from orders import wiring
from orders.aws import archive_file, items
from orders.aws.book_file import encode
from orders.aws.book_index import INDEX_KEY, BookIndex, Entry, book_key, encode_index
from orders.aws.messages import batch_messages_of, check_message_of, message_of, overflow_message_of
from orders.aws.queues import CHECKS_BATCHED_MAX, COMMANDS_BATCHED_MAX
from orders.domain.book import Article
from orders.domain.saga import DOWNSTREAMS, Downstream, Facts, Outcome, Step
from orders.domain.units import Millis
from orders.domain.waits import CALL_SECONDS
from orders.flow.reads import PAGE_MAX
from orders.handlers import deliver, drain, intake, reads, relay, watchdog
from orders.ports import Check, Command, ConcurrentMap, SideBySide
from simulation.world.bucket import Bucket
from simulation.world.network import Answer
from simulation.world.runtime import SetClock
from tests.builders import (
    KEY,
    KEY_ID,
    NOW,
    OTHER_CUSTOMER,
    a_book,
    a_coupon,
    accepted,
    order_body,
    order_id,
    order_key,
)
from tests.orders.handlers.api_events import request
from tests.orders.handlers.test_deliver import record
from tests.orders.handlers.test_relay import placed, progress_item

_A = TypeVar("_A")
_B = TypeVar("_B")

State = Literal["well", "slow", "hangs"]
#: Of each service by its name; the bucket's is `s3`, a downstream's `downstream`.
States = Mapping[str, State]

STAGES_ON_AWS = [
    stage.name
    for path in sorted(STAGES.glob("*.toml"))
    if not (stage := load(path.stem)).on_emulator
]
#: Like dev, but each delivery shows a token, which it has to ask for first.
WITH_TOKENS = "with tokens"
TOKEN_URL = "https://login.example.com/token"
#: It may go by the express path, where a delivery takes longer.
ORDER = replace(accepted(), express=True)
DONE = Outcome(NOW, reference="01a209a4-b145")
#: One whose line is in the archive, where each look takes as long as it can.
ARCHIVED = accepted(order_key(OTHER_CUSTOMER, order_id()))
LINES = archive_file.new_object(
    "2026/11/23",
    "run",
    {
        ARCHIVED.key: archive_file.line_of(
            items.order_item(ARCHIVED),
            items.progress_key(ARCHIVED.key) | {Step.RESERVE: items.outcome_attribute(DONE)},
        )
    },
)
STUB = items.stub_item(ARCHIVED.key, LINES.locations[ARCHIVED.key])
COUPON = a_coupon("FIRST", limit=1_000_000)


class Aws:
    """The services' answers to what the functions ask here, the longest way each time: a coupon's
    counters are all used up, an order is nowhere to be found."""

    def transact_write_items(self, **_: Any) -> Any:
        reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed"}]
        error: Any = {
            "Error": {"Code": "TransactionCanceledException"},
            "CancellationReasons": reasons,
        }
        raise ClientError(error, "TransactWriteItems")

    def batch_get_item(self, **request: Any) -> Any:
        return {
            "Responses": {
                table: [{**key, "used": {"N": "1000000"}} for key in asked["Keys"]]
                if table == "coupons"
                else []
                for table, asked in request["RequestItems"].items()
            }
        }

    def get_item(self, **request: Any) -> Any:
        # Deliveries find the order at the second look, which is a consistent read.
        if request["Key"] == items.order_key(ARCHIVED.key):
            return {"Item": STUB}
        found = request["Key"] == items.order_key(ORDER.key) and request["ConsistentRead"]
        return {"Item": items.order_item(ORDER)} if found else {}

    def update_item(self, **_: Any) -> Any:
        every = dict.fromkeys((Step.RESERVE, Step.SHIP, Step.POST), DONE)
        return {"Attributes": progress_item(ORDER, Facts(every))}

    def query(self, **request: Any) -> Any:
        asked = request["ExpressionAttributeValues"][":customer"]["S"]
        if asked == ARCHIVED.key.customer_id:
            return {"Items": [STUB] * PAGE_MAX}
        return {"Items": [items.order_item(ORDER)]}

    def put_item(self, **request: Any) -> Any:
        if request["Item"]["pk"] == STUB["pk"]:
            error: Any = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": STUB}
            raise ClientError(error, "PutItem")
        return {}

    def get_parameter(self, **_: Any) -> Any:
        return {"Parameter": {"Value": json.dumps({KEY_ID: KEY.hex()})}}

    def get_queue_attributes(self, **request: Any) -> Any:
        return {"Attributes": dict.fromkeys(request["AttributeNames"], "0")}

    def __getattr__(self, call: str) -> Callable[..., Any]:
        return lambda **_: {}


@dataclass(frozen=True)
class Outside:
    """All that is around a function, each service in its state. Waiting moves the clock."""

    states: States
    clock: SetClock
    #: Of a service that is slow, where it is not as slow as its client waits.
    seconds: Mapping[str, float] = field(default_factory=dict)

    def sleep(self, seconds: float) -> None:
        self.clock.milliseconds += round(seconds * 1000)

    def be_slow(self, service: str, timeout_seconds: float) -> None:
        self.sleep(min(self.seconds.get(service, timeout_seconds), timeout_seconds))

    def client(self, service: str, timeout_seconds: float = CALL_SECONDS, /) -> Any:
        return _Client(self, service, timeout_seconds)

    def pool(self, timeout_seconds: float) -> Any:
        return _Pool(self, timeout_seconds)

    def concurrent_map(self, count: int) -> ConcurrentMap:
        """As threads do: so many at a time, each next message by the first that is free."""

        def mapped(process: Callable[[_A], _B], each: Iterable[_A], /) -> Iterable[_B]:
            free_at, results = [self.clock.milliseconds] * count, []
            for one in each:
                worker = free_at.index(min(free_at))
                self.clock.milliseconds = free_at[worker]
                results.append(process(one))
                free_at[worker] = self.clock.milliseconds
            self.clock.milliseconds = max(free_at)
            return results

        return mapped

    def side_by_side(self, _count: int) -> SideBySide:
        """Each call begins when the first one does."""

        def made(
            calls: Mapping[Downstream, Callable[[], _A]], within_seconds: float
        ) -> Mapping[Downstream, _A]:
            began, ends, results = self.clock.milliseconds, [0], {}
            for name, call in calls.items():
                self.clock.milliseconds = began
                results[name] = call()
                ends.append(self.clock.milliseconds)
                if ends[-1] - began > within_seconds * 1000:
                    del results[name]
            self.clock.milliseconds = min(max(began, *ends), began + round(within_seconds * 1000))
            return results

        return made

    def runtime(self, environment: Mapping[str, str], *, init_phase: bool) -> wiring.Runtime:
        return wiring.Runtime(
            environment=environment,
            client=self.client,
            clock=self.clock,
            jitter=lambda: 1.0,
            write=lambda _line: None,
            pool=self.pool,
            sign_s3=lambda _method, _url, headers, _body: {**headers},
            concurrent_map=self.concurrent_map,
            side_by_side=self.side_by_side,
            sleep=self.sleep,
            init_phase=init_phase,
        )


@dataclass(frozen=True)
class _Client:
    outside: Outside
    service: str
    timeout_seconds: float

    def __getattr__(self, call: str) -> Callable[..., Any]:
        def called(**request: Any) -> Any:
            state = self.outside.states[self.service]
            if state != "well":
                self.outside.be_slow(self.service, self.timeout_seconds)
            if state == "hangs":
                raise ReadTimeoutError(endpoint_url=f"https://{self.service}")
            return getattr(Aws(), call)(**request)

        return called


@dataclass
class _Pool:
    outside: Outside
    timeout_seconds: float
    tries: int = 0

    def request(
        self,
        _method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        timeout: urllib3.Timeout | None = None,
        **_: Any,
    ) -> Any:
        parts = urlsplit(url)
        of_bucket, of_tokens = ".s3." in parts.netloc, url == TOKEN_URL
        service = "s3" if of_bucket else "tokens" if of_tokens else "downstream"
        state = self.outside.states[service]
        self.tries += 1
        if state != "well":
            left = self.timeout_seconds if timeout is None else float(str(timeout.total))
            self.outside.be_slow(service, min(left, self.timeout_seconds))
        # Of the bucket's two tries a slow one answers the second.
        if state == "hangs" or (state == "slow" and of_bucket and self.tries % 2):
            raise HTTPError
        if of_bucket:
            return books().get(parts.path.removeprefix("/"), headers)
        if of_tokens:
            # Soon over, so that it is asked for again within a batch.
            return Answer(200, b'{"access_token":"t","expires_in":5}')
        return Answer(201, b'{"reference":"01a209a4-b145"}')


@cache
def books() -> Bucket:
    """Two books, the later of which has the article and the coupon of the orders here."""
    book = a_book(Article("HEART-LIGHT", (255, None)), coupons={COUPON.code: COUPON})
    entries = (Entry("v1", Millis(0)), Entry("v2", Millis(NOW - 1)))
    files = {
        book_key(entry.version): encode(book.rules, book.articles.values()) for entry in entries
    }
    archived = {LINES.key: LINES.content}
    return Bucket({INDEX_KEY: encode_index(BookIndex(entries)), **files, **archived})


@cache
def deployed(stage: str) -> Mapping[str, tuple[Mapping[str, str], int]]:
    """Each function's variables and its timeout in seconds."""
    settings = with_tokens() if stage == WITH_TOKENS else load(stage)
    names = (*DOWNSTREAMS, "overflow", "watchdog", "relay")
    urls = {name: f"https://sqs/{name}" for name in names}
    downstreams = {name: f"https://{name}" for name in DOWNSTREAMS}
    addresses = Addresses("orders", "prices", "archive", "coupons", "arn", urls, urls, downstreams)
    return {
        name: (function.environment(), settings.functions.of(name).timeout_seconds)
        for name, function in function_settings(settings, addresses).items()
    }


def with_tokens() -> Stage:
    dev = load("dev")
    tokens = {"auth": "oauth", "token_url": TOKEN_URL, "client_id": "spillway"}
    return msgspec.structs.replace(
        dev,
        downstreams=Downstreams(
            **{
                name: msgspec.structs.replace(one, **tokens)
                for name, one in dev.downstreams.by_name().items()
            }
        ),
    )


def placing(**fields: Any) -> dict[str, Any]:
    id_ = order_id()
    return request("PUT /orders/{order_id}", order_id=id_, body=order_body(id_, **fields))


def with_coupon() -> dict[str, Any]:
    discounts = [{"coupon": COUPON.code, "amount": 51}]
    payment = {"reference": "pay_01", "amount": 459 + 395, "currency": "GBP"}
    return placing(discounts=discounts, total=459 + 395, payment=payment)


def to_customers() -> Iterator[tuple[str, Any, Any]]:
    """Function, handler, event."""
    cancel, id_ = "PUT /orders/{order_id}/cancellation", ORDER.key.order_id
    basket = {
        "channel": "retail",
        "currency": "GBP",
        "lines": [{"sku": "HEART-LIGHT", "quantity": 2}],
        "coupons": [COUPON.code],
        "country": "GB",
    }
    yield "intake", intake, placing()
    yield "intake", intake, with_coupon()
    yield "intake", intake, placing(lines=[{"sku": "NONE", "quantity": 1, "unit_price": 1}])
    yield "intake", intake, request(cancel, order_id=id_)
    yield "intake", intake, request(cancel, order_id=id_, query={"void": "true"})
    yield "intake", intake, request("POST /quotes", body=basket)
    yield "reads", reads, request("GET /orders/{order_id}", order_id=id_)
    yield "reads", reads, request("GET /orders")
    of_other: dict[str, Any] = {"claims": {"sub": OTHER_CUSTOMER}}
    archived = of_other | {"order_id": ARCHIVED.key.order_id}
    yield "intake", intake, request(cancel, **archived)
    yield "intake", intake, request(cancel, **archived, query={"void": "true"})
    yield "reads", reads, request("GET /orders/{order_id}", **archived)
    yield "reads", reads, request("GET /orders", **of_other, query={"limit": str(PAGE_MAX)})


def from_queues() -> Iterator[tuple[str, Any, Any]]:
    overflowed = [overflow_message_of(ORDER)] * DRAIN_BATCH_SIZE
    yield "drain", drain, messages(overflowed)
    # Inventory's goes on with the express path.
    for name, step in (("fulfilment", Step.SHIP), ("inventory", Step.RESERVE)):
        commands = [message_of(Command(ORDER.key, step))] * DELIVER_BATCH_SIZE
        yield f"deliver-{name}", deliver, messages(commands)
        batched = batch_messages_of(commands * COMMANDS_BATCHED_MAX, COMMANDS_BATCHED_MAX)
        yield f"deliver-{name}", deliver, messages(batched)


def in_bulk() -> Iterator[tuple[str, Any, Any]]:
    checks = [check_message_of(Check(ORDER.key))] * WATCHDOG_BATCH_SIZE
    forced = [check_message_of(Check(ORDER.key, force=True))] * WATCHDOG_BATCH_SIZE
    batched = batch_messages_of(checks * CHECKS_BATCHED_MAX, CHECKS_BATCHED_MAX)
    for bodies in (checks, forced, batched):
        yield "watchdog", watchdog, messages(bodies)
    yield "relay", relay, {"Records": [placed(ORDER)] * RELAY_BATCH_SIZE}


def messages(bodies: Iterable[str]) -> dict[str, Any]:
    return {"Records": [record(body, name=f"m{n}") for n, body in enumerate(bodies)]}


SERVICES = ("dynamodb", "sqs", "ssm", "s3", "sns", "downstream", "tokens")


def every(services: Iterable[str], states: Iterable[State]) -> Iterator[States]:
    """All that can be wrong with these at once; the others are well."""
    names, well = [*services], dict.fromkeys(SERVICES, "well")
    for combination in product([*states], repeat=len(names)):
        yield {**well, **dict(zip(names, combination, strict=True))}  # type: ignore[dict-item]


def seconds_of(stage: str, function: str, handler: Any, event: Any, states: States) -> float:
    """How long a run takes, cold: nothing was read in its init phase."""
    outside = Outside(states, SetClock(NOW))
    environment, _ = deployed(stage)[function]
    wire = getattr(wiring, f"wire_{function.partition('-')[0]}")
    parts = wire(outside.runtime({**environment, "AWS_REGION": "eu-west-1"}, init_phase=False))
    try:
        handler.handle(event, *parts)
    except Exception as error:
        # Relay tells Lambda so that its batch failed; nothing else raises.
        if function != "relay":
            raise AssertionError(f"{function} raised") from error
    return (outside.clock.milliseconds - NOW) / 1000


def longest(
    stage: str, events: Iterable[tuple[str, Any, Any]], states: Iterable[States]
) -> dict[str, float]:
    """By function, the longest of all runs."""
    took: dict[str, float] = {}
    every_state = [*states]
    for function, handler, event in events:
        for state in every_state:
            seconds = seconds_of(stage, function, handler, event, state)
            took[function] = max(took.get(function, 0.0), seconds)
    return took


@pytest.mark.parametrize("stage", STAGES_ON_AWS)
def test_a_customer_is_answered_by_the_function(stage: str) -> None:
    states = every(("dynamodb", "sqs", "ssm", "s3"), ("well", "slow", "hangs"))
    in_time(stage, longest(stage, to_customers(), states))


@pytest.mark.parametrize("stage", STAGES_ON_AWS)
def test_messages_that_are_done_do_not_come_back(stage: str) -> None:
    states = every(("dynamodb", "sqs", "ssm", "downstream"), ("well", "slow", "hangs"))
    in_time(stage, longest(stage, from_queues(), states))


def test_so_do_they_where_a_token_has_to_be_asked_for() -> None:
    states = every(("dynamodb", "ssm", "downstream", "tokens"), ("well", "slow", "hangs"))
    deliveries = (each for each in from_queues() if each[0] != "drain")
    in_time(WITH_TOKENS, longest(WITH_TOKENS, deliveries, states))


@pytest.mark.parametrize("stage", STAGES_ON_AWS)
@pytest.mark.parametrize(
    ("table", "downstream", "queue"),
    [(1.0, 0.9, 1.9), (1.9, 0.4, 1.9), (1.9, 4.9, 1.9), (0.1, 4.9, 3.9)],
)
def test_a_batch_in_which_all_is_slow_comes_back_one_by_one(
    stage: str, table: float, downstream: float, queue: float
) -> None:
    """What was done of it does not come back, what was not is requeued."""
    seconds = {"dynamodb": table, "downstream": downstream, "sqs": queue}
    outside = Outside(dict.fromkeys(SERVICES, "slow"), SetClock(NOW), seconds)
    environment, timeout = deployed(stage)["deliver-inventory"]
    variables = {**environment, "AWS_REGION": "eu-west-1"}
    parts = wiring.wire_deliver(outside.runtime(variables, init_phase=True))
    began = outside.clock.milliseconds
    commands = [message_of(Command(ORDER.key, Step.RESERVE))] * DELIVER_BATCH_SIZE
    batched = batch_messages_of(commands * COMMANDS_BATCHED_MAX, COMMANDS_BATCHED_MAX)
    answer = deliver.handle(messages(batched), *parts)
    assert answer == {"batchItemFailures": []}
    assert (outside.clock.milliseconds - began) / 1000 < timeout


@pytest.mark.parametrize("stage", STAGES_ON_AWS)
def test_large_batches_end_in_time(stage: str) -> None:
    states = every(("dynamodb", "sqs", "sns"), ("well", "hangs"))
    in_time(stage, longest(stage, in_bulk(), states))


def test_requests_take_their_longest_way() -> None:
    """Else the tests above would prove little."""
    environment, _ = deployed(STAGES_ON_AWS[0])["intake"]
    outside = Outside(dict.fromkeys(SERVICES, "well"), SetClock(NOW))
    variables = {**environment, "AWS_REGION": "eu-west-1"}
    parts = wiring.wire_intake(outside.runtime(variables, init_phase=True))
    answers = [
        intake.handle(event, *parts) for name, _, event in to_customers() if name == "intake"
    ]
    assert [answer["statusCode"] for answer in answers] == [201, 422, 422, 503, 200, 200, 503, 503]
    rules = [json.loads(answers[1]["body"])["violations"][0]["rule"]]
    assert rules == ["coupon_used_up"]
    reading = wiring.wire_reads(outside.runtime(variables, init_phase=True))
    answers = [
        reads.handle(event, *reading) for name, _, event in to_customers() if name == "reads"
    ]
    assert [answer["statusCode"] for answer in answers] == [200] * 4


def in_time(stage: str, took: Mapping[str, float]) -> None:
    late = {name: seconds for name, seconds in took.items() if seconds > deployed(stage)[name][1]}
    assert not late
    # Else nothing here hung.
    assert min(took.values()) > 1


def test_the_init_phase_ends_in_time() -> None:
    """Lambda gives it 10 s, and does it again within the first invocation if it takes longer."""
    for stage in STAGES_ON_AWS:
        for function, (environment, _) in deployed(stage).items():
            outside = Outside(dict.fromkeys(SERVICES, "hangs"), SetClock(NOW))
            wire = getattr(wiring, f"wire_{function.partition('-')[0]}")
            variables = {**environment, "AWS_REGION": "eu-west-1"}
            wire(outside.runtime(variables, init_phase=True))
            assert outside.clock.milliseconds - NOW <= 9_000, function
