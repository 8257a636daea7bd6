"""The articles' files: CSV, one article a line, one price list a column.

| column | what it has |
| --- | --- |
| `sku` | the article's name in orders |
| `retail_GBP`, `wholesale_EUR` | its price on a channel in a currency; empty where it is not sold |
| `wholesale_GBP_from_48` | its price from 48 pieces on, lower than the one before |
| `tax_class` | one of the book's; without the column the first |
| `weight_g` | grams; needed where delivery goes by weight |
| `case` | wholesale sells multiples of it; empty for 1 |
| `available_from`, `available_until` | times; empty for always |

Each of them once, in any order, beside the columns that the book shows in its catalogue.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from orders.domain.book import Article, UnitPrices, price_list_name
from orders.domain.order import Channel
from orders.domain.refusals import QUANTITY_MAX
from spillway.currencies import DECIMALS
from spillway.price_book import values
from spillway.price_book.faults import Faults

ARTICLES_MAX = 200_000
PRICE_LISTS_MAX = 100

_PRICE = re.compile(r"(retail|wholesale)_([A-Z]{3})(?:_from_([1-9]\d{0,6}))?")
#: The columns beside `sku`, prices and the catalogue's.
OTHER_COLUMNS = ("tax_class", "weight_g", "case", "available_from", "available_until")
#: How often progress is reported.
_EVERY = 1_000

Row = Sequence[str]
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the TOML file says about articles. `catalogue` are the columns that the store shows."""

    tax_classes: Sequence[str]
    catalogue: Sequence[str]
    zone: ZoneInfo | None
    by_weight: bool


@dataclass(slots=True)
class Sheet:
    """One file: where its columns are. `prices` are (from, column) pairs by price list."""

    file: str
    #: A `csv.reader`, past its heading.
    rows: Any
    columns: Mapping[str, int]
    prices: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


@dataclass(slots=True)
class Articles:
    """All articles that have no fault, `shown` with what the catalogue's columns say of them, and
    where each sku was first found."""

    price_lists: tuple[str, ...]
    all: list[Article] = field(default_factory=list)
    shown: dict[str, dict[str, str]] = field(default_factory=dict)
    found: dict[str, tuple[str, int]] = field(default_factory=dict)


def is_taken(name: str) -> bool:
    """A column of this name cannot be one of the catalogue's own."""
    ours = ("sku", "prices", "weight_grams", *OTHER_COLUMNS)
    return name in ours or _PRICE.fullmatch(name) is not None


def sheet(text: str, file: str, terms: Terms, faults: Faults) -> Sheet | None:
    """A file with its heading read; None, and faults, where that is wrong."""
    before = faults.count
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        heading = next(reader)
    except (StopIteration, csv.Error):
        heading = []
    if not any(heading):
        faults.add(file, None, "The file has no articles: its first line names the columns.")
        return None
    if len(heading) == 1 and re.search(r"[;\t]", heading[0]):
        faults.add(
            file,
            1,
            "The columns are not separated by commas: export it as CSV with commas, and with points"
            " in prices.",
        )
        return None
    read = Sheet(file, reader, {name: place for place, name in enumerate(heading)})
    _read_heading(read, heading, terms, faults)
    return read if faults.count == before else None


def _read_heading(read: Sheet, heading: Row, terms: Terms, faults: Faults) -> None:
    known = {"sku", *OTHER_COLUMNS, *terms.catalogue}
    for place, name in enumerate(heading):
        with faults.at(read.file, 1):
            if name in heading[:place]:
                raise ValueError(f"There are two columns {name!r}.")
            if price := _PRICE.fullmatch(name):
                _add_price_column(read, price, place)
            elif name not in known:
                raise ValueError(
                    f"There is no column {name!r}: list it in the catalogue's `columns` if the"
                    " store shows it, else take it out."
                )
    _read_price_lists(read, faults)
    needed = {"sku"} | ({"tax_class"} if len(terms.tax_classes) > 1 else set())
    needed |= {"weight_g"} if terms.by_weight else set()
    for name in sorted(needed - read.columns.keys()):
        faults.add(read.file, 1, f"The column {name!r} is missing.")


