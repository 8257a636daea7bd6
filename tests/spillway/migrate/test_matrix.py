"""No change is lost without a word, whatever the server's settings, the statement and the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.spillway.migrate.matrix import Case, run
from tests.spillway.migrate.matrix_cases import CASES
from tests.spillway.migrate.servers import Make, Server

#: Those that run each time: one of each kind.
FEW = {
    ("mysql", "as it comes"),
    ("mariadb", "log_bin_compress, later"),
    ("mariadb", "binlog_row_image = MINIMAL, one session of two"),
    ("mariadb", "TRUNCATE behind -- with a quote"),
    ("mariadb", "not ours: a table whose name goes on"),
    ("mariadb", "gh-ost's swap"),
    ("mariadb", "VARCHAR latin1_german2_ci"),
}


def _each() -> Iterator[Any]:
    for case in CASES:
        for make in case.makes:
            marks = () if (make, case.name) in FEW else (pytest.mark.slow,)
            yield pytest.param(case, make, id=f"{make}: {case.group}: {case.name}", marks=marks)


@pytest.mark.parametrize(("case", "make"), list(_each()))
def test_a_change_arrives_or_is_said_not_to_and_verify_finds_what_is_missing(
    case: Case, make: Make, old_servers: Callable[[Make], Server], aws: str
) -> None:
    assert run(case, make, old_servers, aws).faults == []


def test_those_that_run_each_time_are_cases() -> None:
    assert {(make, case.name) for case in CASES for make in case.makes} >= FEW
    names = [(case.group, case.name) for case in CASES]
    assert len(set(names)) == len(names)
