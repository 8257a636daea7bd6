"""Which subject a customers' file gives to an old customer, and which customer to a subject."""

from __future__ import annotations

import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from spillway.errors import SpillwayError
from spillway.migrate.old.customers import CustomerFile
from spillway.migrate.verifying.subjects import Subjects


def read(folder: Path, content: str | bytes) -> CustomerFile:
    path = folder / "customers.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return CustomerFile(path)


def verified(folder: Path, *customers: str) -> list[str | None]:
    """What the verification makes of the same file."""
    with closing(Subjects(folder / "customers.csv")) as subjects:
        return [subjects(customer) for customer in customers]


@pytest.mark.parametrize(
    "content",
    [
        "customer,subject\n17,s-a\n",
        "customer,subject\r\n17,s-a",
        "\ufeffcustomer;subject\n17;s-a\n",
        "Subject\tCustomer\n s-a \t 17 \n\n",
        '"customer","subject"\n"17","s-a"\n',
        ' CUSTOMER , Subject\n17,s-a\n"", \n',
        "customer,subject\n17,s-a\n17,s-a\n",
        "customer,subject\n17,\n17,s-a\n",
    ],
)
def test_a_file_is_read_as_spreadsheets_and_programs_write_it(tmp_path: Path, content: str) -> None:
    customers = read(tmp_path, content)
    assert (customers.subject("17"), customers.customer("s-a")) == ("s-a", "17")
    assert customers.subject("") is customers.customer("") is None
    assert verified(tmp_path, "17", "", "s-a") == ["s-a", None, None]


def test_ids_are_texts_and_nothing_is_folded(tmp_path: Path) -> None:
    customers = read(
        tmp_path, 'customer,subject\n7,a\n007,b\n1e2,c\nAnn@X,d\nann@x,e\n"Ü, ""x""",f'
    )
    wanted = ("7", "007", "1e2", "100", "Ann@X", "ann@x", 'Ü, "x"')
    assert [customers.subject(one) for one in wanted] == ["a", "b", "c", None, "d", "e", "f"]
    assert verified(tmp_path, *wanted) == ["a", "b", "c", None, "d", "e", "f"]


def test_several_accounts_may_be_one_person_whose_new_orders_go_to_the_first(
    tmp_path: Path,
) -> None:
    customers = read(tmp_path, "customer,subject\n17850,s-a\n13047,s-a\n13048,s-b\n")
    assert [customers.subject(one) for one in ("17850", "13047")] == ["s-a", "s-a"]
    assert customers.customer("s-a") == "17850"


def test_customers_without_a_subject_are_unknown(tmp_path: Path) -> None:
    customers = read(tmp_path, "customer,subject\n1,\n2,  \n")
    assert customers.subject("1") is customers.subject("2") is None
    assert verified(tmp_path, "1", "2") == [None, None]


def test_a_customer_with_two_subjects_is_no_order_that_verify_can_read(tmp_path: Path) -> None:
    """Had the copy's reader not refused the file."""
    (tmp_path / "customers.csv").write_text("customer,subject\n1,a\n2,b\n1,c\n")
    assert verified(tmp_path, "2") == ["b"]
    with pytest.raises(ValueError, match="1"):
        verified(tmp_path, "1")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("customer,subject\n1,a\n2,b\n1,c\n", ("'1'", "lines 2 and 4")),
        ('customer,subject\n"1\n2",a\n3,b\n3,c\n', ("lines 4 and 5",)),
        ("customer,subject\nSmith, John,a\n", ("Line 2", "3 fields")),
        ("customer,subject\n1\n", ("Line 2", "1 fields")),
        ("customer,subject\n,a\n", ("Line 2", "no customer")),
        ("id,sub\n1,a\n", ("customer,subject",)),
        ("", ("customer,subject",)),
        ("customer,subject,more\n1,a,b\n", ("customer,subject",)),
        ("customer,subject\nJosé,a\n".encode("cp1252"), ("UTF-8",)),
        ("customer,subject\n1,a\n".encode("utf-16"), ("UTF-8",)),
    ],
)
def test_a_file_that_does_not_say_who_is_who_is_refused(
    tmp_path: Path, content: str | bytes, words: tuple[str, ...]
) -> None:
    with pytest.raises(SpillwayError) as refused:
        read(tmp_path, content)
    assert all(word in str(refused.value) for word in words)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpillwayError, match="cannot be read"):
        CustomerFile(tmp_path / "none.csv")


def test_many_customers_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    lines = (f"{number},subject-{number}\n" for number in range(10_000))
    path.write_text("customer,subject\n" + "".join(lines))
    tracemalloc.start()
    customers = CustomerFile(path)
    assert verified(tmp_path, "9999") == ["subject-9999"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert customers.subject("9999") == "subject-9999"
    assert peak < 300_000
