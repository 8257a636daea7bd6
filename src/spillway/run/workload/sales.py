"""Real sales from a CSV file with the columns of the UCI data set "Online Retail".

An invoice that is a sale becomes an order. Every other one is reported with the first `Reason` that
applies. The file books postage and carriage as products; they become the order's shipping. The file
has no names and addresses; they are invented.

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO

from orders.domain.order import Address, Channel, Line, Order
from spillway.errors import SpillwayError, why_not
from spillway.run.workload import customers
from spillway.run.workload.curves import WHOLESALE_MEDIAN_QUANTITY_MIN
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


class Reason(StrEnum):
    """Why an invoice is left out."""

    # No order, by precedence. A number or a customer may also be missing in a cancellation.
    NOT_A_NUMBER = "not_a_number"
    INVOICE_NUMBER_MISSING = "invoice_number_missing"
    TOTAL_NOT_POSITIVE = "total_not_positive"
    CUSTOMER_MISSING = "customer_missing"
    CUSTOMERS_DIFFER = "customers_differ"
    QUANTITY_NOT_POSITIVE = "quantity_not_positive"
    PRICE_NEGATIVE = "price_negative"
    PRICE_NOT_WHOLE_PENCE = "price_not_whole_pence"
    SKU_AT_TWO_PRICES = "sku_at_two_prices"
    GOODS_MISSING = "goods_missing"
    # No cancellation that can be sent.
    QUANTITY_NOT_NEGATIVE = "quantity_not_negative"
    NO_EARLIER_SALE = "no_earlier_sale"
    NOT_SOLD_TO_CUSTOMER = "not_sold_to_customer"
    ALREADY_CANCELLED = "already_cancelled"


class _Unusable(Exception):
    """Raised with a `Reason` and the evidence."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An invoice that was left out, and why. `detail` is for people."""

    invoice: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Sales:
    """What a file holds: the orders in their order of appearance, and all that was left out.

    `cancellations` maps an order's place in `orders` to the invoice that cancels it.
    """

    orders: list[Draft] = field(default_factory=list)
    not_sales: list[LeftOut] = field(default_factory=list)
    cancellations: dict[int, str] = field(default_factory=dict)
    unmatched: list[LeftOut] = field(default_factory=list)


