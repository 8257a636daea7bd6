"""A cold start: a fresh process that imports a function and makes its first clients.

What Lambda adds (the machine, the runtime, fetching the code) is the same for every function and
cannot be measured here. Bytecode is compiled ahead on both sides, as it is when deployed.
"""

from __future__ import annotations

import resource
import site
import statistics
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Figures
from benchmarks.handlers import environment, resident_peak
from benchmarks.prices import BUCKET, bucket_of_size, serve
from infra import bundle

TITLE = "Cold start"
FLOOR = "boto3, DynamoDB client"
#: Function to how many times the floor it may take. Intake with a price book also reads it.
BOUNDS = {
    "intake": 1.2,
    "intake, 1,000 articles": 1.3,
    "reads": 1.2,
    "drain": 1.3,
    "relay": 1.3,
    "deliver-inventory": 1.3,
    "watchdog": 1.3,
}
#: Measured without a bound.
REPORTED = "intake, 200,000 articles"
#: The bundle of AWS, libraries trimmed and all, but for the Python and the machine that measure.
HERE = bundle.Target("here", requirements=True)
#: What a client is made with.
_CREDENTIALS = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
}
#: Nothing of this machine's own libraries or settings.
_PYTHON = (sys.executable, "-I", "-S", "-c")
_STATUS = """
with open("/proc/self/status") as status:
    print(status.read())
"""


def children_seconds() -> float:
    """Processor time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.benchmark(group=TITLE, timer=children_seconds)
@pytest.mark.parametrize("name", ["Python", FLOOR, *BOUNDS, REPORTED])
def test_a_cold_start(
    benchmark: BenchmarkFixture, figures: Figures, request: pytest.FixtureRequest, name: str
) -> None:
    _program(name)  # builds the bundle, which is no part of a start
    floors: list[float] = []

    def start_floor() -> None:
        """Before each start, so that both meet the same noise."""
        began = children_seconds()
        _started(FLOOR)
        floors.append(children_seconds() - began)

    rounds = request.config.getoption("--rounds")
    untyped: Any = benchmark
    peak = untyped.pedantic(_started, args=(name,), setup=start_floor, rounds=rounds)
    times = untyped.stats.stats
    pairs = zip(times.data, floors, strict=False)
    ratio = statistics.median(took / floor for took, floor in pairs)
    row = figures[TITLE][name]
    row["CPU, ms"] = round(times.median * 1000, 1)
    row["ratio"] = round(ratio, 3)
    if name in BOUNDS:
        row["at most"] = BOUNDS[name]
    row["memory, MB"] = round(peak / 1e6, 1)
    assert ratio <= BOUNDS.get(name, ratio)


def _started(name: str) -> int:
    """Start the process once; returns its largest resident set, in bytes."""
    code, variables = _program(name)
    done = subprocess.run(  # noqa: S603 -- the command is ours
        [*_PYTHON, code + _STATUS], check=True, capture_output=True, text=True, env=variables
    )
    return resident_peak(done.stdout)


def _program(name: str) -> tuple[str, Mapping[str, str]]:
    """Code and environment variables. The functions see their bundle and nothing else."""
    if name == "Python":
        return "", {}
    if name == FLOOR:
        libraries = site.getsitepackages()[0]
        return (
            f"import sys; sys.path.insert(0, {libraries!r}); import boto3\n"
            'boto3.client("dynamodb", region_name="eu-west-1")\n'
        ), {}
    function, _, articles = name.partition(", ")
    step = function.partition("-")[0]
    code = (
        f"import sys; sys.path.insert(0, {str(_bundled())!r})\n"
        f"from orders.handlers import {step}\n"
        f"from orders import wiring; parts = wiring.{step}()\n"
    )
    variables = {**_CREDENTIALS, **environment(function)}
    if articles:
        code += "intake, _ = parts; intake.prices.books.in_force(intake.clock.now())\n"
        variables |= {"AWS_ENDPOINT_URL": _bucket(articles), "PRICES_BUCKET": BUCKET}
    return code, variables


@cache
def _bucket(articles: str) -> str:
    """The address of a bucket with a book of so many articles."""
    size = int(articles.removesuffix(" articles").replace(",", ""))
    return serve(bucket_of_size(size))


@cache
def _bundled() -> Path:
    return bundle.build(HERE).path