def _add_price_column(read: Sheet, price: re.Match[str], place: int) -> None:
    channel: Channel = "wholesale" if price[1] == "wholesale" else "retail"
    currency = price[2]
    if currency not in DECIMALS:
        raise ValueError(f"{price[0]!r}: there is no currency {currency} (ISO 4217).")
    if price[3] == "1":
        raise ValueError(f"{price[0]!r}: the price from 1 is {channel}_{currency} itself.")
    name = price_list_name(channel, currency)
    read.prices.setdefault(name, []).append((int(price[3] or 1), place))


def _read_price_lists(read: Sheet, faults: Faults) -> None:
    if not read.prices:
        faults.add(read.file, 1, "There is no price: name a column like 'retail_GBP'.")
    for name, columns in read.prices.items():
        columns.sort()
        if columns[0][0] != 1:
            column = name.replace(" ", "_")
            faults.add(read.file, 1, f"There are quantity breaks but no column {column!r}.")


def read_articles(
    sheets: Sequence[Sheet], terms: Terms, faults: Faults, on_article: Callable[[int], None]
) -> Articles:
    """Every article of all files; `on_article` hears now and then how many were read."""
    lists = tuple(dict.fromkeys(name for one in sheets for name in one.prices))
    if len(lists) > PRICE_LISTS_MAX:
        faults.add(sheets[0].file, 1, f"There are more than {PRICE_LISTS_MAX} price lists.")
    read = Articles(lists)
    for one in sheets:
        row = _RowReader(one, terms, lists, faults)
        for line, cells in _rows(one, faults):
            if not _is_new(cells[row.sku], one.file, line, read, faults):
                continue
            article = row.article(cells, line)
            if article is None:
                continue
            read.all.append(article)
            shown = row.shown(cells, line)
            if shown:
                read.shown[article.sku] = shown
            if len(read.all) % _EVERY == 0:
                on_article(len(read.all))
        if len(read.found) > ARTICLES_MAX:
            break
    if not read.found and not faults.count:
        faults.add(sheets[0].file, None, "The file has no articles below its first line.")
    return read


def _rows(one: Sheet, faults: Faults) -> Iterator[tuple[int, Row]]:
    """Lines with as many cells as the heading has."""
    width = len(one.columns)
    begins = one.rows.line_num + 1
    try:
        for cells in one.rows:
            if len(cells) == width:
                yield begins, cells
            elif cells:
                faults.add(
                    one.file,
                    begins,
                    f"There are {len(cells)} cells, and {width} columns: a cell with a comma in it"
                    " stands in double quotes.",
                )
            begins = one.rows.line_num + 1
    except csv.Error as error:
        faults.add(one.file, begins, f"From here on this is no CSV ({error}).")


def _is_new(sku: str, file: str, line: int, read: Articles, faults: Faults) -> bool:
    first = read.found.setdefault(sku, (file, line))
    if first != (file, line):
        where = f"line {first[1]:,}" if first[0] == file else f"{first[0]}, line {first[1]:,}"
        faults.add(file, line, f"The sku {sku!r} is a duplicate: it was in {where}.")
        return False
    if len(read.found) == ARTICLES_MAX + 1:
        faults.add(file, line, f"There are more than {ARTICLES_MAX:,} articles.")
    return len(read.found) <= ARTICLES_MAX


