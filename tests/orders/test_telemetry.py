"""One JSON object a line, and only known fields; good news of one order in N."""

from __future__ import annotations

import json
import random
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from orders.telemetry import (
    AFTER_FAILURE_MS,
    FIELDS,
    GOOD_NEWS_WITHIN_MS,
    JsonLines,
    in_sample,
)
from spillway.operate.status.outages import RETRIED_SECONDS

LOGS = (Path(__file__).parents[2] / "docs" / "logs.md").read_text()
#: No order of these tests is in a sample of one in so many.
RARE = 1_000_000
ORDER = {"customer": "3f1c5a9e0b7d4c82", "order_id": "0197a3f2-6b1c-7d3e-8f4a-5b6c7d8e9f00"}
RESERVED = {**ORDER, "command": "reserve", "duration_ms": 80}
SETTLED = {**ORDER, "command": "post", "status": "confirmed", "settle_ms": 900}
EXPRESS = {**SETTLED, "command": "reserve", "express": ["ship", "post"]}
OF_GOOD_NEWS = {"at", "step", "outcome", "trace", *RESERVED, *EXPRESS}


def test_an_event_is_one_json_object_on_one_line() -> None:
    lines: list[str] = []
    log = JsonLines(lines.append, lambda: 7)
    log("deliver", "done", order_id="o", detail=None)
    assert [json.loads(line) for line in lines] == [
        {"at": 7, "step": "deliver", "outcome": "done", "order_id": "o"}
    ]
    assert lines[0].endswith("\n")


def test_a_field_that_is_not_on_the_list_is_a_bug() -> None:
    log = JsonLines(lambda _: None, lambda: 7)
    with pytest.raises(ValueError, match="address"):
        log("intake", "accepted", address="1 High Street")


class Lines:
    """What a process wrote, whose clock is set by hand."""

    def __init__(self, one_in: int) -> None:
        self.written: list[dict[str, Any]] = []
        self.now = 1_000
        self.log = JsonLines(self._write, lambda: self.now, one_in)

    def _write(self, line: str) -> None:
        self.written.append(json.loads(line))

    def logs(self, step: str, outcome: str, **fields: Any) -> dict[str, Any] | None:
        """The line as it was written, None where it was left out."""
        before = len(self.written)
        self.log(step, outcome, **fields)
        return self.written[-1] if len(self.written) > before else None


def outcomes() -> Iterator[tuple[str, str]]:
    """Every outcome of every step, as docs/logs.md has them."""
    table = LOGS.split("## Outcomes\n")[1].split("\n\n")[0]
    every = ("intake", "drain", "relay", "deliver", "watchdog", "reads", "archive")
    for steps, named in re.findall(r"^\| ([\w, ]+) \| (`.+?) \| .+ \|$", table, re.MULTILINE):
        for step in every if steps == "all" else steps.split(", "):
            yield from ((step, outcome) for outcome in re.findall(r"`(\w+)`", named))


GOOD = {("intake", "accepted"), ("deliver", "done"), ("outcomes", "done")}
OUTCOMES = {*outcomes()}


def test_whatever_is_no_success_is_logged_of_every_order() -> None:
    bad = {("intake", "refused"), ("deliver", "postponed"), ("relay", "bug")}
    assert OUTCOMES.issuperset(GOOD | bad)
    for step, outcome in OUTCOMES:
        line = Lines(RARE).logs(step, outcome, **RESERVED)
        assert (line is None) is ((step, outcome) in GOOD), (step, outcome)
        assert line is None or "stands_for" not in line


@pytest.mark.parametrize(
    "more",
    [
        {"attempt": 2},
        {"command": "release"},
        {"command": "refund"},
        {"command": "cancel_shipment"},
        {"command": "recall_shipment"},
        {"command": "ship", "status": "rejected", "settle_ms": 900},
        {"command": "ship", "status": "cancelled", "settle_ms": 900},
        {"command": "post", "status": "confirmed", "settle_ms": GOOD_NEWS_WITHIN_MS},
        # How long it took is not known, so it may have been long.
        {"command": "post", "status": "confirmed"},
        {"express": ["ship"]},
        # One of the two was refused.
        {"express": ["ship", "post"]},
        {**EXPRESS, "settle_ms": GOOD_NEWS_WITHIN_MS},
        *({name: 1} for name in FIELDS if name not in OF_GOOD_NEWS),
    ],
    ids=str,
)
def test_a_delivery_that_tells_anything_else_is_logged_of_every_order(more: dict[str, Any]) -> None:
    line = Lines(RARE).logs("deliver", "done", **{**RESERVED, **more})
    assert line is not None
    assert line.keys() >= more.keys() - {"settle_ms"}


def test_a_line_that_does_not_name_its_order_is_in_no_sample() -> None:
    for missing in ORDER:
        named = {name: value for name, value in RESERVED.items() if name != missing}
        assert Lines(RARE).logs("deliver", "done", **named) is not None


