"""`spillway cost` and `spillway capacity` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from infra.stage import load
from spillway.cli import app
from spillway.errors import SpillwayError
from spillway.paths import PROJECT


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_cost_as_json() -> None:
    content = json.loads(_run("cost", "--json", "--orders-per-month", "5000000"))
    assert content["orders_per_month"] == 5_000_000
    assert content["total_per_million"] > 0


def test_cost_with_prices_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[price."http_api.requests"]\ndollars = 2.00\n')
    usual, dearer = (
        json.loads(_run("cost", "--json", *more))["list"]["total_per_million"]
        for more in ((), ("--prices", str(own)))
    )
    assert dearer - usual == pytest.approx(1.00)


def test_cost_as_a_page(tmp_path: Path) -> None:
    _run("cost", "--html", str(tmp_path / "cost.html"), "--png", str(tmp_path / "cost.png"))
    assert (tmp_path / "cost.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")


def test_cost_of_the_sales_in_a_file(tmp_path: Path) -> None:
    sales = tmp_path / "sales.csv"
    sales.write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "536365,MUG,A MUG,1,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"
    )
    [channel] = json.loads(_run("cost", "--json", "--from", str(sales)))["real_orders"]
    assert (channel["channel"], channel["orders"]) == ("retail", 1)
    # The order, and its three facts at once.
    assert channel["write_units"] == 2
    assert 2 < channel["total_per_million"] < channel["list"] < 8
    assert channel["bytes_stored"] > 200


def test_cost_checked_against_its_budget() -> None:
    assert _run("cost", "--check") == ""


@pytest.mark.parametrize("option", ["--profile", "--prices", "--from"])
def test_a_file_that_is_not_there_is_said_in_a_sentence(option: str) -> None:
    with pytest.raises(SpillwayError, match="cannot be read"):
        CliRunner().invoke(app, ["cost", option, "nowhere.csv"], catch_exceptions=False)


def test_capacity_of_a_coupon_as_json_and_as_a_picture(tmp_path: Path) -> None:
    png = tmp_path / "spike.png"
    content = json.loads(
        _run("capacity", "--peak=3000", "--minutes=1", "--json", "--png", str(png))
    )
    assert [*content][:4] == ["orders", "settle_seconds", "bottlenecks", "dollars"]
    assert content["orders"]["lost"] == 0
    parts = ("accepted", "buffered", "resent", "lost")
    total = sum(content["orders"][part] for part in parts)
    assert total == pytest.approx(content["orders"]["offered"], abs=3)
    names = [one["name"] for one in content["bottlenecks"]]
    assert {"deliver_inventory", "api"} <= set(names)
    begins = [one["from"] for one in content["bottlenecks"]]
    assert begins == sorted(begins)
    assert png.read_bytes().startswith(b"\x89PNG")


def test_capacity_of_limited_coupons_says_how_often_they_meet_and_what_they_cost() -> None:
    content = json.loads(_run("capacity", "--minutes=0.2", "--limited-coupon", "--json"))
    assert content["orders"]["lost"] == content["orders"]["buffered"] == 0
    coupon = content["limited_coupon"]
    assert (coupon["counters"], coupon["orders_per_second_of_each"]) == (500, 20)
    assert 0 < coupon["dollars"] < content["dollars"]
    # docs/pricing.md says so.
    page = (PROJECT / "docs" / "pricing.md").read_text()
    assert f"an order takes {coupon['tries_per_order']:.2f} transactions" in page
    assert f"and {coupon['refused']:.2%} of the orders" in page


def test_capacity_of_a_quiet_day_needs_nothing_raised(tmp_path: Path) -> None:
    day = tmp_path / "day.csv"
    day.write_text("second,orders_per_second\n0,0\n300,5\n600,0\n")
    content = json.loads(_run("capacity", "--json", "--profile", str(day)))
    assert content["bottlenecks"] == []
    assert len(content["raises"]) == 1
    assert content["settle_seconds"]["p99"] < 3


def test_capacity_says_what_a_downstream_would_decide_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dev = load("dev")
    accounting = replace(dev.downstreams.accounting, description="accounting-later")
    stage = replace(dev, downstreams=replace(dev.downstreams, accounting=accounting), express=None)
    monkeypatch.setattr("spillway.plan.cost.deployed.load", lambda _name: stage)
    day = tmp_path / "day.csv"
    day.write_text("second,orders_per_second\n0,0\n10,1\n20,0\n")
    assert "Not counted: what accounting would decide later." in _run(
        "capacity", f"--profile={day}"
    )
    content = json.loads(_run("capacity", "--json", f"--profile={day}"))
    assert content["decide_later"] == ["accounting"]
