"""The configuration is read strictly, and every fault is one sentence that names its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from spillway.errors import SpillwayError
from spillway.migrate.config import read_config
from spillway.migrate.old.connection import account
from tests.spillway.migrate.legacy import DOCS

EXAMPLES = sorted(DOCS.glob("*.toml"))


def changed(folder: Path, old: str, new: str, example: str = "row-per-order") -> Path:
    text = (DOCS / f"{example}.toml").read_text()
    assert old in text
    path = folder / "migration.toml"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.name))
def test_the_worked_examples_are_right(path: Path) -> None:
    """Through a view there is no way back."""
    config = read_config(path)
    assert (config.back is None) == bool(config.source.changes)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('table = "orders"', 'tabel = "orders"', "unknown field `tabel` - at `$.source`"),
        ('time_zone = "Europe/London"', 'time_zone = "London"', "'London' is not a time zone"),
        ('url_variable = "LEGACY_MYSQL_URL"', "", "name either url_variable or option_file"),
        ('status = { column = "status" }', "status = {}", "either a column or a value"),
        ('is = "rejected", reason = "out_of_stock"', 'is = "rejected"', "has a reason"),
        ('done = ["reserve"]', 'done = ["ship"]', "done is"),
        ('confirmed = "shipped"', 'confirmed = "paid"', "'paid' means open in statuses"),
        ('confirmed = "shipped"', 'confirmed = "x"', "'x' is not among statuses"),
        ('cancelling = "paid"\n', "", "statuses lacks cancelling"),
        ('column = "items" ', 'list = "items" ', "lines.column (the JSON) goes with"),
        ("local_port = 8080", 'orders_table = "t"', "region goes with orders_table"),
        ("[source]", "[source", "is not TOML"),
        ("3_600", "0", "write_units_per_second_max"),
        (
            'city = { column = "city"',
            'city = { column = "street"',
            "would both be written into the",
        ),
        ('settled_at = "updated_at"', 'settled_at = "placed_at"', "the column placed_at: give"),
        ('column = "customer_id"', 'column = "id"', "order.key and customers.column would"),
        (
            'key = "auto_increment"',
            'key = "auto_increment"\ncolumns = { city = "-" }',
            "back.columns",
        ),
        ('table = "orders"', 'table = "orders"\nwhere = "a; b"', "where has a semicolon"),
        ('tls = "verify"', 'tls = "verify"\nchanges = { orders = "id" }', "leave [back] out"),
        ("[order]", '[times]\nnot_before = "soon"\n[order]', "not_before"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(SpillwayError) as error:
        read_config(changed(tmp_path, old, new))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_without_a_way_back_two_fields_may_read_one_column(tmp_path: Path) -> None:
    path = changed(tmp_path, 'city = { column = "city"', 'city = { column = "street"')
    path.write_text(path.read_text().partition("[back]")[0])
    assert read_config(path).back is None


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpillwayError, match="there is no such file"):
        read_config(tmp_path / "nothing.toml")


URL = "mysql://spillway:s3cr%40t@db.internal:3307/shop"


def test_the_password_comes_from_the_environment_and_shows_nowhere(tmp_path: Path) -> None:
    config = read_config(EXAMPLES[1])
    known = account(config.source, {"LEGACY_MYSQL_URL": URL})
    assert (known.user, known.password, known.port, known.database) == (
        "spillway",
        "s3cr@t",
        3307,
        "shop",
    )
    assert "s3cr" not in repr(known)
    assert known.ssl is not None
    assert known.ssl.check_hostname


@pytest.mark.parametrize("url", ["postgres://u:s3cret@h/d", "s3cret", "mysql://u:s3cret@h:x/d"])
def test_a_wrong_url_is_not_repeated(url: str) -> None:
    config = read_config(EXAMPLES[1])
    with pytest.raises(SpillwayError, match="LEGACY_MYSQL_URL is not a URL") as error:
        account(config.source, {"LEGACY_MYSQL_URL": url})
    assert "s3cret" not in str(error.value)


def test_a_mysql_option_file_does_as_well(tmp_path: Path) -> None:
    file = tmp_path / "my.cnf"
    file.write_text('[client]\nuser = spillway\npassword = "p w"\nhost = db\ndatabase = shop\n')
    path = changed(tmp_path, "~/.legacy-mysql.cnf", str(file), "row-per-line")
    known = account(read_config(path).source, {})
    assert (known.user, known.password, known.host, known.port) == ("spillway", "p w", "db", 3306)
