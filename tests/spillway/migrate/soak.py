"""A migration that is killed again and again while a writer goes on changing the old table.

The tests run a small one; `make soak-migrate` runs the great one and measures rates and memory:

    python -m tests.spillway.migrate.soak --orders 100000 --kills 20
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any, get_args

from spillway.migrate.copying import WRITERS, Copy
from spillway.migrate.following import Follow
from spillway.migrate.new.items import order_item, progress_item
from spillway.migrate.new.state import Entry, index_item
from spillway.migrate.old.mapping import Mapped
from spillway.migrate.running import WRITING, Parts
from spillway.run.stack.aws import client
from spillway.run.stack.emulator import emulator
from spillway.run.stack.processes import own_environment
from tests.spillway.migrate import third as third_table
from tests.spillway.migrate.legacy import Shop, Values, lines, real_lines, real_orders, rows, writer
from tests.spillway.migrate.scan import scanned, set_aside
from tests.spillway.migrate.servers import Make, Server, private, server
from tests.spillway.migrate.tables import config_file, config_for, make_orders_table, migration

SPILLWAY = [sys.executable, "-m", "spillway"]
CATCHES_UP_WITHIN_SECONDS = 1_800
#: What the next copy says where one was killed when all was done.
COMPLETE = "The copy is complete"


@dataclass(frozen=True)
class Runner:
    """Runs `spillway migrate` as an operator does, in processes of its own."""

    config: Path
    environment: dict[str, str]

    @staticmethod
    def of(
        shop: Shop,
        endpoint: str,
        table: str,
        folder: Path,
        changes: Mapping[str, str] | None = None,
    ) -> Runner:
        environment = {
            **own_environment(),
            "AWS_ENDPOINT_URL": endpoint,
            "OLD_SHOP": shop.server.url(shop.database),
        }
        return Runner(config_file(shop, table, folder, changes), environment)

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*SPILLWAY, "migrate", command[0], "--config", str(self.config), *command[1:]],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str) -> tuple[int, str, str]:
        process = self.start(*command)
        out, err = process.communicate(timeout=CATCHES_UP_WITHIN_SECONDS)
        return process.returncode, out, err

    def measured(self, *command: str) -> tuple[float, float]:
        """Seconds, and the largest memory that it and its own processes had together, in MB."""
        began, largest = time.monotonic(), 0.0
        process = self.start(*command)
        while process.poll() is None:
            largest = max(largest, _megabytes(process.pid))
            time.sleep(0.1)
        _, err = process.communicate()
        assert process.returncode == 0, err
        return time.monotonic() - began, largest


def _megabytes(pid: int) -> float:
    """What a process and its children hold in memory, by Linux's /proc; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(one) for task in tasks for one in (task / "children").read_text().split()]
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6 + sum(map(_megabytes, children))


@dataclass(frozen=True)
class Survived:
    kills: int
    changes: int
    under_traffic: dict[str, Any]
    quiet: dict[str, Any]


def soak(
    shop: Shop,
    runner: Runner,
    *,
    kills: int,
    seed: int,
    wait_seconds: float,
    pause: float,
    settle_seconds: float = 1.0,
) -> Survived:
    """Copy and follow, each killed with SIGKILL at random moments, then verify twice: while the
    writer goes on, and when it has ended."""
    rng = random.Random(seed)
    killed = 0
    with writer(shop, seed, pause) as changes:
        copied = False
        while not copied and killed < kills - kills // 2:
            copied = _killed(runner, ("copy",), rng.uniform(1.2, wait_seconds)) is False
            killed += not copied
        if not copied:
            status, _, err = runner.run("copy")
            assert status == 0 or COMPLETE in err, err
        while killed < kills:
            assert _killed(runner, ("follow",), rng.uniform(1.2, wait_seconds))
            killed += 1
        following = runner.start("follow")
        try:
            time.sleep(settle_seconds)
            under_traffic = _verdict(runner)
            if following.poll() is not None:
                raise AssertionError(f"follow ended: {following.communicate()[1]}")
        except BaseException:
            following.kill()
            raise
    quiet = _verdict(runner)
    following.send_signal(signal.SIGTERM)
    following.communicate(timeout=60)
    return Survived(killed, changes(), under_traffic, quiet)


def _killed(runner: Runner, command: Sequence[str], seconds: float) -> bool:
    """Whether it had to be killed; false when it was done before that."""
    process = runner.start(*command)
    try:
        _, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    assert process.returncode == 0 or COMPLETE in err, err
    return False


def _verdict(runner: Runner) -> dict[str, Any]:
    _, out, err = runner.run("verify", "--json")
    assert out, err
    verdict: dict[str, Any] = json.loads(out)
    return verdict


