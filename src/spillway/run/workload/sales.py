"""Real sales from a CSV file with the columns of the UCI data set "Online Retail".

An invoice that is a sale becomes an order. Every other one is reported with the first rule of
`NotASale` that it breaks. The file books postage and carriage as products; they become the order's
shipping. The file has no names and addresses; they are invented.

An invoice with a number that begins with C returns products. It is matched to the latest earlier
sale of the same customer with at least its quantity of each of its skus. The service cancels whole
orders, so a sale is matched only once. A return without a sale is reported too.

Each line is read once and a cancellation compares at most `SALES_LOOKED_AT_MAX` sales, so time
grows in proportion to the file. The file is held in memory, about half a kilobyte a line.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
import statistics
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO

from orders.domain.order import Address, Channel, Line
from spillway.errors import SpillwayError
from spillway.run.workload.curves import WHOLESALE_MEDIAN_QUANTITY_MIN
from spillway.run.workload.customers import PLACES, shop, shopper
from spillway.run.workload.draft import Customer, Draft

COLUMNS = ("InvoiceNo", "StockCode", "Quantity", "UnitPrice", "CustomerID", "Country")

_GZIP_MAGIC = b"\x1f\x8b"

# Booked as products, charged by stores as shipping: postage, dotcom postage, carriage.
_SHIPPING_CODES = frozenset({"POST", "DOT", "C2"})

# The data set's own names for countries, as ISO 3166-1 writes them.
_COUNTRIES = {
    "Australia": "AU",
    "Austria": "AT",
    "Bahrain": "BH",
    "Belgium": "BE",
    "Brazil": "BR",
    "Canada": "CA",
    "Channel Islands": "JE",
    "Cyprus": "CY",
    "Czech Republic": "CZ",
    "Denmark": "DK",
    "EIRE": "IE",
    "Finland": "FI",
    "France": "FR",
    "Germany": "DE",
    "Greece": "GR",
    "Hong Kong": "HK",
    "Iceland": "IS",
    "Israel": "IL",
    "Italy": "IT",
    "Japan": "JP",
    "Lebanon": "LB",
    "Lithuania": "LT",
    "Malta": "MT",
    "Netherlands": "NL",
    "Norway": "NO",
    "Poland": "PL",
    "Portugal": "PT",
    "RSA": "ZA",
    "Saudi Arabia": "SA",
    "Singapore": "SG",
    "Spain": "ES",
    "Sweden": "SE",
    "Switzerland": "CH",
    "USA": "US",
    "United Arab Emirates": "AE",
    "United Kingdom": "GB",
}

#: A cancellation looks at this many of its customer's latest sales of its rarest sku.
SALES_LOOKED_AT_MAX = 200

# Quantities and prices beyond this are typing errors; without bounds, "1e999999999" would take all
# memory to become an integer and "1e-999999999" would silently become nothing.
_NUMBER_MAX = Decimal(10) ** 12
_NUMBER_EXPONENT_MIN = -12


class NotASale(StrEnum):
    """Why an invoice is not an order, by precedence: it counts under the first it breaks."""

    INVOICE_NUMBER_MISSING = "invoice_number_missing"
    NOT_A_NUMBER = "not_a_number"
    TOTAL_NOT_POSITIVE = "total_not_positive"
    CUSTOMER_MISSING = "customer_missing"
    CUSTOMERS_DIFFER = "customers_differ"
    QUANTITY_NOT_POSITIVE = "quantity_not_positive"
    PRICE_NEGATIVE = "price_negative"
    PRICE_NOT_WHOLE_PENCE = "price_not_whole_pence"
    SKU_AT_TWO_PRICES = "sku_at_two_prices"
    GOODS_MISSING = "goods_missing"


class Unmatched(StrEnum):
    """Why a cancellation in the file is not one that can be sent, by precedence."""

    NOT_A_NUMBER = "not_a_number"
    CUSTOMER_MISSING = "customer_missing"
    QUANTITY_NOT_NEGATIVE = "quantity_not_negative"
    NO_EARLIER_SALE = "no_earlier_sale"
    NOT_SOLD_TO_CUSTOMER = "not_sold_to_customer"
    ALREADY_CANCELLED = "already_cancelled"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An invoice that was left out, and why. `detail` is for people."""

    invoice: str
    reason: NotASale | Unmatched
    detail: str


@dataclass(frozen=True, slots=True)
class Sales:
    """What a file holds: the orders in their order of appearance, and all that was left out.

    `cancellations` maps an order's place in `orders` to the invoice that cancels it.
    """

    orders: tuple[Draft, ...]
    not_sales: tuple[LeftOut, ...]
    cancellations: Mapping[int, str]
    unmatched: tuple[LeftOut, ...]

    def not_sales_by_reason(self) -> Counter[str]:
        return Counter(left_out.reason.value for left_out in self.not_sales)

    def unmatched_by_reason(self) -> Counter[str]:
        return Counter(left_out.reason.value for left_out in self.unmatched)


@dataclass(slots=True)
class _Invoice:
    number: str
    rows: list[_Row]


