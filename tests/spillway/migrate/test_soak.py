"""The command line, killed with SIGKILL while a writer changes the table, and the real orders."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path
from typing import get_args

import pytest

from spillway.errors import SpillwayError
from spillway.paths import PROJECT
from spillway.run.stack.aws import client
from tests.spillway.migrate.legacy import Shop, real_lines, rows
from tests.spillway.migrate.servers import Make
from tests.spillway.migrate.soak import Runner, soak, third
from tests.spillway.migrate.tables import make_orders_table

#: The Online Retail data set as CSV, gzipped or not. It is not part of this project.
REAL_FILE = Path(
    os.environ.get(
        "SPILLWAY_SALES",
        PROJECT.parent / "shared" / "data" / "online-retail-2010-12.csv.gz",
    )
)


@pytest.mark.slow
def test_processes_that_are_killed_lose_and_double_nothing(
    shop: Shop, aws: str, tmp_path: Path
) -> None:
    shop.fill(rows(5, 1_200))
    runner = Runner.of(shop, aws, make_orders_table(client(aws, "dynamodb")), tmp_path)
    survived = soak(shop, runner, kills=2, seed=5, wait_seconds=2, pause=0.03)
    assert survived.kills == 2
    assert survived.under_traffic["differences"] == []
    assert survived.quiet["differences"] == []
    assert survived.quiet["orders"]["old"] == survived.quiet["orders"]["new"] > 1_000


@pytest.mark.slow
@pytest.mark.parametrize("make", get_args(Make))
def test_a_table_of_another_make_survives_kills_changes_of_its_columns_and_its_servers_restart(
    make: Make, aws: str, tmp_path: Path, old_servers: object
) -> None:
    report = third(tmp_path, make, aws, kills=2, sales=None, orders=150, pause=0.03)
    assert report["faults"] == []
    assert report["under_traffic"]["differences"] == report["quiet"]["differences"] == []
    assert report["right"] > 150


@pytest.mark.parametrize(
    ("sold", "mapped"), [(8_000, 300), pytest.param(42_481, 1_500, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("shop", ["row-per-line"], indirect=True)
@pytest.mark.skipif(not REAL_FILE.exists(), reason=f"the real orders are not at {REAL_FILE}")
def test_the_real_orders_come_over(
    shop: Shop, aws: str, tmp_path: Path, sold: int, mapped: int
) -> None:
    """The first of them, and at night all."""
    shop.fill(islice(real_lines(REAL_FILE), sold))
    runner = Runner.of(shop, aws, make_orders_table(client(aws, "dynamodb")), tmp_path)
    status, out, err = runner.run("check", "--json")
    assert status == 0, err
    profile = json.loads(out)
    assert profile["rows"] == sold
    assert profile["mapped"] > mapped
    for command in (("copy",), ("follow", "--until-caught-up"), ("verify",)):
        status, out, err = runner.run(*command)
        assert status == 0, out + err
    assert f"{profile['unmapped']:,} in quarantine" in out
    for secret in (runner.environment["OLD_SHOP"],):
        assert secret not in out + err


def test_an_error_is_one_sentence_without_the_password(tmp_path: Path, shop: Shop) -> None:
    runner = Runner.of(shop, "http://127.0.0.1:9", "no-table", tmp_path)
    runner.environment["OLD_SHOP"] = "mysql://nobody:s3cret@127.0.0.1:1/shop"
    status, out, err = runner.run("check")
    assert status == SpillwayError.exit_code
    assert "s3cret" not in out + err
    assert "Traceback" not in err
    assert "does not answer at 127.0.0.1:1" in err
