"""Reads a price book: its TOML file, and the articles' files that this names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from spillway.price_book.articles import Articles, Terms, is_taken, read_articles, sheet
from spillway.price_book.book import PriceBook
from spillway.price_book.catalogue import encoded_catalogue
from spillway.price_book.faults import Faults
from spillway.price_book.rules import RulesReader
from spillway.price_book.toml_file import TomlFile, TopLevel, read_text

RULES_BYTES_MAX = 5_000_000
#: 200,000 articles with seven prices and five short texts each have 24 MB.
ARTICLES_BYTES_MAX = 100_000_000
#: Each page of the storefront loads the catalogue: so much is about 7,000 goods, and a sixth of it
#: when it is compressed on the way.
CATALOGUE_BYTES_MAX = 2_000_000


def read(path: Path, on_article: Callable[[int], None] = lambda _: None) -> PriceBook:
    """The price book of a TOML file. `on_article` hears how many articles were read so far.

    Raises BookFaulty, with all faults, where there are any.
    """
    faults = Faults()
    text = read_text(path, path.name, RULES_BYTES_MAX, faults)
    faults.check()
    toml = TomlFile(text or "", path.name, faults)
    top, zone = toml.top, _zone(toml)
    if top is None:
        # Without its first lines nobody knows what the rest is about.
        faults.check()
        raise AssertionError
    _check_names(toml, top)
    by_weight = any(delivery.by == "weight" for _, delivery in toml.deliveries)
    terms = Terms(top.tax_classes, top.catalogue.columns, zone, by_weight)
    before = faults.count
    articles = _articles(path.parent, toml, top, terms, on_article)
    rules = RulesReader(
        toml,
        price_lists=articles.price_lists if articles else None,
        tax_classes=top.tax_classes,
        skus=articles.found if articles and faults.count == before else None,
        zone=zone,
    ).rules()
    faults.check()
    if articles is None:
        raise AssertionError
    done = PriceBook(
        rules,
        {article.sku: article for article in articles.all},
        articles.shown,
        top.catalogue.page,
        top.catalogue.channels,
    )
    _check_catalogue(toml, done)
    faults.check()
    return done


def _check_catalogue(toml: TomlFile, book: PriceBook) -> None:
    size = len(encoded_catalogue(book))
    if size > CATALOGUE_BYTES_MAX:
        toml.fault(
            ("catalogue",),
            f"The catalogue has {size:,} bytes, and each page of the storefront would load them; at"
            f" most {CATALOGUE_BYTES_MAX:,} are allowed. An article with all of the catalogue's"
            " columns empty is sold, and not in it.",
        )


def _check_names(toml: TomlFile, top: TopLevel) -> None:
    if not top.tax_classes or len(set(top.tax_classes)) < len(top.tax_classes):
        toml.fault(("tax_classes",), "There is at least one tax class, and none comes twice.")
    for name in top.catalogue.columns:
        if is_taken(name):
            toml.fault(
                ("catalogue", "columns"),
                f"The column {name!r} is in the catalogue anyway, or means something else there.",
            )


def _zone(toml: TomlFile) -> ZoneInfo | None:
    name = toml.top.timezone if toml.top else None
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        toml.fault(("timezone",), f"There is no time zone {name!r}: write it like Europe/London.")
        return ZoneInfo("UTC")  # so that no day is a fault because of this one


def _articles(
    folder: Path,
    toml: TomlFile,
    top: TopLevel,
    terms: Terms,
    on_article: Callable[[int], None],
) -> Articles | None:
    """The articles of all files; None where the heading of one has a fault."""
    faults = toml.faults
    names = [top.articles] if isinstance(top.articles, str) else top.articles
    if not names:
        toml.fault(("articles",), "The book names no file of articles.")
        return None
    texts = [read_text(folder / name, name, ARTICLES_BYTES_MAX, faults) for name in names]
    sheets = [
        sheet(text, name, terms, faults)
        for name, text in zip(names, texts, strict=True)
        if text is not None
    ]
    complete = [one for one in sheets if one is not None]
    if len(complete) < len(names):
        return None
    return read_articles(complete, terms, faults, on_article)
