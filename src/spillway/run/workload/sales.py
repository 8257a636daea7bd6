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

from orders.domain.order import Address, Channel, Line, Order
from spillway.errors import SpillwayError
from spillway.run.workload import customers
from spillway.run.workload.curves import WHOLESALE_MEDIAN_QUANTITY_MIN
from spillway.run.workload.draft import UNPAID, Customer, Draft

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


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of an invoice; `not_a_number` is what could not be read as one, "" if all could."""

    sku: str
    customer: str
    country: str
    quantity: int = 0
    pounds: Decimal = Decimal(0)
    not_a_number: str = ""

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
        return _sorted_out(_grouped(path, csv.DictReader(text)))


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


def _grouped(path: Path, table: csv.DictReader[str]) -> dict[str, list[_Row]]:
    """The invoices in their order of appearance, also where their lines are not together."""
    if table.fieldnames is None:
        raise SpillwayError(f"{path} is empty.")
    lacking = [column for column in COLUMNS if column not in table.fieldnames]
    if lacking:
        raise SpillwayError(
            f"{path} lacks the columns {', '.join(lacking)}; it needs {', '.join(COLUMNS)}."
        )
    invoices: defaultdict[str, list[_Row]] = defaultdict(list)
    for cells in table:
        number, *others = ((cells[column] or "").strip() for column in COLUMNS)
        invoices[number].append(_row(*others))
    if not invoices:
        raise SpillwayError(f"{path} has a header and no line below it.")
    return invoices


def _row(sku: str, quantity: str, price: str, customer: str, country: str) -> _Row:
    customer = customer.removesuffix(".0")
    count, pounds = _number(quantity), _number(price)
    if count is None or count != int(count):
        return _Row(sku, customer, country, not_a_number=f"quantity {quantity!r} of {sku}")
    if pounds is None:
        return _Row(sku, customer, country, not_a_number=f"price {price!r} of {sku}")
    return _Row(sku, customer, country, int(count), pounds)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or not -_NUMBER_MAX <= number <= _NUMBER_MAX:
        return None
    return number if number == 0 or number.adjusted() >= _NUMBER_EXPONENT_MIN else None


def _sorted_out(invoices: Mapping[str, list[_Row]]) -> Sales:
    orders: list[Draft] = []
    not_sales: list[LeftOut] = []
    cancellations: dict[int, str] = {}
    unmatched: list[LeftOut] = []
    sold = _Sold()
    for number, rows in invoices.items():
        if number.upper().startswith("C"):
            match = _match(rows, sold, cancellations)
            if isinstance(match, int):
                cancellations[match] = number
            else:
                unmatched.append(LeftOut(number, *match))
        elif broken := _broken_rule(number, rows):
            not_sales.append(LeftOut(number, *broken))
        else:
            draft = _draft(number, rows)
            sold.record(rows[0].customer, len(orders), draft.order.lines)
            orders.append(draft)
    return Sales(tuple(orders), tuple(not_sales), cancellations, tuple(unmatched))


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
        payment=UNPAID,
        purchase_order=f"PO-{number}" if channel == "wholesale" else None,
    )
    return Draft(f"invoice {number}", _user(channel, customer), order)


def _broken_rule(number: str, rows: list[_Row]) -> tuple[NotASale, str] | None:
    """The first rule of `NotASale` that an invoice breaks, with the evidence."""
    not_a_number = _not_a_number(rows)
    if not_a_number:
        return NotASale.NOT_A_NUMBER, not_a_number
    if not number:
        return NotASale.INVOICE_NUMBER_MISSING, f"{len(rows)} lines"
    total = sum(row.quantity * row.pounds for row in rows)
    if total <= 0:
        return NotASale.TOTAL_NOT_POSITIVE, f"total {total:.2f}"
    buyers = list(dict.fromkeys(row.customer for row in rows))
    if "" in buyers:
        return NotASale.CUSTOMER_MISSING, f"total {total:.2f}"
    if len(buyers) > 1:
        return NotASale.CUSTOMERS_DIFFER, f"customers {' and '.join(buyers[:2])}"
    return _broken_by_row(rows)


def _not_a_number(rows: list[_Row]) -> str:
    return next((row.not_a_number for row in rows if row.not_a_number), "")


def _broken_by_row(rows: list[_Row]) -> tuple[NotASale, str] | None:
    price_of: dict[str, Decimal] = {}
    for row in rows:
        price_of.setdefault(row.sku, row.pounds)
    tests: tuple[tuple[NotASale, Callable[[_Row], bool]], ...] = (
        (NotASale.QUANTITY_NOT_POSITIVE, lambda row: row.quantity <= 0),
        (NotASale.PRICE_NEGATIVE, lambda row: row.pounds < 0),
        (NotASale.PRICE_NOT_WHOLE_PENCE, lambda row: row.pounds * 100 % 1 != 0),
        (NotASale.SKU_AT_TWO_PRICES, lambda row: price_of[row.sku] != row.pounds),
    )
    for reason, broken in tests:
        for row in rows:
            if broken(row):
                return reason, f"{row.quantity} of {row.sku} at {row.pounds}"
    if all(row.is_shipping for row in rows):
        return NotASale.GOODS_MISSING, "nothing but postage"
    return None


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
    return Address(invented.name, invented.lines, country_name, "00000", country)


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


def _match(rows: list[_Row], sold: _Sold, taken: Mapping[int, str]) -> int | tuple[Unmatched, str]:
    """The place of the order that an invoice cancels, or why there is none."""
    not_a_number = _not_a_number(rows)
    if not_a_number:
        return Unmatched.NOT_A_NUMBER, not_a_number
    customer = rows[0].customer
    if not customer:
        return Unmatched.CUSTOMER_MISSING, f"{len(rows)} lines"
    wrong = next((row for row in rows if row.quantity >= 0), None)
    if wrong is not None:
        return Unmatched.QUANTITY_NOT_NEGATIVE, f"{wrong.quantity} of {wrong.sku}"
    if not sold.bought(customer):
        return Unmatched.NO_EARLIER_SALE, f"customer {customer}"
    returned: Counter[str] = Counter()
    for row in rows:
        returned[row.sku] -= row.quantity
    holding = sold.holding(customer, returned)
    if not holding:
        skus = ", ".join(list(returned)[:3])
        return Unmatched.NOT_SOLD_TO_CUSTOMER, f"{skus} to customer {customer}"
    free = next((place for place in holding if place not in taken), None)
    if free is None:
        return Unmatched.ALREADY_CANCELLED, f"its sale was cancelled by {taken[holding[0]]}"
    return free
