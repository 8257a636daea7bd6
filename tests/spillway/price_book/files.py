"""A small price book on disk: each test says only what is different in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

RULES = """
articles = "articles.csv"
tax_classes = ["standard", "reduced"]
timezone = "Europe/London"

[catalogue]
columns = ["name"]
channels = ["retail", "wholesale"]

[[delivery]]
channel = "retail"
countries = ["GB"]
price = { GBP = 3.95 }
free_from = { GBP = 60.00 }

[[delivery]]
channel = "wholesale"
countries = ["GB"]
by = "weight"

[[delivery.band]]
from_g = 0
price = { GBP = 15.00 }

[[delivery.band]]
from_g = 10_000
price = { GBP = 25.00 }

[[tax]]
countries = ["GB"]
included = true
rates = { standard = 20, reduced = 5 }
delivery = "standard"

[[coupon]]
code = "WELCOME10"
channels = ["retail"]
percent = 12.5
minimum = { GBP = 20.00 }
goods = ["MUG*", "BOOK"]
from = 2026-12-01
until = 2026-12-24
"""

ARTICLES = """\
sku,name,tax_class,weight_g,case,available_from,available_until,retail_GBP,wholesale_GBP,wholesale_GBP_from_48
MUG-SAGE,"Mug, sage",standard,400,6,,,14.00,7.00,6.50
BOOK,,reduced,250,,2026-12-01T08:00:00+01:00,2026-12-31,15.00,,
"""


def written(
    folder: Path,
    *changes: tuple[str, str],
    rules: str = RULES,
    articles: str | bytes = ARTICLES,
    files: Mapping[str, str] | None = None,
) -> Path:
    """The path of a book. Each change replaces a text in either file, once."""
    for old, new in changes:
        assert (old in rules) != (isinstance(articles, str) and old in articles), old
        rules = rules.replace(old, new, 1)
        articles = articles.replace(old, new, 1) if isinstance(articles, str) else articles
    path = folder / "book.toml"
    path.write_text(rules, encoding="utf-8")
    content = articles if isinstance(articles, bytes) else articles.encode()
    (folder / "articles.csv").write_bytes(content)
    for name, text in (files or {}).items():
        (folder / name).write_text(text, encoding="utf-8")
    return path