#: Of customer and sku: how many were sold in which order, by its place in the file.
_Sold = defaultdict[str, defaultdict[str, Counter[int]]]
#: An invoice's line as the file has it: the columns but for the invoice's number.
_Cells = list[str]


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of an invoice."""

    sku: str
    customer: str
    country: str
    quantity: int
    pounds: Decimal

    @property
    def pence(self) -> int:
        return int(self.pounds * 100)

    @property
    def is_shipping(self) -> bool:
        return self.sku in _SHIPPING_CODES


def read_sales(path: Path) -> Sales:
    """Read a CSV file, gzipped or not.

    SpillwayError, one sentence: the file cannot be read, is not what its name says, lacks columns
    or holds no line.
    """
    with _text(path) as text:
        invoices = _grouped(path, csv.DictReader(text))
    sales = Sales()
    sold: _Sold = defaultdict(lambda: defaultdict(Counter))
    for number, lines in invoices.items():
        cancels = number.upper().startswith("C")
        try:
            rows = [_row(*cells) for cells in lines]
            if cancels:
                sales.cancellations[_cancelled(rows, sold, sales.cancellations)] = number
            else:
                _check_sale(number, rows)
                _sell(_draft(number, rows), rows[0].customer, sold, sales.orders)
        except _Unusable as error:
            left_out = sales.unmatched if cancels else sales.not_sales
            left_out.append(LeftOut(number, *error.args))
    return sales


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
        why = why_not(error) if isinstance(error, OSError) else str(error)
        raise SpillwayError(f"{path} cannot be read: {why}.") from error
    except csv.Error as error:
        raise SpillwayError(f"{path} is not a CSV file: {error}.") from error


def _grouped(path: Path, table: csv.DictReader[str]) -> dict[str, list[_Cells]]:
    """The invoices in their order of appearance, also where their lines are not together."""
    if table.fieldnames is None:
        raise SpillwayError(f"{path} is empty.")
    lacking = [column for column in COLUMNS if column not in table.fieldnames]
    if lacking:
        raise SpillwayError(
            f"{path} lacks the columns {', '.join(lacking)}; it needs {', '.join(COLUMNS)}."
        )
    invoices: defaultdict[str, list[_Cells]] = defaultdict(list)
    for cells in table:
        number, *others = ((cells[column] or "").strip() for column in COLUMNS)
        invoices[number].append(others)
    if not invoices:
        raise SpillwayError(f"{path} has a header and no line below it.")
    return invoices


def _row(sku: str, quantity: str, price: str, customer: str, country: str) -> _Row:
    count, pounds = _number(quantity), _number(price)
    if count is None or count != int(count):
        raise _Unusable(Reason.NOT_A_NUMBER, f"quantity {quantity!r} of {sku}")
    if pounds is None:
        raise _Unusable(Reason.NOT_A_NUMBER, f"price {price!r} of {sku}")
    return _Row(sku, customer.removesuffix(".0"), country, int(count), pounds)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or not -_NUMBER_MAX <= number <= _NUMBER_MAX:
        return None
    return number if number == 0 or number.adjusted() >= _NUMBER_EXPONENT_MIN else None


def _sell(draft: Draft, customer: str, sold: _Sold, orders: list[Draft]) -> None:
    for line in draft.order.lines:
        sold[customer][line.sku][len(orders)] += line.quantity
    orders.append(draft)


def _draft(number: str, rows: list[_Row]) -> Draft:
    products = [row for row in rows if not row.is_shipping]
    channel, customer = _channel(products), rows[0].customer
    order = Order(
        channel=channel,
        currency="GBP",
        lines=tuple(Line(row.sku, row.quantity, row.pence) for row in products),
        shipping=sum(row.quantity * row.pence for row in rows if row.is_shipping),
        tax=0,
        total=sum(row.quantity * row.pence for row in rows),
        address=_address(customer, channel, rows[0].country),
        purchase_order=f"PO-{number}" if channel == "wholesale" else None,
    )
    return Draft(_user(channel, customer), order, engine_priced=True)


def _check_sale(number: str, rows: list[_Row]) -> None:
    if not number:
        raise _Unusable(Reason.INVOICE_NUMBER_MISSING, f"{len(rows)} lines")
    total = sum(row.quantity * row.pounds for row in rows)
    if total <= 0:
        raise _Unusable(Reason.TOTAL_NOT_POSITIVE, f"total {total:.2f}")
    buyers = list(dict.fromkeys(row.customer for row in rows))
    if "" in buyers:
        raise _Unusable(Reason.CUSTOMER_MISSING, f"total {total:.2f}")
    if len(buyers) > 1:
        raise _Unusable(Reason.CUSTOMERS_DIFFER, f"customers {' and '.join(buyers[:2])}")
    price_of = {row.sku: row.pounds for row in reversed(rows)}
    tests: tuple[tuple[Reason, Callable[[_Row], bool]], ...] = (
        (Reason.QUANTITY_NOT_POSITIVE, lambda row: row.quantity <= 0),
        (Reason.PRICE_NEGATIVE, lambda row: row.pounds < 0),
        (Reason.PRICE_NOT_WHOLE_PENCE, lambda row: row.pounds * 100 % 1 != 0),
        (Reason.SKU_AT_TWO_PRICES, lambda row: price_of[row.sku] != row.pounds),
    )
    for reason, broken in tests:
        for row in filter(broken, rows):
            raise _Unusable(reason, f"{row.quantity} of {row.sku} at {row.pounds}")
    if all(row.is_shipping for row in rows):
        raise _Unusable(Reason.GOODS_MISSING, "nothing but postage")


def _channel(products: list[_Row]) -> Channel:
    median = statistics.median(row.quantity for row in products)
    return "wholesale" if median >= WHOLESALE_MEDIAN_QUANTITY_MIN else "retail"


def _user(channel: Channel, customer: str) -> Customer:
    """Which of the three local users places this customer's orders: always the same one."""
    if channel == "wholesale":
        return "wholesale"
    return "shopper" if sum(customer.encode()) % 2 else "other"


def _address(customer: str, channel: Channel, country_name: str) -> Address:
    """Invented, the same for the same customer; abroad, only the country is kept."""
    rng = random.Random(customer)  # noqa: S311 -- repeatable is the point
    country = _COUNTRIES.get(country_name, "GB")
    where = next((place for place in customers.PLACES if place.country == country), None)
    invented = customers.address(rng, where or customers.PLACES[0], channel)
    if where is not None:
        return invented
    return Address(invented.name, invented.lines, country_name, country, "00000")


def _cancelled(rows: list[_Row], sold: _Sold, taken: Mapping[int, str]) -> int:
    """The place of the order that an invoice cancels."""
    customer = rows[0].customer
    if not customer:
        raise _Unusable(Reason.CUSTOMER_MISSING, f"{len(rows)} lines")
    for wrong in (row for row in rows if row.quantity >= 0):
        raise _Unusable(Reason.QUANTITY_NOT_NEGATIVE, f"{wrong.quantity} of {wrong.sku}")
    if customer not in sold:
        raise _Unusable(Reason.NO_EARLIER_SALE, f"customer {customer}")
    returned: Counter[str] = Counter()
    for row in rows:
        returned[row.sku] -= row.quantity
    holding = _holding(sold[customer], returned)
    if not holding:
        skus = ", ".join(list(returned)[:3])
        raise _Unusable(Reason.NOT_SOLD_TO_CUSTOMER, f"{skus} to customer {customer}")
    for place in holding:
        if place not in taken:
            return place
    detail = f"its sale was cancelled by {taken[holding[0]]}"
    raise _Unusable(Reason.ALREADY_CANCELLED, detail)


def _holding(bought: Mapping[str, Counter[int]], returned: Mapping[str, int]) -> list[int]:
    """The orders that sold at least all of this, the latest first."""
    rarest = min((bought.get(sku, Counter()) for sku in returned), key=len)
    return [
        place
        for place in islice(reversed(rarest), SALES_LOOKED_AT_MAX)
        if all(bought[sku][place] >= quantity for sku, quantity in returned.items())
    ]
