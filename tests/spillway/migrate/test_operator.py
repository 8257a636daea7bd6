"""The whole move as an operator makes it: by the command line alone, over TLS, with no more grants
than the guide asks for, the customers from a file."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from orders.aws.table import DynamoOrders
from orders.domain.order import OrderKey
from spillway.migrate.new.state import State
from spillway.run.stack.aws import client
from tests.spillway.migrate.legacy import DOCS, Shop, order, rows
from tests.spillway.migrate.soak import Runner
from tests.spillway.migrate.tables import make_orders_table
from tests.spillway.migrate.test_back import confirm, new_order

PASSWORDS = {"spillway": "r3ad'er@1", "spillway_back": "wr1t:er/2"}


def granted(shop: Shop) -> dict[str, str]:
    """The guide's users, made by its statements, and the URL of each."""
    text = (DOCS / "grants.sql").read_text()
    for user, choice in (("spillway", "choose one"), ("spillway_back", "choose another")):
        text = text.replace(f"'{choice}'", shop.connection.escape(PASSWORDS[user]))
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    for statement in "\n".join(lines).replace("shop.", f"{shop.database}.").split(";"):
        if statement.strip():
            shop.run(statement)
    at = f"{shop.server.host}:{shop.server.port}/{shop.database}"
    return {
        "spillway": f"mysql://spillway:r3ad'er%401@{at}",
        "spillway_back": f"mysql://spillway_back:wr1t%3Aer%2F2@{at}",
    }


def customers_file(folder: Path) -> Path:
    path = folder / "customers.csv"
    path.write_text(
        "customer,subject\n" + "".join(f"{number},sub-{number}\n" for number in range(4_001))
    )
    return path


@pytest.fixture
def operator(shop: Shop, aws: str, tmp_path: Path) -> tuple[Runner, str]:
    """Whoever moves this shop, and the orders table."""
    if shop.server.authority is None:
        pytest.skip("SPILLWAY_MYSQL_URL names a server with a certificate of an unknown authority")
    table = make_orders_table(client(aws, "dynamodb"))
    queue = client(aws, "sqs").create_queue(QueueName=f"{table}-watchdog")["QueueUrl"]
    changes = {
        "tls": f'tls = "verify"\ntls_ca = "{shop.server.authority}"',
        "local_port": f'region = "us-east-1"\norders_table = "{table}"\n'
        f'watchdog_queue_url = "{queue}"',
        "by": f'by = "csv"\nfile = "{customers_file(tmp_path)}"',
        "prefix": "",
        "[back]": '[cutover]\nquiet_seconds = 0.1\nread_only_command = ["touch", '
        f'"{tmp_path / "read-only"}"]\nswitch_command = ["touch", "{tmp_path / "switched"}"]\n'
        '[back]\nurl_variable = "OLD_SHOP_WRITER"',
    }
    runner = Runner.of(shop, aws, table, tmp_path, changes)
    urls = granted(shop)
    runner.environment["OLD_SHOP"] = urls["spillway"]
    runner.environment["OLD_SHOP_WRITER"] = urls["spillway_back"]
    return runner, table


def test_orders_placed_on_both_sides_of_the_switch_are_on_both_sides_in_the_end(
    shop: Shop, aws: str, tmp_path: Path, operator: tuple[Runner, str]
) -> None:
    runner, table = operator
    dynamodb = client(aws, "dynamodb")
    printed: list[str] = []

    def run(*command: str) -> str:
        status, out, err = runner.run(*command)
        printed.extend((out, err))
        assert status == 0, out + err
        return out or err

    shop.fill(rows(1, 60, hostile=0.3))
    assert json.loads(run("check", "--json"))["ready"]
    run("copy")
    following = runner.start("follow")
    try:
        _at_work("follow", dynamodb, table, following)
        shop.insert(order(random.Random(1), status="paid", customer_id="5"))
        accepted = [part for rule in _rules(tmp_path) for part in ("--accept-quarantined", rule)]
        assert runner.run("cutover", "--dry-run")[0] == 1
        run("cutover", "--dry-run", *accepted)
        assert not (tmp_path / "read-only").exists()
        last = shop.insert(order(random.Random(2), status="paid", customer_id="77"))
        listed = run("cutover", *accepted, "--hand-over")
    except BaseException:
        following.kill()
        raise
    out, err = following.communicate(timeout=30)
    assert following.returncode == 0, err
    assert "nothing is left to follow" in out + err
    assert listed.count("✔") == 9, listed
    assert (tmp_path / "read-only").exists()
    assert (tmp_path / "switched").exists()
    assert f"{_waiting(aws, table)} handed over" in listed

    orders = DynamoOrders(dynamodb, table)
    new = [new_order(orders, "sub-77") for _ in range(3)]
    (handed_over,) = (key for key, old in _imported(dynamodb, table).items() if old == str(last))
    assert handed_over.customer_id == "sub-77"
    confirm(orders, new[0])
    confirm(orders, handed_over)
    going_back = runner.start("back")
    try:
        _at_work("back", dynamodb, table, going_back)
        confirm(orders, new[1])
        verdict = json.loads(run("verify", "--back", "--json"))
    finally:
        going_back.send_signal(signal.SIGTERM)
        printed.extend(going_back.communicate(timeout=30))
    assert verdict["differences"] == []
    assert verdict["orders"]["new"] == len(_imported(dynamodb, table)) + len(new)
    written = shop.run("SELECT status, customer_id FROM orders WHERE id >= %s", (last,))
    assert sorted(written) == [("paid", "77"), *[("shipped", "77")] * 3]
    for password in PASSWORDS.values():
        assert password not in "".join(printed)


def _rules(folder: Path) -> list[str]:
    """Why orders are in quarantine."""
    lines = map(json.loads, (folder / "quarantine.jsonl").read_text().splitlines())
    return sorted({reason["rule"] for line in lines for reason in line.get("reasons", ())})


def _at_work(work: str, dynamodb: Any, table: str, process: subprocess.Popen[str]) -> None:
    state = State(dynamodb, f"{table}-migration")
    deadline = time.monotonic() + 30
    while state.standing().work != work:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _waiting(aws: str, table: str) -> int:
    """How many orders the watchdog must check."""
    sqs = client(aws, "sqs")
    url = sqs.get_queue_url(QueueName=f"{table}-watchdog")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    count = int(attributes["ApproximateNumberOfMessages"])
    assert count > 0
    return count


def _imported(dynamodb: Any, table: str) -> dict[OrderKey, str]:
    """The place of each old order number."""
    found = dynamodb.scan(TableName=table)["Items"]
    return {
        OrderKey(item["pk"]["S"], item["sk"]["S"]): item["imported"]["S"]
        for item in found
        if "accepted_at" in item and "imported" in item
    }