@dataclass(frozen=True, slots=True)
class _Row:
    sku: str
    quantity: str
    unit_price: str
    customer: str
    country: str


@dataclass(frozen=True, slots=True)
class _Priced:
    """A row in numbers; `pounds` is the unit price."""

    sku: str
    quantity: int
    pounds: Decimal


def read_sales(path: Path) -> Sales:
    """Read a CSV file, gzipped or not.

    SpillwayError, one sentence: the file cannot be read, is not what its name says, lacks columns
    or holds no line.
    """
    with _text(path) as text:
        invoices = _grouped(path, csv.DictReader(text))
    return _sorted_out(invoices)


@contextmanager
def _text(path: Path) -> Iterator[IO[str]]:
    try:
        with path.open("rb") as raw:
            zipped = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            if path.suffix == ".gz" and not zipped:
                raise SpillwayError(f"{path} is not gzip, though its name says so.")
            # Descriptions hold stray bytes of older encodings; no column that is used does.
            with (
                gzip.GzipFile(fileobj=raw) if zipped else raw as plain,
                io.TextIOWrapper(plain, "utf-8-sig", errors="replace", newline="") as text,
            ):
                yield text
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SpillwayError(f"{path} cannot be read: {why}.") from error
    except csv.Error as error:
        raise SpillwayError(f"{path} is not a CSV file: {error}.") from error


def _grouped(path: Path, table: csv.DictReader[str]) -> list[_Invoice]:
    """The invoices in their order of appearance, also where their lines are not together."""
    if table.fieldnames is None:
        raise SpillwayError(f"{path} is empty.")
    lacking = [column for column in COLUMNS if column not in table.fieldnames]
    if lacking:
        raise SpillwayError(
            f"{path} lacks the columns {', '.join(lacking)}; it needs {', '.join(COLUMNS)}."
        )
    invoices: dict[str, _Invoice] = {}
    for cells in table:
        number, sku, quantity, unit_price, customer, country = (
            (cells[column] or "").strip() for column in COLUMNS
        )
        row = _Row(sku, quantity, unit_price, customer.removesuffix(".0"), country)
        invoices.setdefault(number, _Invoice(number, [])).rows.append(row)
    if not invoices:
        raise SpillwayError(f"{path} has a header and no line below it.")
    return list(invoices.values())


def _sorted_out(invoices: Iterable[_Invoice]) -> Sales:
    orders: list[Draft] = []
    not_sales: list[LeftOut] = []
    cancellations: dict[int, str] = {}
    unmatched: list[LeftOut] = []
    sold = _Sold()
    for invoice in invoices:
        if invoice.number.upper().startswith("C"):
            match = _match(invoice, sold, cancellations)
            if isinstance(match, int):
                cancellations[match] = invoice.number
            else:
                unmatched.append(match)
            continue
        draft = _draft(invoice)
        if isinstance(draft, LeftOut):
            not_sales.append(draft)
            continue
        sold.record(invoice.rows[0].customer, len(orders), draft.lines)
        orders.append(draft)
    return Sales(tuple(orders), tuple(not_sales), cancellations, tuple(unmatched))


def _draft(invoice: _Invoice) -> Draft | LeftOut:
    priced = _priced(invoice)
    if isinstance(priced, str):
        return LeftOut(invoice.number, NotASale.NOT_A_NUMBER, priced)
    broken = _broken_rule(invoice, priced)
    if broken is not None:
        return LeftOut(invoice.number, *broken)
    products = [row for row in priced if row.sku not in _SHIPPING_CODES]
    channel = _channel(products)
    customer = invoice.rows[0].customer
    return Draft(
        source=f"invoice {invoice.number}",
        customer=_user(channel, customer),
        channel=channel,
        currency="GBP",
        lines=tuple(Line(row.sku, row.quantity, _pence(row)) for row in products),
        shipping=sum(row.quantity * _pence(row) for row in priced if row.sku in _SHIPPING_CODES),
        tax=0,
        address=_address(customer, channel, invoice.rows[0].country),
        purchase_order=f"PO-{invoice.number}" if channel == "wholesale" else None,
    )


def _priced(invoice: _Invoice) -> list[_Priced] | str:
    """The rows in numbers, or the first thing in them that is none."""
    priced = []
    for row in invoice.rows:
        quantity, pounds = _number(row.quantity), _number(row.unit_price)
        if quantity is None or quantity != int(quantity):
            return f"quantity {row.quantity!r} of {row.sku}"
        if pounds is None:
            return f"price {row.unit_price!r} of {row.sku}"
        priced.append(_Priced(row.sku, int(quantity), pounds))
    return priced


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or not -_NUMBER_MAX <= number <= _NUMBER_MAX:
        return None
    return number if number == 0 or number.adjusted() >= _NUMBER_EXPONENT_MIN else None


