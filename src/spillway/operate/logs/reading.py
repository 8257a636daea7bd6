"""What the functions logged: one line for each order and step, see `orders.telemetry.FIELDS`.

Lines are read with FilterLogEvents, which is free, function by function and page by page. Logs
Insights would be faster over many gigabytes, but AWS charges for each gigabyte it scans; the saved
queries are in the CloudWatch console (infra/constructs/saved_queries.py).
"""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, Literal

import msgspec
from botocore.exceptions import ClientError

from infra.metrics import ARCHIVE, OUTCOMES, PAYMENTS
from orders.domain.order import order_id_time
from orders.domain.units import OrderId
from spillway.target.service import FUNCTIONS, Service

#: Whatever logs. A stage may have none of the last three, and the archive names no orders.
LOGGING = (*FUNCTIONS, ARCHIVE, PAYMENTS, OUTCOMES)
#: Limits: the latest lines that are kept, and the pages that are read of each function.
LINES_MAX = 1_000
PAGES_MAX = 200
#: How far a client's clock may be ahead of ours when it makes an order's id: intake's limit.
CLOCK_SKEW_MS = 5 * 60 * 1000
#: CloudWatch may show a line later than others that were written after it.
LATE_MS = 5_000
POLL_SECONDS = 1.0
_CALLS_AT_ONCE = 8
#: Outcomes with which a delivery has put its command into the dead-letter queue.
DEAD_LETTERED = frozenset({"dead_lettered", "contradicted"})

#: Outcomes with which a delivery has its downstream's answer on record.
ANSWERED = frozenset({"done", "refused"})

#: How good an outcome is: done, expected, tried again, or a person must look at it.
Tone = Literal["good", "plain", "again", "bad"]
_TONES: Mapping[str, Tone] = {
    **dict.fromkeys(("accepted", "replayed", "buffered", "placed", "there", "done"), "good"),
    **dict.fromkeys(("given_back", "reconciled"), "good"),
    **dict.fromkeys(("refused", "cancellation_taken", "gone", "taken"), "plain"),
    **dict.fromkeys(("postponed", "misconfigured", "unavailable", "stuck"), "again"),
}


