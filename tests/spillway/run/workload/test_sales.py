"""A file of real sales: what becomes an order, what does not and why, what cancels what."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from orders.domain.order import Line
from spillway.errors import SpillwayError
from spillway.paths import PROJECT
from spillway.run.workload import read_sales
from spillway.run.workload.sales import SALES_LOOKED_AT_MAX, LeftOut

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
REAL_FILE = PROJECT.parent / "shared" / "data" / "online-retail-2010-12.csv.gz"


def row(
    invoice: str,
    sku: str = "MUG",
    quantity: str = "1",
    price: str = "2.55",
    customer: str = "17850.0",
    country: str = "United Kingdom",
) -> str:
    return f"{invoice},{sku},A THING,{quantity},2010-12-01 08:26:00,{price},{customer},{country}"


def by_reason(left_out: list[LeftOut]) -> Counter[str]:
    return Counter(one.reason.value for one in left_out)


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def written(*rows: str, header: str = HEADER) -> Path:
        path = tmp_path / "sales.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    return written


def test_lines_become_orders_by_invoice_in_order_of_appearance(file: Callable[..., Path]) -> None:
    sales = read_sales(
        file(row("2", "MUG", "6"), row("1", "JAR"), row("2", "HAT", "2", "10")),
    )

    assert [len(draft.order.lines) for draft in sales.orders] == [2, 1]
    assert sales.orders[0].order.lines == (Line("MUG", 6, 255), Line("HAT", 2, 1000))
    assert sales.orders[0].order.total == 6 * 255 + 2 * 1000


def test_postage_and_carriage_become_shipping(file: Callable[..., Path]) -> None:
    sales = read_sales(file(row("1", "MUG", "1", "1.00"), row("1", "POST", "2", "18.00")))

    assert sales.orders[0].order.lines == (Line("MUG", 1, 100),)
    assert sales.orders[0].order.shipping == 3600


def test_an_order_whose_median_line_is_a_dozen_is_wholesale_with_a_purchase_order(
    file: Callable[..., Path],
) -> None:
    sales = read_sales(file(row("1", "MUG", "12"), row("2", "MUG", "11")))

    assert [(draft.order.channel, draft.order.purchase_order) for draft in sales.orders] == [
        ("wholesale", "PO-1"),
        ("retail", None),
    ]


def test_a_customer_is_always_the_same_user_at_the_same_address(file: Callable[..., Path]) -> None:
    first, second = read_sales(file(row("1"), row("2"))).orders

    assert (first.customer, first.order.address) == (second.customer, second.order.address)


def test_the_country_is_kept(file: Callable[..., Path]) -> None:
    sales = read_sales(file(row("1", country="EIRE"), row("2", country="Japan")))

    assert [draft.order.address.country for draft in sales.orders] == ["IE", "JP"]


@pytest.mark.parametrize(
    ("reason", "rows"),
    [
        ("invoice_number_missing", [row("")]),
        ("not_a_number", [row("1", quantity="six")]),
        ("not_a_number", [row("1", quantity="1.5")]),
        ("not_a_number", [row("1", price="")]),
        ("not_a_number", [row("1", price="NaN")]),
        ("not_a_number", [row("1", price="1e999999999")]),
        ("not_a_number", [row("1"), row("1", "JAR", price="1e-999999999")]),
        ("total_not_positive", [row("1", price="0")]),
        ("total_not_positive", [row("1", quantity="-1")]),
        ("customer_missing", [row("1", customer="")]),
        ("customers_differ", [row("1", customer="1"), row("1", "JAR", customer="2")]),
        ("quantity_not_positive", [row("1", quantity="5"), row("1", "JAR", quantity="-1")]),
        ("price_negative", [row("1", quantity="5"), row("1", "JAR", price="-1")]),
        ("price_not_whole_pence", [row("1", price="0.001", quantity="1000")]),
        ("sku_at_two_prices", [row("1"), row("1", price="2.95")]),
        ("goods_missing", [row("1", "POST")]),
    ],
)
def test_what_is_not_a_sale_is_reported_with_its_reason(
    file: Callable[..., Path], reason: str, rows: list[str]
) -> None:
    sales = read_sales(file(*rows, row("9")))

    assert [draft.order.lines for draft in sales.orders] == [(Line("MUG", 1, 255),)]
    assert by_reason(sales.not_sales) == {reason: 1}
    assert sales.not_sales[0].detail


def test_an_invoice_counts_once_under_the_first_reason(file: Callable[..., Path]) -> None:
    sales = read_sales(file(row("1", price="0", customer=""), row("9")))

    assert by_reason(sales.not_sales) == {"total_not_positive": 1}


def test_a_cancellation_takes_back_the_latest_sale_that_holds_all_its_goods(
    file: Callable[..., Path],
) -> None:
    sales = read_sales(
        file(
            row("1", "MUG", "6"),
            row("2", "MUG", "6"),
            row("3", "MUG", "5"),
            row("4", "JAR", "6"),
            row("C5", "MUG", "-6"),
        )
    )

    assert sales.cancellations == {1: "C5"}


def test_two_cancellations_take_back_two_sales(file: Callable[..., Path]) -> None:
    sales = read_sales(file(row("1"), row("2"), row("C3", quantity="-1"), row("C4", quantity="-1")))

    assert sales.cancellations == {1: "C3", 0: "C4"}


@pytest.mark.parametrize(
    ("reason", "rows"),
    [
        ("not_a_number", [row("C2", quantity="?")]),
        ("customer_missing", [row("C2", quantity="-1", customer="")]),
        ("quantity_not_negative", [row("C2", quantity="1")]),
        ("no_earlier_sale", [row("C2", quantity="-1", customer="1")]),
        ("not_sold_to_customer", [row("C2", "JAR", quantity="-1")]),
        ("not_sold_to_customer", [row("C2", quantity="-2")]),
        ("already_cancelled", [row("C2", quantity="-1"), row("C3", quantity="-1")]),
    ],
)
def test_a_cancellation_without_its_sale_is_reported(
    file: Callable[..., Path], reason: str, rows: list[str]
) -> None:
    sales = read_sales(file(row("1"), *rows))

    assert by_reason(sales.unmatched) == {reason: 1}


def test_a_later_sale_is_not_what_a_cancellation_takes_back(file: Callable[..., Path]) -> None:
    sales = read_sales(file(row("C1", quantity="-1"), row("2")))

    assert sales.cancellations == {}
    assert by_reason(sales.unmatched) == {"no_earlier_sale": 1}


def test_a_gzipped_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(gzip.compress(f"{HEADER}\n{row('1')}\n".encode()))

    assert len(read_sales(path).orders) == 1


def test_stray_bytes_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(f"\ufeff{HEADER}\n{row('1')}\n".encode().replace(b"A THING", b"\xa3 THING"))

    assert len(read_sales(path).orders) == 1


# Named, because gzip writes the time into its header: a test's id must not change with it.
_SOMETHING_ELSE = {
    "not_gzip": ("a.csv.gz", b"InvoiceNo\n", "is not gzip, though its name says so."),
    "cut_short": ("a.csv.gz", gzip.compress(HEADER.encode() * 99)[:40], "cannot be read: "),
    "empty": ("a.csv", b"", "is empty."),
    "header_alone": ("a.csv", HEADER.encode(), "has a header and no line below it."),
    "columns_missing": (
        "a.csv",
        b"InvoiceNo,Quantity\n1,2\n",
        "lacks the columns StockCode, UnitPrice, ",
    ),
    "no_csv": ("a.csv", HEADER.encode() + b"\n" + b"x" * 200_000, "is not a CSV file: "),
}


@pytest.mark.parametrize(
    ("name", "content", "sentence"), _SOMETHING_ELSE.values(), ids=_SOMETHING_ELSE
)
def test_a_file_of_another_kind_is_one_clear_error(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(SpillwayError) as raised:
        read_sales(path)

    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_file_and_a_folder_are_one_clear_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(SpillwayError, match="cannot be read"):
            read_sales(path)


def test_a_cancellation_looks_at_so_many_sales_and_no_further(file: Callable[..., Path]) -> None:
    """Else time would grow with the square of a file that is all one customer's and one sku."""
    others = [row(str(number)) for number in range(1, SALES_LOOKED_AT_MAX)]
    returned = row("C1", quantity="-2")
    within = read_sales(file(row("0", quantity="2"), *others, returned))
    beyond = read_sales(file(row("0", quantity="2"), *others, row("last"), returned))

    assert within.cancellations == {0: "C1"}
    assert by_reason(beyond.unmatched) == {"not_sold_to_customer": 1}


@pytest.mark.skipif(
    not REAL_FILE.exists(), reason="the real orders (../shared/data) are not on this machine"
)
def test_december_2010_is_fully_accounted_for() -> None:
    sales = read_sales(REAL_FILE)

    assert len(sales.orders) + len(sales.not_sales) == 1699
    assert len(sales.cancellations) + len(sales.unmatched) == 326
    assert by_reason(sales.not_sales) == {
        "customer_missing": 159,
        "total_not_positive": 140,
        "sku_at_two_prices": 9,
        "goods_missing": 3,
    }
    assert len(sales.cancellations) == 120
