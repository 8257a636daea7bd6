"""What an order costs once everything is warm: our own code, without the SDK and the network.

Each handler runs as deployed, on the events that AWS would hand it. The clients give at once the
answers that AWS would give, so that all that is measured is ours.
"""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

from benchmarks.surroundings import environments
from infra.event_sources import RELAY_BATCH_SIZE
from orders import wiring
from orders.aws import items
from orders.aws.messages import message_of
from orders.domain.order import AcceptedOrder
from orders.domain.refusals import LINES_MAX
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
#: A line's instructions are told from those of three orders.
COUNTED_LINES = (*LINES, LINES_MAX)

#: So many of the dearest parts of a step are named.
PARTS_TOLD = 3

STEPS = ("intake", "relay", "deliver", "reads")

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Warm:
    """One order's cost in one step. `parts`: the functions of ours in which most of the time goes,
    each with its share, calls into libraries included."""

    step: str
    lines: int
    microseconds: float
    parts: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Growth:
    """What a line costs in an order of `GROWTH_LINES[1]`, in those of `GROWTH_LINES[0]`."""

    step: str
    ratio: float

    @property
    def met(self) -> bool:
        return self.ratio <= GROWTH_MAX


@dataclass(frozen=True, slots=True)
class Counted:
    """Instructions of one order in one step, for each of `COUNTED_LINES`."""

    step: str
    instructions: Sequence[int]

    @property
    def per_line(self) -> Sequence[float]:
        """What a line adds, from each size to the next."""
        return [
            (more - less) / (many - few)
            for (few, many), (less, more) in zip(
                pairwise(COUNTED_LINES), pairwise(self.instructions), strict=True
            )
        ]

    @property
    def ratio(self) -> float:
        """What a line adds to a large order, in those that it adds to a small one."""
        return self.per_line[-1] / self.per_line[0]

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


def measure(on_done: Callable[[], None]) -> list[Warm]:
    """Every step for an order of each of `LINES`."""
    found = []
    for step in STEPS:
        for lines in LINES:
            found.append(Warm(step, lines, microseconds(step, lines), parts(step, lines)))
            on_done()
    return found


def microseconds(step: str, lines: int, seconds: float = 0.3) -> float:
    """CPU time of one order: the least of five stretches, for noise only ever adds."""
    work = work_of(step, lines)
    work()
    # What the garbage collector would go through here is this process's, not a function's.
    gc.collect()
    gc.freeze()
    began = time.process_time()
    work()
    times = max(1, round(seconds / 5 / max(time.process_time() - began, 1e-5)))
    least = min(_stretch(work, times) for _ in range(5))
    gc.unfreeze()
    return least * 1e6


def growth(step: str) -> Growth:
    few, many = (microseconds(step, lines) / lines for lines in GROWTH_LINES)
    return Growth(step, many / few)


def parts(step: str, lines: int, seconds: float = 1.5) -> Sequence[tuple[str, float]]:
    """Where the time goes: a thousand looks a second at which function of ours is at work."""
    work = work_of(step, lines)
    seen: Counter[str] = Counter()

    def look(_signal: int, frame: FrameType | None) -> None:
        while frame is not None:
            name = str(frame.f_globals.get("__name__"))
            if name.startswith("orders."):
                seen[f"{name.rpartition('.')[2]}.{frame.f_code.co_name}"] += 1
                return
            frame = frame.f_back

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        work()
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)
    return [(name, count / seen.total()) for name, count in seen.most_common(PARTS_TOLD)]


def counted(on_done: Callable[[], None]) -> list[Counted]:
    """Instructions of every step, by callgrind: the same on however noisy a machine, so there are
    as many at a time as there are processors. Needs valgrind."""

    def count(order: tuple[str, int]) -> int:
        found = _instructions(*order)
        on_done()
        return found

    orders = [(step, lines) for step in STEPS for lines in COUNTED_LINES]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(orders, pool.map(count, orders), strict=True))
    return [Counted(step, [found[step, lines] for lines in COUNTED_LINES]) for step in STEPS]


def countings() -> int:
    """How many orders are counted."""
    return len(STEPS) * len(COUNTED_LINES)


def _instructions(step: str, lines: int) -> int:
    """Of one order: what so many more of them add, so that starting up does not count."""
    few = 5
    many = few + max(20, 2_000 // lines)
    counts = [_collected(step, lines, times) for times in (few, many)]
    return (counts[1] - counts[0]) // (many - few)


def _stretch(work: Work, times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def _collected(step: str, lines: int, times: int) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
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


def largest_batch(step: str) -> int:
    """What a step allocates at its peak, in bytes, for as full a batch as it is handed of orders
    with as many lines as may be."""
    order = _order(LINES_MAX)
    if step == "relay":
        parts = wiring.wire_relay(runtime("relay"))
        batch = {"Records": [placed(order)] * RELAY_BATCH_SIZE}
        return peak(lambda: relay.handle(batch, parts))
    # Here commands are worked on one by one, deployed so many of them side by side.
    at_once = wiring.SIDE_BY_SIDE_MAX if step == "deliver" else 1
    return at_once * peak(_WORK[step](order))


def peak(work: Work) -> int:
    """What this work allocates at its peak, in bytes."""
    gc.collect()
    work()  # fills the interpreter's own free lists, which are no part of it
    tracemalloc.start()
    work()
    _, found = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return found


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
    parts = wiring.wire_intake(runtime("intake", ssm=Answers(get_parameter=parameter)))
    id_ = order_id()
    body = order_body(id_, lines=lines_of(len(order.order.lines)))
    event = request("PUT /orders/{order_id}", order_id=id_, body=body)
    return lambda: _must(intake.handle(event, parts)["statusCode"] == 201)


def _relay(order: AcceptedOrder) -> Work:
    """The order and its three facts, in one batch."""
    parts = wiring.wire_relay(runtime("relay"))
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
        runtime("deliver-inventory", dynamodb=table, ssm=Answers(get_parameter=key))
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
    parts = wiring.wire_reads(runtime("reads", dynamodb=Answers(query={"Items": found})))
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


def runtime(function: str, **clients: Answers) -> wiring.Runtime:
    def concurrent_map(_at_once: int) -> Any:
        def one_by_one(work: Callable[[Any], bool], records: Iterable[Any]) -> list[bool]:
            return [work(record) for record in records]

        return one_by_one

    pool: Any = Downstream()
    return wiring.Runtime(
        environment=environments()[function],
        client=lambda service, *_: clients.get(service, Answers()),
        clock=StillClock(),
        jitter=lambda: 0.5,
        write=lambda _line: None,
        pool=lambda _seconds: pool,
        concurrent_map=concurrent_map,
    )


def _must(right: bool) -> None:
    if not right:
        raise RuntimeError("A handler did not do its work.")


if __name__ == "__main__":
    do = work_of(sys.argv[1], int(sys.argv[2]))
    for _ in range(int(sys.argv[3])):
        do()