class _RowReader:
    """Turns lines of one file into articles. It runs 200,000 times, and so keeps what it needs."""

    def __init__(self, one: Sheet, terms: Terms, lists: Sequence[str], faults: Faults) -> None:
        self._file = one.file
        self._faults = faults
        self.sku = one.columns["sku"]
        self._prices = [(name.partition(" ")[2], one.prices.get(name, ())) for name in lists]
        self._others = [
            (field, one.columns[column], needed, read)
            for column, field, needed, read in _others(terms)
            if column in one.columns
        ]
        self._catalogue = [
            (name, one.columns[name]) for name in terms.catalogue if name in one.columns
        ]

    def article(self, cells: Row, line: int) -> Article | None:
        """None, with a fault for each cell that is wrong, where there is one."""
        before = self._faults.count
        sku = cells[self.sku]
        self._read(values.sku, sku, line)
        prices = tuple(
            self._unit_prices(cells, line, currency, columns) for currency, columns in self._prices
        )
        others = {
            field: value
            for field, column, needed, read in self._others
            if (needed or cells[column])
            and (value := self._read(read, cells[column], line)) is not None
        }
        article = Article(sku, prices, **others)  # type: ignore[arg-type]
        if self._faults.count == before:
            self._read(_check, article, line)
        return article if self._faults.count == before else None

    def _unit_prices(
        self, cells: Row, line: int, currency: str, columns: Sequence[tuple[int, int]]
    ) -> UnitPrices:
        """All columns of one price list."""
        pairs = [
            (begins, price)
            for begins, column in columns
            if (text := cells[column])
            and (price := self._read(values.minor_units, text, line, currency)) is not None
        ]
        if not pairs:
            return None
        if len(pairs) == 1 and pairs[0][0] == 1:
            return pairs[0][1]
        self._read(_check_breaks, pairs, line, currency)
        return tuple(number for pair in pairs for number in pair)

    def _read(
        self, read: Callable[..., _Value], written: object, line: int, *more: object
    ) -> _Value | None:
        """What `read` makes of it; None, and a fault, where that is a `ValueError`."""
        # No context manager, which would take half of the time of a large book.
        try:
            return read(written, *more)
        except ValueError as error:
            self._faults.add(self._file, line, str(error))
            return None

    def shown(self, cells: Row, line: int) -> dict[str, str] | None:
        """What the catalogue says of the article; None where all its columns are empty."""
        shown = {name: cells[column] for name, column in self._catalogue}
        if not any(shown.values()):
            return None
        for name, text in shown.items():
            if not text or "\n" in text:
                self._faults.add(
                    self._file,
                    line,
                    f"The column {name!r} is for the catalogue, and has"
                    f" {'a line break' if text else 'nothing'} in it.",
                )
        return shown


def _others(terms: Terms) -> Iterator[tuple[str, str, bool, Callable[[str], int]]]:
    """Columns beside prices: the name, the article's field, whether it may be empty, its reader."""
    tax_classes = {name: place for place, name in enumerate(terms.tax_classes)}

    def tax_class(written: str) -> int:
        if written not in tax_classes:
            raise ValueError(
                f"There is no tax class {written!r}: there are {', '.join(tax_classes)}."
            )
        return tax_classes[written]

    yield "tax_class", "tax_class", True, tax_class
    weight = partial(values.whole, most=values.WEIGHT_GRAMS_MAX)
    yield "weight_g", "weight_grams", terms.by_weight, weight
    yield "case", "case", False, partial(values.whole, most=QUANTITY_MAX)
    yield "available_from", "available_from", False, partial(values.begin, zone=terms.zone)
    yield "available_until", "available_until", False, partial(values.end, zone=terms.zone)


def _check(article: Article) -> None:
    if all(price is None for price in article.prices):
        raise ValueError(f"{article.sku!r} has no price at all.")
    if article.available_until and article.available_from >= article.available_until:
        raise ValueError(f"{article.sku!r} ends before it begins.")


def _check_breaks(pairs: Sequence[tuple[int, int]], currency: str) -> None:
    if pairs and pairs[0][0] != 1:
        raise ValueError(f"There is a price in {currency} from {pairs[0][0]}, and none from 1.")
    for (_, before), (begins, price) in itertools.pairwise(pairs):
        if price >= before:
            raise ValueError(
                f"The price from {begins} ({values.major_units(price, currency)} {currency}) is not"
                f" below the one before ({values.major_units(before, currency)} {currency})."
            )
