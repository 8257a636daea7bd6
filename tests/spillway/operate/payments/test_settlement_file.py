"""A settlement file is read to the minor unit, and a line that could mean two things is refused."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orders.domain.payments import Paid
from orders.domain.units import Millis
from spillway.cli import app
from spillway.errors import UsageError
from spillway.operate.payments.settlement_file import SettlementFiles, columns_of
from tests.builders import CUSTOMER, NOW, order_id, order_key

HEADER = "reference,kind,amount,currency,at,customer_id,order_id"
AT = "2026-11-23T10:00:00Z"
KEY = order_key(CUSTOMER, order_id())
PAID = f"pay_1,payment,31.95,GBP,{AT},{KEY.customer_id},{KEY.order_id}"


def read(folder: Path, *lines: str, header: str = HEADER, **columns: str) -> list[Paid]:
    path = folder / "settlement.csv"
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    files = SettlementFiles.read([path], columns)
    return list(chain.from_iterable(files.taken(Millis(0), Millis(2 * NOW))))


def test_a_payment_is_read_with_its_order_and_its_refunds(tmp_path: Path) -> None:
    back = [f"pay_1,refund,{amount},GBP,{AT},," for amount in ("-10.00", "-1.95")]
    aside = f"po_1,payout,1000.00,GBP,{AT},,"
    assert read(tmp_path, PAID, *back, aside) == [Paid("pay_1", 3195, "GBP", NOW, KEY, 1195)]


@pytest.mark.parametrize(
    ("amount", "currency", "minor_units"),
    [
        ("0.29", "GBP", 29),
        ("1000", "JPY", 1000),
        ("1.005", "KWD", 1005),
        ("1e2", "EUR", 10_000),
        ("+.5", "EUR", 50),
    ],
)
def test_amounts_are_exact(tmp_path: Path, amount: str, currency: str, minor_units: int) -> None:
    [payment] = read(tmp_path, f"pay_1,charge,{amount},{currency},{AT},,")
    assert (payment.amount, payment.key) == (minor_units, None)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"pay_1,payment,12.505,GBP,{AT},,", "more decimals than GBP"),
        (f'pay_1,payment,"12,50",GBP,{AT},,', "is no amount"),
        (f"pay_1,payment,12,50,GBP,{AT},,{KEY.order_id}", "has 8 fields, and the first line 7"),
        (f"{PAID}\npay_2,payment,1.00,GBP,2026-11", "line 3: it has 5 fields"),
        (f"pay_1,payment,NaN,GBP,{AT},,", "is no amount"),
        (f"pay_1,payment,1e999999,GBP,{AT},,", "is no amount"),
        (f"pay_1,payment,1_0,GBP,{AT},,", "is no amount"),
        (f"pay_1,payment,0.00,GBP,{AT},,", "nothing that was taken"),
        (f"pay_1,payment,12.50,gbp,{AT},,", "no currency"),
        ("pay_1,payment,12.50,GBP,23/11/2026,,", "is no time"),
        (f"pay_1,mystery,12.50,GBP,{AT},,", "is none of"),
        (f",payment,12.50,GBP,{AT},,", "no reference"),
        (f"{PAID}\n{PAID}", "taken before in this file"),
        (f"{PAID}\npay_1,refund,31.96,GBP,{AT},,", "More has gone back"),
        (f"{PAID}\npay_1,refund,31.95,EUR,{AT},,", "EUR has gone back of pay_1"),
        (f"{PAID}\npay_1,refund,3,GBP,{AT},,\npay_1,refund,-3,GBP,{AT},,", "have a minus"),
    ],
)
def test_a_line_that_is_not_clear_is_refused(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read(tmp_path, line)


def test_files_that_overlap_count_what_they_have_in_common_once(tmp_path: Path) -> None:
    """Else a payment of which a part has gone back would seem to have less left to give back."""
    refund = f"pay_1,refund,1.00,GBP,{AT},,"
    paths = [tmp_path / "november.csv", tmp_path / "late november.csv"]
    paths[0].write_text("\n".join((HEADER, PAID, refund, refund)))
    paths[1].write_text("\n".join((HEADER, refund, PAID, f"pay_1,refund,2.00,GBP,{AT},,")))
    [[payment]] = SettlementFiles.read([*paths, paths[1]], {}).taken(Millis(0), Millis(2 * NOW))
    assert payment.given_back == 400
    paths[1].write_text("\n".join((HEADER, PAID.replace("31.95", "31.90"))))
    with pytest.raises(UsageError, match=r"late november\.csv, line 2: pay_1 was another payment"):
        SettlementFiles.read(paths, {})


def test_it_may_be_a_spreadsheets_file(tmp_path: Path) -> None:
    path = tmp_path / "settlement.csv"
    path.write_bytes("\r\n".join((f"\ufeff{HEADER}", f"{PAID},", "", ",,,,,,", "")).encode())
    assert len(SettlementFiles.read([path], {})) == 1
    path.write_text(f"{HEADER},amount\n{PAID},31.00\n")
    with pytest.raises(UsageError, match="two columns amount"):
        SettlementFiles.read([path], {})
    path.write_text(f"{HEADER}\n{PAID}\n".replace(",", ";"))
    with pytest.raises(UsageError, match="semicolons"):
        SettlementFiles.read([path], {})


def test_the_report_is_not_written_over_a_file_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "settlement.csv"
    path.write_text(f"{HEADER}\n{PAID}\n")
    done = CliRunner().invoke(
        app, ["payments", "reconcile", "--file", str(path), "--report", f"{tmp_path}/./{path.name}"]
    )
    assert isinstance(done.exception, UsageError)
    assert "another name" in str(done.exception)


def test_a_file_may_have_names_of_its_own(tmp_path: Path) -> None:
    header = HEADER.replace("reference", "Payment ID")
    with pytest.raises(UsageError, match="--column reference=THEIRS"):
        read(tmp_path, PAID, header=header)
    assert len(read(tmp_path, PAID, header=header, **columns_of(["reference=Payment ID"]))) == 1
    with pytest.raises(UsageError, match="write one of"):
        columns_of(["payment=Payment ID"])