_ABOUT_THE_DOWNSTREAM = re.compile(
    r"(?:[A-Z]+ (?:/\S*|where it said to ask)?|token of \S+): "
    r"(?:answered (?P<status>\d{3})|(?P<error>\w+)$|(?P<other>.+))"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One wide event. `at` is Unix milliseconds; `fields` are those of `orders.telemetry`.

    A line of Lambda's own, such as the end of a function that ran out of time, has one field: its
    text, as `message`.
    """

    at: int
    function: str
    fields: Mapping[str, Any]

    @property
    def outcome(self) -> str:
        return str(self.fields.get("outcome", ""))

    @property
    def tone(self) -> Tone:
        return _TONES.get(self.outcome, "bad")

    @property
    def command(self) -> str | None:
        """The step that a delivery carries out."""
        return self.fields.get("command")

    @property
    def attempt(self) -> int:
        return int(self.fields.get("attempt", 1))

    @property
    def why(self) -> str:
        """What went wrong, as well as the line says."""
        return str(self.fields.get("detail") or self.fields.get("error") or self.outcome)

    @property
    def is_dead_letter(self) -> bool:
        """The delivery put its command into the dead-letter queue."""
        return self.outcome in DEAD_LETTERED


@dataclass(frozen=True, slots=True)
class Read:
    """Lines in the order of time. `complete`: none were left out because there are too many."""

    lines: Sequence[Line]
    complete: bool


def lines_of_order(
    service: Service, order_id: str, *, customer: str | None = None, lines_max: int = LINES_MAX
) -> Read:
    """Every function's lines about an order, since its id was made.

    An id is unique for one customer only. `customer` is the hash of that customer's id.
    """
    since = order_id_time(OrderId(order_id)) - CLOCK_SKEW_MS
    read = lines(service, since=since, term=order_id, lines_max=lines_max)
    about = [
        line
        for line in read.lines
        if line.fields.get("order_id") == order_id
        and customer in (None, line.fields.get("customer"))
    ]
    return Read(about, read.complete)


def lines(
    service: Service,
    *,
    since: int,
    term: str | None = None,
    without: str | None = None,
    functions: Sequence[str] = FUNCTIONS,
    lines_max: int = LINES_MAX,
) -> Read:
    """The latest lines since then (Unix ms) that contain `term`, and not `without`."""
    phrases = ([f'"{term}"'] if term else []) + ([f'-"{without}"'] if without else [])
    pattern = " ".join(phrases)
    read = partial(_of_function, service, since=since, pattern=pattern, lines_max=lines_max)
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        found = list(pool.map(read, functions))
    merged = sorted(chain.from_iterable(lines for lines, _ in found), key=lambda line: line.at)
    complete = len(merged) <= lines_max and all(complete for _, complete in found)
    return Read(merged[-lines_max:], complete)


def follow(
    service: Service,
    *,
    shown: Sequence[Line] = (),
    term: str | None = None,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Line]:
    """New lines as CloudWatch shows them, each once, without end; none of `shown`."""
    seen = {_mark(line): line.at for line in shown}
    while True:
        since = int(now() * 1000) - LATE_MS
        for line in lines(service, since=since, term=term, functions=LOGGING).lines:
            if _mark(line) not in seen:
                seen[_mark(line)] = line.at
                yield line
        seen = {mark: at for mark, at in seen.items() if at >= since - LATE_MS}
        sleep(POLL_SECONDS)


def trouble_of(line: Line) -> str | None:
    """What a downstream did to an attempt that failed, in a few words; None where it did not."""
    found = _ABOUT_THE_DOWNSTREAM.match(str(line.fields.get("detail", "")))
    if found is None:
        # It was not called, because our own settings for it need a fix.
        return line.why if line.outcome == "misconfigured" else None
    if found["status"] is not None:
        return f"status {found['status']}"
    if found["other"] is not None:
        return found["other"]
    return "timed out" if "Timeout" in found["error"] else "no connection"


def _mark(line: Line) -> str:
    return f"{line.function} {line.at} {json.dumps(line.fields)}"


def _of_function(
    service: Service, function: str, *, since: int, pattern: str, lines_max: int
) -> tuple[Iterable[Line], bool]:
    """The latest lines, one more than `lines_max` if there are more; and whether all pages were
    read."""
    request: dict[str, Any] = {
        "logGroupName": service.log_group(function),
        "startTime": max(0, since),
    }
    if pattern:
        # A quoted phrase matches anywhere in the line.
        request["filterPattern"] = pattern
    latest: deque[Line] = deque(maxlen=lines_max + 1)
    pages = service.logs.get_paginator("filter_log_events").paginate(**request)
    try:
        for number, page in enumerate(pages, 1):
            read = (_line(function, event) for event in page["events"])
            latest.extend(line for line in read if line is not None)
            if number == PAGES_MAX:
                return latest, False
    except ClientError as error:
        # Not every stage has these functions.
        if function in FUNCTIONS or error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
    return latest, True


#: Lambda's own lines about each invocation, which are left out.
_LAMBDAS_OWN = ("START ", "END ", "REPORT ", "INIT_START ")


def _line(function: str, event: Mapping[str, Any]) -> Line | None:
    message, at = event["message"].strip(), event["timestamp"]
    if not message or message.startswith(_LAMBDAS_OWN):
        return None
    try:
        fields = msgspec.json.decode(message, type=dict[str, Any])
    except msgspec.DecodeError:
        fields = {}
    if str(fields.get("type", "")).startswith("platform."):
        return None
    if "step" not in fields:
        return Line(at, function, {"message": message})
    return Line(int(fields.pop("at", at)), function, fields)
