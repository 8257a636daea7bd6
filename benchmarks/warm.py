"""What an order costs once everything is warm: our own code, without the SDK and the network.

Each handler runs as deployed, on the events that AWS would hand it. The clients give at once the
answers that AWS would give, so that all that is measured is ours.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.surroundings import environments
from orders import wiring
from orders.aws import items
from orders.aws.messages import message_of
from orders.domain.order import AcceptedOrder
from orders.domain.saga import Facts, Outcome, Step
from orders.handlers import deliver, intake, reads, relay
from orders.ports import Command
from tests.builders import KEY, KEY_ID, NOW, accepted, line, order_body, order_id
from tests.orders.handlers.api_events import request
from tests.orders.handlers.test_deliver import record as queue_record
from tests.orders.handlers.test_relay import placed, progress_item, progressed

#: Median and largest of 1,699 real orders, by lines.
RETAIL_LINES = 13
WHOLESALE_LINES = 1_114
#: Between these, a line must not become dearer by more than this.
GROWTH_LINES = (500, 2_000)
GROWTH_MAX = 1.3

LINES = (RETAIL_LINES, WHOLESALE_LINES)

STEPS = ("intake", "relay", "deliver", "reads")

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Warm:
    """One order's cost in one step. `instructions` is None where valgrind is not to be had."""

    step: str
    lines: int
    microseconds: float
    instructions: int | None = None


@dataclass(frozen=True, slots=True)
class Growth:
    """What a line costs in an order of `GROWTH_LINES[1]`, in those of `GROWTH_LINES[0]`."""

    step: str
    ratio: float

    @property
    def met(self) -> bool:
        return self.ratio <= GROWTH_MAX


class Answers:
    """A client whose every operation gives the answer named after it, or an empty one."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        answer = self._answers.get(operation, {})
        return lambda **_: answer


class Downstream:
    """Has done whatever it is asked."""

    def request(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(status=201, data=b'{"reference":"01a209a4-b145"}')


class StillClock:
    def now(self) -> int:
        return NOW


def measure(counted: bool, on_done: Callable[[], None]) -> list[Warm]:
    """Every step for an order of each of `LINES`; `counted`: with its instructions."""
    found = []
    for step in STEPS:
        for lines in LINES:
            count = instructions(step, lines) if counted else None
            found.append(Warm(step, lines, microseconds(step, lines), count))
            on_done()
    return found


def microseconds(step: str, lines: int, seconds: float = 0.3) -> float:
    """CPU time of one order: the least of five stretches, for noise only ever adds."""
    work = work_of(step, lines)
    work()
    began = time.process_time()
    work()
    times = max(1, round(seconds / 5 / max(time.process_time() - began, 1e-5)))
    return min(_stretch(work, times) for _ in range(5)) * 1e6


def growth(step: str) -> Growth:
    few, many = (microseconds(step, lines) / lines for lines in GROWTH_LINES)
    return Growth(step, many / few)


def instructions(step: str, lines: int) -> int | None:
    """Of one order, counted by callgrind: the same in every run, on however noisy a machine."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    # Enough between them that what differs from one start to the next does not show.
    few, many = 10, 210
    return (_counted(valgrind, step, lines, many) - _counted(valgrind, step, lines, few)) // (
        many - few
    )


def _stretch(work: Work, times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def _counted(valgrind: str, step: str, lines: int, times: int) -> int:
    command = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
    done = subprocess.run(  # noqa: S603 - the command is ours
        [*command, "-m", "benchmarks.warm", step, str(lines), str(times)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin"},
    )
    found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if found is None:
        raise RuntimeError(f"callgrind counted nothing: {done.stderr[-500:]}")
    return int(found[1])


def work_of(step: str, lines: int) -> Work:
    """A call that does one order's work of a step."""
    return _WORK[step](_order(lines))


def _order(lines: int) -> AcceptedOrder:
    return accepted(lines=lines_of(lines))


def lines_of(count: int) -> list[dict[str, Any]]:
    return [line(f"SKU-{n:05}", 1 + n % 12, 85 + n % 900) for n in range(count)]


def _intake(order: AcceptedOrder) -> Work:
    """Placed new."""
    keys = {KEY_ID: KEY.hex()}
    parameter = {"Parameter": {"Value": json.dumps(keys)}}
    parts = wiring.wire_intake(outside("intake", ssm=Answers(get_parameter=parameter)))
    id_ = order_id()
    body = order_body(id_, lines=lines_of(len(order.order.lines)))
    event = request("PUT /orders/{order_id}", order_id=id_, body=body)
    return lambda: _must(intake.handle(event, parts)["statusCode"] == 201)


def _relay(order: AcceptedOrder) -> Work:
    """The order and its three facts, in one batch."""
    parts = wiring.wire_relay(outside("relay"))
    records = [placed(order)]
    records += [progressed(order, before, after) for before, after in pairwise(history())]
    return lambda: relay.handle({"Records": records}, parts)


def _deliver(order: AcceptedOrder) -> Work:
    """Its three commands; the first comes with the order, the others have it read."""
    table = Answers(
        get_item={"Item": items.order_item(order)},
        update_item={"Attributes": progress_item(order, history()[-1])},
    )
    key = {"Parameter": {"Value": "an api key"}}
    parts = wiring.wire_deliver(
        outside("deliver-inventory", dynamodb=table, ssm=Answers(get_parameter=key))
    )
    commands = [
        Command(order.key, Step.RESERVE, order.order),
        Command(order.key, Step.RESERVE),
        Command(order.key, Step.RESERVE),
    ]
    batch = {"Records": [queue_record(message_of(command)) for command in commands]}
    return lambda: _must(deliver.handle(batch, parts) == {"batchItemFailures": []})


def _reads(order: AcceptedOrder) -> Work:
    found = [items.order_item(order), progress_item(order, history()[-1])]
    parts = wiring.wire_reads(outside("reads", dynamodb=Answers(query={"Items": found})))
    event = request("GET /orders/{order_id}", order_id=order.key.order_id)
    return lambda: _must(reads.handle(event, parts)["statusCode"] == 200)


_WORK: Mapping[str, Callable[[AcceptedOrder], Work]] = {
    "intake": _intake,
    "relay": _relay,
    "deliver": _deliver,
    "reads": _reads,
}


def history() -> Sequence[Facts]:
    """The facts of an order that goes well, one more each time."""
    steps = (Step.RESERVE, Step.SHIP, Step.POST)
    outcome = Outcome(NOW, reference="01a209a4-b145-72d1-a425-f1bcd5776b80")
    return [Facts(dict.fromkeys(steps[:known], outcome)) for known in range(len(steps) + 1)]


def outside(function: str, **clients: Answers) -> wiring.Outside:
    def side_by_side(_at_once: int) -> Any:
        def one_by_one(work: Callable[[Any], bool], records: Iterable[Any]) -> list[bool]:
            return [work(record) for record in records]

        return one_by_one

    pool: Any = Downstream()
    return wiring.Outside(
        environment=environments()[function],
        client=lambda service, *_: clients.get(service, Answers()),
        clock=StillClock(),
        jitter=lambda: 0.5,
        write=lambda _line: None,
        pool=lambda _seconds: pool,
        side_by_side=side_by_side,
    )


def _must(right: bool) -> None:
    if not right:
        raise RuntimeError("A handler did not do its work.")


if __name__ == "__main__":
    do = work_of(sys.argv[1], int(sys.argv[2]))
    for _ in range(int(sys.argv[3])):
        do()
