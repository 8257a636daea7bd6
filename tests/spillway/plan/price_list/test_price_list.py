"""Prices with their sources, and bills that can be traced to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from spillway.errors import SpillwayError
from spillway.plan.price_list import Price, PriceList, Tier, Usage, Use, added, load, priced
from spillway.plan.price_list.prices import GATHERED

MILLION = 1_000_000


@pytest.fixture(scope="module")
def price_list() -> PriceList:
    return load()


class TestTheBook:
    def test_every_price_says_where_it_stands_and_as_of_when(self, price_list: PriceList) -> None:
        for name, price in price_list.price.items():
            assert price.source, name
            assert "2025-01-01" < price.date <= GATHERED, name

    def test_what_no_source_confirms_is_marked(self, price_list: PriceList) -> None:
        unconfirmed = {name for name, price in price_list.price.items() if not price.confirmed}
        assert {"dynamodb.warm_writes", "cloudwatch.dashboards"} <= unconfirmed
        assert "sqs.requests" not in unconfirmed

    def test_a_file_overrides_a_price_and_leaves_the_others(
        self, price_list: PriceList, tmp_path: Path
    ) -> None:
        own = tmp_path / "own.toml"
        own.write_text(
            'region = "eu-west-1"\n[price."sqs.requests"]\ndollars = 0.3\nsource = "a contract"\n'
            'date = "2026-10-01"\n[price."http_api.requests"]\ndollars = 1.11\n'
        )
        changed = load(own)
        assert changed.region == "eu-west-1"
        assert (changed["sqs.requests"].dollars, changed["sqs.requests"].free) == (0.3, MILLION)
        assert changed["http_api.requests"].tiers == ()
        assert changed["sns.requests"] == price_list["sns.requests"]

    @pytest.mark.parametrize(
        "content",
        [
            "nonsense",
            "price = 3",
            '[price."sqs.requests"]\ndollars = "much"',
            '[price."new.thing"]\ndollars = 1',
            '[price."sqs.requests"]\nfoo = 1',
            'currency = "EUR"',
        ],
    )
    def test_a_file_that_makes_no_sense_is_said_in_a_sentence(
        self, tmp_path: Path, content: str
    ) -> None:
        own = tmp_path / "own.toml"
        own.write_text(content)
        with pytest.raises(SpillwayError, match=r"own\.toml is"):
            load(own)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(SpillwayError, match="cannot be read"):
            load(tmp_path / "none.toml")


class TestTiers:
    PRICE = Price(
        unit="requests",
        per=MILLION,
        source="a test",
        date="2026-11-23",
        tiers=(Tier(1.0, up_to=300 * MILLION), Tier(0.9)),
    )

    @pytest.mark.parametrize(
        ("units", "dollars"), [(0, 0), (MILLION, 1), (300 * MILLION, 300), (400 * MILLION, 390)]
    )
    def test_each_part_has_its_own_price(self, units: float, dollars: float) -> None:
        assert self.PRICE.of(units) == pytest.approx(dollars)

    def test_what_came_before_in_the_month_counts(self) -> None:
        assert self.PRICE.of(20 * MILLION, after=290 * MILLION) == pytest.approx(10 + 9)


class TestABill:
    def test_every_dollar_is_operations_times_price(self, price_list: PriceList) -> None:
        usage = Usage(
            (Use("sends", "sqs.requests", 3 * MILLION), Use("writes", "dynamodb.recovery", 2))
        )
        items = {item.use.name: item for item in priced(usage, price_list).items}
        assert items["sends"].dollars == pytest.approx(3 * 0.40)
        assert items["writes"].dollars == pytest.approx(2 * 0.20)
        for item in items.values():
            assert item.dollars == pytest.approx(item.use.units * item.price.first / item.price.per)

    def test_a_free_amount_is_spent_once_in_the_order_of_the_items(
        self, price_list: PriceList
    ) -> None:
        usage = Usage(
            (Use("first", "sqs.requests", 0.7 * MILLION), Use("second", "sqs.requests", MILLION))
        )
        first, second = priced(usage, price_list, free_tiers=True).items
        assert (first.free, first.dollars) == (0.7 * MILLION, 0)
        assert second.free == pytest.approx(0.3 * MILLION)
        assert second.dollars == pytest.approx(0.7 * 0.40)

    def test_prices_of_one_pool_share_what_is_free(self, price_list: PriceList) -> None:
        usage = Usage(
            (
                Use("usual", "logs.ingested", 4),
                Use("rarely read", "logs.ingested_infrequent", 3),
            )
        )
        usual, infrequent = priced(usage, price_list, free_tiers=True).items
        assert (usual.free, infrequent.free) == (4, 1)

    def test_months_are_not_scaled_with_orders(self) -> None:
        usage = Usage((Use("order", "sqs.requests", 1), Use("alarm", "cloudwatch.alarms", 1, True)))
        assert [use.units for use in usage.scaled(10)] == [10, 1]

    def test_what_is_free_is_spent_on_what_was_there_before(self, price_list: PriceList) -> None:
        polls = Usage((Use("polls", "sqs.requests", 0.9 * MILLION, True),))
        sends = Usage((Use("sends", "sqs.requests", MILLION),))
        [item] = added(polls, sends, price_list).items
        assert item.use.name == "sends"
        assert item.free == pytest.approx(0.1 * MILLION)
        assert item.dollars == pytest.approx(0.9 * 0.40)