def _broken_rule(invoice: _Invoice, rows: list[_Priced]) -> tuple[NotASale, str] | None:
    """The first rule of `NotASale` that an invoice in numbers breaks, with the evidence."""
    if not invoice.number:
        return NotASale.INVOICE_NUMBER_MISSING, f"{len(rows)} lines"
    total = sum(row.quantity * row.pounds for row in rows)
    if total <= 0:
        return NotASale.TOTAL_NOT_POSITIVE, f"total {total:.2f}"
    customers = list(dict.fromkeys(row.customer for row in invoice.rows))
    if "" in customers:
        return NotASale.CUSTOMER_MISSING, f"total {total:.2f}"
    if len(customers) > 1:
        return NotASale.CUSTOMERS_DIFFER, f"customers {' and '.join(customers[:2])}"
    return _broken_by_row(rows)


def _broken_by_row(rows: list[_Priced]) -> tuple[NotASale, str] | None:
    price_of: dict[str, Decimal] = {}
    for row in rows:
        price_of.setdefault(row.sku, row.pounds)
    tests: tuple[tuple[NotASale, Callable[[_Priced], bool]], ...] = (
        (NotASale.QUANTITY_NOT_POSITIVE, lambda row: row.quantity <= 0),
        (NotASale.PRICE_NEGATIVE, lambda row: row.pounds < 0),
        (NotASale.PRICE_NOT_WHOLE_PENCE, lambda row: row.pounds * 100 % 1 != 0),
        (NotASale.SKU_AT_TWO_PRICES, lambda row: price_of[row.sku] != row.pounds),
    )
    for reason, broken in tests:
        for row in rows:
            if broken(row):
                return reason, f"{row.quantity} of {row.sku} at {row.pounds}"
    if all(row.sku in _SHIPPING_CODES for row in rows):
        return NotASale.GOODS_MISSING, "nothing but postage"
    return None


def _channel(products: list[_Priced]) -> Channel:
    median = statistics.median(row.quantity for row in products)
    return "wholesale" if median >= WHOLESALE_MEDIAN_QUANTITY_MIN else "retail"


def _user(channel: Channel, customer: str) -> Customer:
    """Who of the three local users stands for this customer: always the same one."""
    if channel == "wholesale":
        return "wholesale"
    return "shopper" if sum(customer.encode()) % 2 else "other"


def _address(customer: str, channel: Channel, country_name: str) -> Address:
    """Invented, the same for the same customer; abroad, only the country is kept."""
    rng = random.Random(customer)  # noqa: S311 -- repeatable is the point
    country = _COUNTRIES.get(country_name, "GB")
    where = next((place for place in PLACES if place.country == country), None)
    invented = (shop if channel == "wholesale" else shopper)(rng, where or PLACES[0])
    if where is not None:
        return invented
    return Address(invented.name, invented.lines, country_name, "00000", country)


def _pence(row: _Priced) -> int:
    return int(row.pounds * 100)


class _Sold:
    """How many of each sku each customer bought in which order (by its place in the file)."""

    def __init__(self) -> None:
        self._customers: set[str] = set()
        self._quantities: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)

    def record(self, customer: str, place: int, lines: Iterable[Line]) -> None:
        self._customers.add(customer)
        for line in lines:
            self._quantities[customer, line.sku][place] += line.quantity

    def bought(self, customer: str) -> bool:
        return customer in self._customers

    def holding(self, customer: str, returned: Mapping[str, int]) -> list[int]:
        """The orders that sold at least all of this, the latest first."""
        by_sku = {sku: self._quantities.get((customer, sku), Counter()) for sku in returned}
        rarest = min(by_sku.values(), key=len)
        latest = islice(reversed(rarest), SALES_LOOKED_AT_MAX)
        return [
            place
            for place in latest
            if all(by_sku[sku][place] >= quantity for sku, quantity in returned.items())
        ]


def _match(invoice: _Invoice, sold: _Sold, taken: Mapping[int, str]) -> int | LeftOut:
    """The place of the order that an invoice cancels, or why there is none."""
    priced = _priced(invoice)
    if isinstance(priced, str):
        return LeftOut(invoice.number, Unmatched.NOT_A_NUMBER, priced)
    customer = invoice.rows[0].customer
    if not customer:
        return LeftOut(invoice.number, Unmatched.CUSTOMER_MISSING, f"{len(priced)} lines")
    wrong = next((row for row in priced if row.quantity >= 0), None)
    if wrong is not None:
        detail = f"{wrong.quantity} of {wrong.sku}"
        return LeftOut(invoice.number, Unmatched.QUANTITY_NOT_NEGATIVE, detail)
    if not sold.bought(customer):
        return LeftOut(invoice.number, Unmatched.NO_EARLIER_SALE, f"customer {customer}")
    returned: Counter[str] = Counter()
    for row in priced:
        returned[row.sku] -= row.quantity
    holding = sold.holding(customer, returned)
    if not holding:
        detail = f"{', '.join(list(returned)[:3])} to customer {customer}"
        return LeftOut(invoice.number, Unmatched.NOT_SOLD_TO_CUSTOMER, detail)
    free = next((place for place in holding if place not in taken), None)
    if free is None:
        detail = f"its sale was cancelled by {taken[holding[0]]}"
        return LeftOut(invoice.number, Unmatched.ALREADY_CANCELLED, detail)
    return free