@contextmanager
def playground() -> Iterator[tuple[Server, str, Path]]:
    """An old server, an emulator's endpoint, and a folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("mariadb", "emulator"):
            (folder / part).mkdir()
        with server(folder / "mariadb") as old, emulator(folder / "emulator") as aws:
            yield old, aws.url, folder


#: Changes some of the orders, a thousand or two.
CHANGES = {
    "row-per-order": "UPDATE orders SET payment_ref = CONCAT(payment_ref, 'x') WHERE id <= 2000",
    "row-per-line": "UPDATE order_lines SET quantity = quantity + 1 WHERE id <= 20000",
}
ROUNDS = 12


def rate(shop: Shop, endpoint: str, folder: Path) -> dict[str, Any]:
    """Items a second that the copy writes, and that the bare emulator takes in batches: the same
    items by the same client in the same process.

    A machine's speed changes from one moment to the next, twofold on a shared one. So there are
    many rounds, in which the two take turns in going first, and the share is the median of the
    rounds' own.
    """
    gc.set_threshold(20_000)  # as the command does
    dynamodb = client(endpoint, "dynamodb", WRITING)
    bare, copied = [], []
    orders = items = 0
    for round_ in range(ROUNDS):
        table, other = make_orders_table(dynamodb), make_orders_table(dynamodb)
        with (
            migration(shop, dynamodb, config_for(shop, other, folder)) as parts,
            migration(shop, dynamodb, config_for(shop, table, folder)) as copying,
        ):
            batches = list(_batches(shop, parts, other))
            if round_ % 2:
                bare.append(_bare(batches, parts.writer.dynamodb))
            began = time.monotonic()
            orders = Copy(copying, _unseen).run().written
            items = copying.writer.counts["items"]
            copied.append(items / (time.monotonic() - began))
            if not round_ % 2:
                bare.append(_bare(batches, parts.writer.dynamodb))
            if round_ == ROUNDS - 1:
                followed = _followed(shop, copying)
    rows_, *_ = shop.run(f"SELECT COUNT(*) FROM {shop.table}")[0]
    shares = [mine / limit for mine, limit in zip(copied, bare, strict=True)]
    return {
        "bare_items_per_second": round(median(bare)),
        "copied_items_per_second": round(median(copied)),
        "copied_orders_per_second": round(median(copied) * orders / items),
        "copied_rows_per_second": round(median(copied) * rows_ / items),
        "followed_orders_per_second": round(followed),
        "share": round(median(shares), 3),
        "shares": sorted(round(one, 2) for one in shares),
    }


def _followed(shop: Shop, parts: Parts) -> float:
    """Changed orders a second."""
    shop.run(CHANGES[shop.shape])
    began = time.monotonic()
    changed = Follow(parts, _unseen).run(until_caught_up=True).written
    return changed / (time.monotonic() - began)


def _unseen(*_: Any) -> None:
    pass


def _batches(shop: Shop, parts: Parts, table: str) -> Iterator[dict[str, Any]]:
    with parts.old_table() as old:
        last, items = None, []
        while True:
            orders = list(old.after(last))
            if not orders:
                break
            last = orders[-1].last
            for order in orders:
                reading = old.mapper.order(order)
                if isinstance(reading, Mapped):
                    items += [
                        (parts.state.table, index_item(reading.key, Entry(reading.place))),
                        (table, progress_item(reading)),
                        (table, order_item(reading)),
                    ]
    for start in range(0, len(items), 25):
        requests: dict[str, list[Any]] = {}
        for name, item in items[start : start + 25]:
            requests.setdefault(name, []).append({"PutRequest": {"Item": item}})
        yield requests


def _bare(batches: list[dict[str, Any]], dynamodb: Any) -> float:
    count = sum(len(puts) for batch in batches for puts in batch.values())
    began = time.monotonic()
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda batch: dynamodb.batch_write_item(RequestItems=batch), batches))
    return count / (time.monotonic() - began)


#: As in the Online Retail data: how often a quantity is bought, in percent, and the usual prices.
QUANTITIES = {1: 35, 2: 16, 12: 8, 3: 7, 6: 7, 4: 6, 24: 4, 5: 2, 8: 2, 10: 2}
PRICES = ("0.42", "0.85", "1.25", "1.65", "2.10", "2.95", "3.75", "4.95", "8.50", "12.75")
GOODS = 3_000


def long_lines(count: int) -> Iterator[Values]:
    """So many rows, twenty to an order, of goods that sell as differently as in a real shop.

    Of 42,480 lines 47% have come before, goods, quantity and price alike; in the real December of
    42,481 it is 62%.
    """
    rng = random.Random(5)
    demand = list(accumulate(1 / (rank + 30) ** 0.9 for rank in range(GOODS)))
    usual = rng.choices(PRICES, k=GOODS)
    for number in range(count // 20):
        template = lines(rng, f"L{number}")[0]
        for code in rng.choices(range(GOODS), cum_weights=demand, k=20):
            (quantity,) = rng.choices(list(QUANTITIES), list(QUANTITIES.values()))
            # A third is sold at another price than usual.
            price = usual[code] if rng.random() < 0.67 else rng.choice(PRICES)
            sold = {"stock_code": f"SKU-{code}", "quantity": quantity, "unit_price": price}
            yield {**template, **sold}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--sales", type=Path, help="Online Retail as CSV, gzipped or not")
    parser.add_argument("--part", choices=tuple(_PARTS), action="append")
    asked = parser.parse_args()
    parts = asked.part or [
        "rate",
        "memory",
        "hostile",
        "third",
        *(["sales"] if asked.sales else []),
    ]
    for part in parts:
        with playground() as (old, endpoint, folder):
            for report in _PARTS[part](old, endpoint, folder, asked):
                print(json.dumps({"part": part, **report}), flush=True)  # noqa: T201


def _rate_part(old: Server, endpoint: str, folder: Path, asked: Any) -> Iterator[dict[str, Any]]:
    for shape, fill in (
        ("row-per-order", rows(3, 5_000, hostile=0.0)),
        ("row-per-line", long_lines(100_000)),
    ):
        with old.database() as name:
            shop = Shop(old, name, shape)
            shop.fill(fill)
            yield {"shape": shape, **rate(shop, endpoint, folder)}
            shop.close()


def _memory_part(old: Server, endpoint: str, folder: Path, asked: Any) -> Iterator[dict[str, Any]]:
    for count in (10_000, 100_000, 1_000_000):
        with old.database() as name:
            shop = Shop(old, name, "row-per-line")
            shop.fill(long_lines(count))
            table = make_orders_table(client(endpoint, "dynamodb"))
            runner = Runner.of(shop, endpoint, table, folder)
            for command in (("check", "--json"), ("copy", "--json"), ("verify",)):
                seconds, megabytes = runner.measured(*command)
                yield {
                    "rows": count,
                    "command": command[0],
                    "seconds": round(seconds, 1),
                    "megabytes": round(megabytes),
                }
            shop.close()


def _hostile_part(old: Server, endpoint: str, folder: Path, asked: Any) -> Iterator[dict[str, Any]]:
    with old.database() as name:
        shop = Shop(old, name, "row-per-order")
        shop.fill(rows(1, asked.orders))
        yield _soak_report(shop, endpoint, folder, asked.kills, 12)


def _sales_part(old: Server, endpoint: str, folder: Path, asked: Any) -> Iterator[dict[str, Any]]:
    for shape, fill in (
        ("row-per-line", real_lines(asked.sales)),
        ("row-per-order", real_orders(asked.sales)),
    ):
        with old.database() as name:
            shop = Shop(old, name, shape)
            shop.fill(fill)
            yield {"shape": shape, **_soak_report(shop, endpoint, folder, asked.kills, 3)}


def _third_part(old: Server, endpoint: str, folder: Path, asked: Any) -> Iterator[dict[str, Any]]:
    for make in get_args(Make):
        report = third(
            folder, make, endpoint, kills=asked.kills, sales=asked.sales, orders=2_000, pause=0.02
        )
        yield {"server": make, **report}


@dataclass
class Restarting:
    """A server of our own that can be ended and started again."""

    folder: Path
    make: Make
    server: Server | None = None
    _running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> Server:
        port = self.server.port if self.server is not None else 0
        block = private(self.folder, self.make, port=port, gently=True)
        self.server = self._running.enter_context(block)
        return self.server

    def end(self) -> None:
        self._running.close()


def third(
    folder: Path,
    make: Make,
    endpoint: str,
    *,
    kills: int,
    sales: Path | None,
    orders: int,
    pause: float,
    seed: int = 7,
) -> dict[str, Any]:
    """A table of another make under traffic of every kind: copy and follow are killed, its columns
    change, its log is rotated and purged, its server is restarted. `kills` is at most a wish: a
    copy may end before."""
    began, rng = time.monotonic(), random.Random(seed)
    folder = Path(tempfile.mkdtemp(dir=folder))
    (folder / "old").mkdir()
    running = Restarting(folder / "old", make)
    try:
        old = running.start()
        old.run("CREATE DATABASE shop CHARACTER SET latin1")
        third_table.fill(old, "shop", sales, orders)
        dynamodb = client(endpoint, "dynamodb")
        table = make_orders_table(dynamodb)
        environment = {
            **own_environment(),
            "AWS_ENDPOINT_URL": endpoint,
            "OLD_SHOP": old.url("shop"),
        }
        runner = Runner(third_table.config_file(table, folder), environment)
        status, out, err = runner.run("check", "--json")
        assert status == 0, out + err
        traffic = third_table.Traffic(old, "shop", seed, pause)
        with traffic.going_on():
            killed = _copy_killed(runner, kills // 3, rng)
            events = _events(running, traffic, dynamodb, f"{table}-migration")
            again = _follow_killed(runner, events, kills - killed, rng)
            assert again == 0 or make == "mysql"
            following = runner.start("follow")
            try:
                time.sleep(2)
                under_traffic = _verdict(runner)
                assert following.poll() is None, following.communicate()[1]
            except BaseException:
                following.kill()
                raise
        try:
            quiet = _verdict(runner)
        finally:
            following.send_signal(signal.SIGTERM)
            following.communicate(timeout=60)
        wanted = third_table.expected(old, "shop")
        aside = set(set_aside(dynamodb, f"{table}-migration"))
        found = scanned(dynamodb, table)
        return {
            "kills": kills - again,
            "copied_again": again,
            "changes": traffic.done,
            "right": len(wanted.orders),
            "quarantined": len(wanted.aside),
            "faults": third_table.faults(wanted, found, aside),
            "under_traffic": _short(under_traffic),
            "quiet": _short(quiet),
            "seconds": round(time.monotonic() - began),
        }
    finally:
        running.end()


def _copy_killed(runner: Runner, kills: int, rng: random.Random) -> int:
    for killed in range(kills):
        if not _killed(runner, ("copy",), rng.uniform(1.2, 4)):
            return killed
    status, _, err = runner.run("copy")
    assert status == 0 or COMPLETE in err, err
    return kills


def _events(
    running: Restarting, traffic: third_table.Traffic, dynamodb: Any, state: str
) -> list[Callable[[], None]]:
    """What happens while follow runs, each in turn."""

    def changed(statement: str) -> None:
        # Not in the middle of a long transaction: the table would wait for it, and all for that.
        with traffic.resting():
            traffic.server.run(statement, "shop")

    def purged() -> None:
        """All that follow has read."""
        traffic.server.run("FLUSH BINARY LOGS")
        time.sleep(2)
        item = dynamodb.get_item(
            TableName=state, Key={"pk": {"S": "migration"}, "sk": {"S": "state"}}
        )["Item"]
        traffic.server.run(f"PURGE BINARY LOGS TO '{item['followed_file']['S']}'")

    def restarted() -> None:
        with traffic.resting():
            running.end()
            running.start()

    alters = [partial(changed, statement) for statement in third_table.SCHEMA_CHANGES]
    return [*alters[:2], purged, *alters[2:3], restarted, *alters[3:], purged]


def _follow_killed(
    runner: Runner, events: list[Callable[[], None]], kills: int, rng: random.Random
) -> int:
    """Each event while follow runs, which is killed after the first ones, and sometimes again
    without any. How often the log had to be given up for a copy: MySQL 5.6 does not name a row's
    columns in it, so that a follow that is killed just after they changed cannot know them."""
    again = 0
    for number in range(max(len(events), kills)):
        following = runner.start("follow")
        try:
            time.sleep(rng.uniform(1.2, 3))
            if number < len(events):
                events[number]()
                time.sleep(rng.uniform(0, 2))
            ended = following.poll() is not None
        finally:
            following.send_signal(signal.SIGKILL if number < kills else signal.SIGTERM)
            _, err = following.communicate()
        if ended:
            again += _copied_again(runner, err)
    status, _, err = runner.run("follow", "--until-caught-up")
    while status != 0:
        again += _copied_again(runner, err)
        status, _, err = runner.run("follow", "--until-caught-up")
    return again


def _copied_again(runner: Runner, said: str) -> bool:
    assert "changed while the log was not followed" in said, said
    status, _, err = runner.run("copy", "--again")
    assert status == 0, err
    return True


def _soak_report(
    shop: Shop, endpoint: str, folder: Path, kills: int, wait_seconds: float
) -> dict[str, Any]:
    table = make_orders_table(client(endpoint, "dynamodb"))
    began = time.monotonic()
    survived = soak(
        shop,
        Runner.of(shop, endpoint, table, folder),
        kills=kills,
        seed=11,
        wait_seconds=wait_seconds,
        pause=0.02,
        settle_seconds=5,
    )
    shop.close()
    return {
        "kills": survived.kills,
        "changes": survived.changes,
        "under_traffic": _short(survived.under_traffic),
        "quiet": _short(survived.quiet),
        "seconds": round(time.monotonic() - began),
    }


def _short(verdict: dict[str, Any]) -> dict[str, Any]:
    kept = ("clean", "orders", "quarantined", "days", "orders_looked_at_again", "followed")
    return {**{name: verdict[name] for name in kept}, "differences": verdict["differences"][:3]}


_PARTS = {
    "rate": _rate_part,
    "memory": _memory_part,
    "hostile": _hostile_part,
    "sales": _sales_part,
    "third": _third_part,
}

if __name__ == "__main__":
    main()
