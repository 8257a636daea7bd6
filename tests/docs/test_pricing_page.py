"""docs/pricing.md names every field of a price book, and its example is one without faults."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from spillway.price_book import read, toml_file
from spillway.price_book.articles import ARTICLES_MAX, OTHER_COLUMNS, PRICE_LISTS_MAX
from spillway.price_book.reading import (
    ARTICLES_BYTES_MAX,
    CATALOGUE_BYTES_MAX,
    RULES_BYTES_MAX,
)
from spillway.price_book.rules import COUPONS_MAX

PAGE = (Path(__file__).parents[2] / "docs" / "pricing.md").read_text()
SECTION = PAGE.partition("## The price book\n")[2].partition("\n## ")[0]
TABLES = (
    toml_file.TopLevel,
    toml_file.Catalogue,
    toml_file.Delivery,
    toml_file.Band,
    toml_file.Tax,
    toml_file.Coupon,
)


@pytest.mark.parametrize("table", TABLES)
def test_every_field_is_explained(table: type[msgspec.Struct]) -> None:
    named = set(re.findall(r"`(\w+)`", SECTION))
    assert {field.encode_name for field in msgspec.structs.fields(table)} <= named


def test_the_example_has_no_fault(tmp_path: Path) -> None:
    for name, kind in (("book.toml", "toml"), ("articles.csv", "csv")):
        (tmp_path / name).write_text(SECTION.partition(f"```{kind}\n")[2].partition("```")[0])
    assert len(read(tmp_path / "book.toml").articles) == 2


def test_every_column_is_explained() -> None:
    named = set(re.findall(r"`(\w+)`", SECTION))
    assert {"sku", *OTHER_COLUMNS} <= named


def test_the_limits_are_those_of_the_code() -> None:
    limits = (
        f"{ARTICLES_MAX:,} articles",
        f"{COUPONS_MAX:,} coupons",
        f"{PRICE_LISTS_MAX} price lists",
        f"{RULES_BYTES_MAX // 1_000_000} MB for the rules",
        f"{ARTICLES_BYTES_MAX // 1_000_000} MB for a file of articles",
        f"A catalogue has at most {CATALOGUE_BYTES_MAX // 1_000_000} MB",
    )
    assert all(limit in SECTION for limit in limits)
