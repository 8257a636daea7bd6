"""The race for a coupon of the first N: each order is sent three times, by processes that are
killed while they place it. Exactly N orders get it."""

from __future__ import annotations

import os
import queue
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from orders.domain.refusals import Rule
from spillway.operate.coupons import uses
from spillway.run.stack import Stack
from spillway.run.stack.processes import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from spillway.target.reading import read_orders
from spillway.target.service import Service
from tests.needs import starts
from tests.tables import make_table

pytestmark = pytest.mark.timeout(1_200)

RACERS = 4


@dataclass
class Race:
    service: Service
    environment: dict[str, str]
    sends: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)
    answers: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    #: The share of the sends whose process is killed.
    kill_rate: float = 0.0
    killed: int = 0

    def run(self, customers: int) -> None:
        sends = [*range(customers)] * 3
        random.Random(customers).shuffle(sends)
        for number in sends:
            self.sends.put(number)
        with ThreadPoolExecutor(RACERS) as racers:
            for racer in [racers.submit(self._race, random.Random(n)) for n in range(RACERS)]:
                racer.result()

    def _race(self, chance: random.Random) -> None:
        racer = self._start()
        while not self.sends.empty():
            try:
                number = self.sends.get_nowait()
            except queue.Empty:
                break
            answer = self._send(racer, number, chance)
            if answer == "":
                racer = self._start()
            if answer in ("", "again"):
                self.sends.put(number)
            else:
                self.answers[number].append(answer)
        racer.communicate(timeout=60)

    def _send(self, racer: subprocess.Popen[str], number: int, chance: random.Random) -> str:
        """What the process answers; "" where it was killed meanwhile."""
        assert racer.stdin is not None
        assert racer.stdout is not None
        print(number, file=racer.stdin, flush=True)
        if chance.random() < self.kill_rate:
            time.sleep(chance.random() / 50)
            racer.kill()
            racer.communicate()
            self.killed += 1
            return ""
        return racer.stdout.readline().strip()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.coupon_racer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.environment,
            text=True,
        )


@pytest.fixture
@starts("emulator")
def race(stack: Stack) -> Iterator[Race]:
    dynamodb = stack.client("dynamodb")
    tables = {
        "orders": make_table(dynamodb, "race-orders"),
        "coupons": make_table(dynamodb, "race-coupons", keys=("pk",)),
    }
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": stack.emulator,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "ORDERS_TABLE": tables["orders"],
        "COUPONS_TABLE": tables["coupons"],
    }
    yield Race(Service("race", stack.client, tables, {}), environment)
    for table in tables.values():
        dynamodb.delete_table(TableName=table)


@pytest.mark.parametrize(
    ("customers", "limit", "kill_rate"),
    [(30, 10, 0.05), pytest.param(2_000, 100, 0.02, marks=pytest.mark.slow)],
)
def test_exactly_the_first_orders_get_the_coupon_whatever_is_killed(
    race: Race, customers: int, limit: int, kill_rate: float
) -> None:
    race.kill_rate = kill_rate
    race.environment["LIMIT"] = str(limit)
    race.run(customers)

    assert race.killed
    stored = read_orders(race.service.dynamodb, race.service.tables["orders"])
    assert len(stored) == limit
    got_it = {int(record.key.customer_id.removeprefix("customer-")) for record in stored}
    for number in range(customers):
        said = set(race.answers[number])
        assert len(race.answers[number]) == 3
        if number in got_it:
            assert said <= {"placed", "there"}
        else:
            assert said == {Rule.COUPON_USED_UP.value}
    found = uses.audit(race.service.dynamodb, race.service.tables, sleep=lambda _: None)
    assert found.findings == []
    assert found.orders == limit
