"""The handlers as deployed, for one order, with clients that answer at once: our own code alone."""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from benchmarks.prices import bucket_of, pricing_cold, pricing_warm, validating
from infra.event_sources import RELAY_BATCH_SIZE
from orders import wiring
from orders.aws import items
from orders.aws.messages import message_of
from orders.domain.book import Article
from orders.domain.order import AcceptedOrder
from orders.domain.refusals import LINES_MAX
from orders.domain.saga import Facts, Outcome, Step
from orders.handlers import deliver, intake, reads, relay
from orders.ports import Command
from simulation.world.bucket import Answer, Bucket
from simulation.world.runtime import SetClock
from simulation.world.world import deployment
from tests.builders import KEY, KEY_ID, NOW, accepted, line, order_body, order_id
from tests.orders.handlers.api_events import request
from tests.orders.handlers.test_deliver import record as queue_record
from tests.orders.handlers.test_relay import placed, progress_item, progressed

#: Median and largest of 1,699 real orders, by lines.
RETAIL_LINES = 13
WHOLESALE_LINES = 1_114

Work = Callable[[], object]


class Answers:
    """A client. Each operation returns the answer of its name, or an empty one."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        answer = self._answers.get(operation, {})
        return lambda *_, **__: answer


def environment(function: str) -> Mapping[str, str]:
    """A deployed function's, by its name without the stage."""
    return deployment(frozenset())[function][0]


def largest_batch(step: str) -> int:
    """What a step allocates at its peak, in bytes, for a full batch of orders with as many lines as
    are allowed."""
    order = _order(LINES_MAX)
    if step == "relay":
        parts = wiring.wire_relay(runtime("relay"))
        batch = {"Records": [placed(order)] * RELAY_BATCH_SIZE}
        return peak(lambda: relay.handle(batch, *parts))
    # Deliveries run one after the other here, and several at a time when deployed.
    at_once = wiring.CONCURRENT_MAX if step == "deliver" else 1
    return at_once * peak(_WORK[step](order))


def peak(work: Work) -> int:
    """What this work allocates at its peak, in bytes."""
    gc.collect()
    work()  # fills the interpreter's own free lists, which do not count
    tracemalloc.start()
    work()
    _, found = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return found


def resident_peak(status: str) -> int:
    """A process's largest resident set in bytes, from its /proc/PID/status. Not rusage's figure:
    that begins with the parent's."""
    [line] = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def work_of(step: str, lines: int) -> Work:
    """A call that does a step's work for one order, or the part `part:channel` of intake's."""
    part, _, channel = step.partition(":")
    if part in _PARTS:
        return _PARTS[part](channel, lines)  # type: ignore[arg-type]
    return _WORK[step](_order(lines))


def _order(lines: int) -> AcceptedOrder:
    return accepted(lines=lines_of(lines))


def lines_of(count: int) -> list[dict[str, Any]]:
    return [line(f"SKU-{n:05}", 1 + n % 12, 85 + n % 900) for n in range(count)]


def _intake(order: AcceptedOrder) -> Work:
    """Placed new."""
    keys = {"Parameter": {"Value": json.dumps({KEY_ID: KEY.hex()})}}
    lines = lines_of(len(order.order.lines))
    book = bucket_of(Article(each["sku"], (each["unit_price"], None)) for each in lines)
    outside = runtime("intake", ssm=Answers(get_parameter=keys))
    parts = wiring.wire_intake(replace(outside, pool=lambda _seconds: _pool_of(book)))
    id_ = order_id()
    body = order_body(id_, lines=lines)
    event = request("PUT /orders/{order_id}", order_id=id_, body=body)
    return lambda: _must(intake.handle(event, *parts)["statusCode"] == 201)


def _pool_of(bucket: Bucket) -> Any:
    def request(_method: str, url: str, *, headers: Mapping[str, str], **_: object) -> Answer:
        return bucket.get(urlsplit(url).path.removeprefix("/"), headers)

    return SimpleNamespace(request=request)


def _relay(order: AcceptedOrder) -> Work:
    """The order and its three facts, in one batch."""
    parts = wiring.wire_relay(runtime("relay"))
    records = [placed(order)]
    records += [progressed(order, before, after) for before, after in pairwise(history())]
    return lambda: relay.handle({"Records": records}, *parts)


def _deliver(order: AcceptedOrder) -> Work:
    """Its three commands. The first holds the order; for the others it is read."""
    table = Answers(
        get_item={"Item": items.order_item(order)},
        update_item={"Attributes": progress_item(order, history()[-1])},
    )
    key = Answers(get_parameter={"Parameter": {"Value": "an api key"}})
    parts = wiring.wire_deliver(runtime("deliver-inventory", dynamodb=table, ssm=key))
    commands = [Command(order.key, Step.RESERVE, content) for content in (order.order, None, None)]
    batch = {"Records": [queue_record(message_of(command)) for command in commands]}
    return lambda: _must(deliver.handle(batch, *parts) == {"batchItemFailures": []})


def _reads(order: AcceptedOrder) -> Work:
    found = [items.order_item(order), progress_item(order, history()[-1])]
    parts = wiring.wire_reads(runtime("reads", dynamodb=Answers(query={"Items": found})))
    event = request("GET /orders/{order_id}", order_id=order.key.order_id)
    return lambda: _must(reads.handle(event, *parts)["statusCode"] == 200)


_WORK: Mapping[str, Callable[[AcceptedOrder], Work]] = {
    "intake": _intake,
    "relay": _relay,
    "deliver": _deliver,
    "reads": _reads,
}
STEPS = (*_WORK,)
_PARTS = {"validate": validating, "price": pricing_warm, "price cold": pricing_cold}


def history() -> Sequence[Facts]:
    """The facts of an order that goes well, one more each time."""
    steps = (Step.RESERVE, Step.SHIP, Step.POST)
    outcome = Outcome(NOW, reference="01a209a4-b145-72d1-a425-f1bcd5776b80")
    return [Facts(dict.fromkeys(steps[:known], outcome)) for known in range(len(steps) + 1)]


def runtime(function: str, **clients: Answers) -> wiring.Runtime:
    """Everything outside answers at once; a downstream has done whatever it is asked."""
    done = SimpleNamespace(status=201, data=b'{"reference":"01a209a4-b145"}')
    pool: Any = Answers(request=done)
    return wiring.Runtime(
        environment=environment(function),
        client=lambda service, *_: clients.get(service, Answers()),
        clock=SetClock(NOW),
        jitter=lambda: 0.5,
        write=lambda _line: None,
        pool=lambda _seconds: pool,
        sign_s3=lambda _method, _url, headers, _body: {**headers},
        concurrent_map=lambda _at_once: map,
        side_by_side=lambda _at_once: lambda calls, _: {name: do() for name, do in calls.items()},
        sleep=lambda _seconds: None,
    )


def _must(right: bool) -> None:
    if not right:
        raise RuntimeError("A handler did not do its work.")


if __name__ == "__main__":
    do = work_of(sys.argv[1], int(sys.argv[2]))
    for _ in range(int(sys.argv[3])):
        do()