def test_an_order_that_was_accepted_by_an_old_receipt_is_logged_and_no_other() -> None:
    assert Lines(RARE).logs("intake", "accepted", **ORDER, trace="4bf92f35") is None
    assert Lines(RARE).logs("intake", "accepted", **ORDER, receipt="without_customer")


def test_an_order_that_settled_on_the_express_path_is_good_news() -> None:
    assert Lines(RARE).logs("deliver", "done", **EXPRESS) is None


def test_of_an_order_all_good_news_is_there_or_none_and_each_line_says_for_how_many() -> None:
    keys = [{"customer": f"{n:016x}", "order_id": f"order-{n}"} for n in range(3_000)]
    functions = [Lines(10) for _ in range(4)]
    here = 0
    for key in keys:
        written = [
            functions[0].logs("intake", "accepted", **key),
            functions[1].logs("deliver", "done", **key, command="reserve"),
            functions[2].logs("deliver", "done", **key, command="ship"),
            functions[3].logs("deliver", "done", **{**SETTLED, **key}),
        ]
        present = [line for line in written if line is not None]
        assert len(present) in (0, 4)
        assert all(line["stands_for"] == 10 for line in present)
        assert bool(present) is in_sample(key["customer"], key["order_id"], 10)
        here += bool(present)
    # Four standard deviations of a binomial number; the keys are always the same.
    assert abs(here - 300) < 4 * (3_000 * 0.1 * 0.9) ** 0.5


def test_with_one_in_one_a_line_is_what_it_always_was() -> None:
    line = Lines(1).logs("deliver", "done", **SETTLED)
    assert line == {"at": 1_000, "step": "deliver", "outcome": "done", **SETTLED}


@pytest.mark.parametrize(("failure", "status"), [("postponed", 503), ("misconfigured", 401)])
def test_after_a_failure_a_process_logs_everything_for_a_while(failure: str, status: int) -> None:
    """So that whoever looks at an outage sees every answer, and not one in N."""
    assert AFTER_FAILURE_MS >= RETRIED_SECONDS * 1000
    lines = Lines(RARE)
    assert lines.logs("deliver", "done", **RESERVED) is None
    lines.logs("deliver", "refused", **RESERVED, reason="out_of_stock")
    assert lines.logs("deliver", "done", **RESERVED) is None, "a refusal is no failure"
    lines.logs("deliver", failure, **RESERVED, detail=f"POST /reservations: answered {status}")
    lines.now += AFTER_FAILURE_MS - 1
    line = lines.logs("deliver", "done", **RESERVED)
    assert line is not None
    assert "stands_for" not in line
    settled = lines.logs("deliver", "done", **SETTLED)
    assert settled is not None
    assert "settle_ms" not in settled
    lines.now += 1
    assert lines.logs("deliver", "done", **RESERVED) is None


class TestWhatIsWorkedOut:
    """From the lines of 20,000 orders, of which every tenth was retried and took longer."""

    ORDERS = 20_000
    ONE_IN = 10

    def settle_times(self) -> list[int]:
        rng = random.Random(54)
        return [
            round(1_000 * rng.lognormvariate(0, 0.5) * (1 if n % 10 else 30))
            for n in range(self.ORDERS)
        ]

    def written(self) -> list[dict[str, Any]]:
        lines = Lines(self.ONE_IN)
        for number, settle_ms in enumerate(self.settle_times()):
            again = {} if number % 10 else {"attempt": 2}
            key = {"customer": "c", "order_id": f"order-{number}", "settle_ms": settle_ms}
            lines.log("deliver", "done", **{**SETTLED, **key, **again})
        return lines.written

    @pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
    def test_the_settle_times_percentiles_are_those_of_all_orders(self, share: float) -> None:
        written, every = self.written(), sorted(self.settle_times())
        sampled = [line["settle_ms"] for line in written if "settle_ms" in line]
        found = bisect_right(every, percentile(sampled, share)) / len(every)
        # How far the sample's percentile may be from where it is among all: four deviations.
        allowed = 4 * (share * (1 - share) / (self.ORDERS / self.ONE_IN)) ** 0.5
        assert found == pytest.approx(share, abs=allowed)

    def test_they_were_not_if_every_line_that_is_logged_had_its_time(self) -> None:
        """The test above can fail: this is the mix that it would have to find."""
        written, times = self.written(), self.settle_times()
        mixed = [times[int(line["order_id"].rpartition("-")[2])] for line in written]
        found = bisect_right(sorted(times), percentile(mixed, 0.5)) / len(times)
        assert found > 0.9

    def test_what_lines_stand_for_adds_up_to_the_orders(self) -> None:
        written = self.written()
        retried = [line for line in written if "attempt" in line]
        assert len(retried) == self.ORDERS / 10
        assert not [line for line in retried if "stands_for" in line]
        counted = sum(line.get("stands_for", 1) for line in written)
        good = self.ORDERS * 0.9
        deviation = self.ONE_IN * (good * 0.1 * 0.9) ** 0.5
        assert counted == pytest.approx(self.ORDERS, abs=4 * deviation)


def percentile(values: Iterable[int], share: float) -> int:
    ranked: Sequence[int] = sorted(values)
    return ranked[int(share * len(ranked))]
