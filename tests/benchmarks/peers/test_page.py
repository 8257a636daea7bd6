"""docs/compared.md says what the record says, and nothing that a figure does not say."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.peers import __main__ as run
from benchmarks.peers import page, trials
from benchmarks.peers.catalogue import SYSTEMS
from benchmarks.peers.comparing import NAMES, compared
from benchmarks.peers.counting import COUNTED
from benchmarks.peers.page import FAULTS_PICTURE, PAGE, PRICE_PICTURE, recorded, written
from benchmarks.peers.pricing import HOURS, Book, Measured, database, tasks
from spillway.paths import PROJECT, home
from spillway.plan.cost.alternatives import alternatives
from tests.benchmarks.peers.builders import a_record, audited, healthy

MILLION = 1_000_000


def test_the_page_and_its_pictures_are_made_of_the_record() -> None:
    for file, text in written(recorded()).items():
        assert file.read_text() == text, f"{file.name} differs: run make docs"
        if file.suffix == ".svg":
            ElementTree.fromstring(text)  # noqa: S314 -- our own


def test_every_figure_of_a_record_is_on_the_page_and_in_a_picture() -> None:
    files = written(a_record())
    text = files[PAGE]
    assert "| DBOS | program, 3 times | 120 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 3.1 s | nothing |" in text
    assert (
        "| DBOS | careless | 60 | 0 | 0 | 2 | 0 | 0 | 2 | 0 | - | 2 orders left to mend |" in text
    )
    assert (
        "| DBOS | patched | 60 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 40 s |"
        " 1 order waited for a person; put the old code back |"
    ) in text
    assert "Missing: Restate, healthy: no server for this machine" in text
    assert "500 orders in the first test, 250 of them real" in text
    assert (
        "This one took 7 lines with DBOS, 7 lines with Temporal and 7 lines with Restate." in text
    )
    assert "No run has been recorded" not in text
    assert ">3.1 s<" in files[FAULTS_PICTURE]
    assert ">never<" in files[FAULTS_PICTURE]
    assert ">40 s by hand<" in files[FAULTS_PICTURE]
    assert files[PRICE_PICTURE].count(">DBOS<") == 3


def test_which_of_two_is_better_is_the_figures_to_say() -> None:
    record = a_record()
    test = record["systems"]["dbos"]["tests"]["changed code: patched"]
    record["systems"]["dbos"]["tests"] = {"outage": test}
    record["systems"]["spillway"]["tests"]["outage"] = {**test, "seconds_until_whole": 10.0}
    for theirs, kind in ((7.9, "better"), (8.1, "alike"), (12.4, "alike"), (12.6, "worse")):
        test["seconds_until_whole"] = theirs
        [said] = _kinds(record, "the outage")
        assert said == kind
    test["seconds_until_whole"] = None
    assert not _kinds(record, "the outage")


def test_what_was_tried_of_the_others_alone_is_in_no_verdict() -> None:
    """Spillway's server is AWS, which is not killed, and its code was never changed carelessly."""
    record = a_record()
    dbos, spillway = (record["systems"][name]["tests"] for name in ("dbos", "spillway"))
    killed = dbos["killed: program"]
    spillway["killed: functions"] = killed
    dbos["killed: server"] = {**killed, "seconds_until_whole": 1_000.0}
    assert _kinds(record, "after the last kill of the program") == ["alike"]
    del dbos["changed code: patched"]["before_a_person_came"]
    assert _kinds(record, "the best way to change code") == ["alike"]
    dbos["changed code: patched"]["audit"]["stuck"] = 3
    assert _kinds(record, "the best way to change code") == ["worse"]


def test_one_stuck_order_in_any_test_is_told_first() -> None:
    record = a_record()
    tests = record["systems"]["spillway"]["tests"]
    tests["killed: functions"] = {"kills": {}, "seconds_until_whole": 3.0, "audit": audited()}
    found = compared(record, Book(record).priced(), "dbos")
    assert found["alike"][0].endswith("at the end of all common tests (0, Spillway 0)")
    record["systems"]["dbos"]["tests"]["changed code: patched"]["audit"]["stuck"] = 1
    [first, *_] = compared(record, Book(record).priced(), "dbos")["worse"]
    assert first.endswith("at the end of all common tests (1, Spillway 0)")


def test_an_emulators_figure_is_held_against_us_and_never_against_another() -> None:
    record = a_record()
    rate = record["systems"]["dbos"]["tests"]["healthy"]["paced"]["settle_seconds"]
    for theirs, kind in ((0.1, "better"), (0.22, "not_told"), (0.4, "not_told")):
        rate["p50"] = theirs
        assert _kinds(record, "orders done at") == [kind]


def test_a_price_of_at_least_so_much_is_not_told_as_lower() -> None:
    record = a_record()
    temporal = record["systems"]["temporal"]["tests"]
    temporal["healthy"]["crowd"]["an_order"]["server"] = {"processor_seconds": 0.0001}
    restate = {"program": 0.0001, "server": 0.0001}
    record["systems"]["restate"]["tests"]["healthy"] = healthy(restate, stored=0)
    prices = Book(record).priced()
    found = compared(record, prices, "restate")
    assert any("100,000,000 orders (≥ $" in one for one in found["perhaps"])
    assert not found["better"]
    bills = {one.offer.name: one.bills[100 * MILLION] for one in prices}
    assert bills["Temporal, self-hosted"] is not None
    temporal["healthy"]["crowd"]["an_order"]["server"] = {"processor_seconds": 0.01}
    bills = {one.offer.name: one.bills[100 * MILLION] for one in Book(record).priced()}
    assert bills["Temporal, self-hosted"] is None  # its database is not the smallest then


def test_why_spillway_is_well_again_later_is_said_only_where_it_is() -> None:
    record = a_record()
    killed = record["systems"]["dbos"]["tests"]["killed: program"]
    ours = {**killed, "seconds_until_whole": 20.0}
    record["systems"]["spillway"]["tests"]["killed: functions"] = ours
    said = "- After a kill (20 s; DBOS 3.1 s): a queue is not told"
    text = written(record)[PAGE]
    assert said in text
    assert "- After the outage" not in text
    ours["seconds_until_whole"] = 3.5  # alike
    assert "well again later" not in written(record)[PAGE]


def _kinds(record: dict[str, Any], figure: str) -> list[str]:
    found = compared(record, Book(record).priced(), "dbos")
    return [kind for kind, ones in found.items() for one in ones if figure in one]


def test_a_month_by_hand() -> None:
    """DBOS with a million orders: half a second of the application and a tenth of the database for
    each order, 6,000 bytes kept."""
    bills = {one.offer.name: one.bills[MILLION] for one in Book(a_record()).priced()}
    bill = bills["DBOS"]
    assert bill is not None
    # A million in 30 days are 0.3858 a second. The application's 0.193 of a vCPU, half busy, is a
    # quarter of one in each zone; the database's 0.039 is little for the smallest.
    by_hand = {
        "application: 2 x 0.25 vCPU": 720 * 2 * 0.25 * 0.03238,
        "application: memory": 720 * 2 * 0.5 * 0.00356,
        "database: 2 x db.t4g.micro": 720 * 2 * 0.016,
        "its disk": 20 * 0.23,
        "load balancer": 720 * 0.0225,
        "load balancer: units": 720 * 0.008,
    }
    assert {item.use.name: item.dollars for item in bill.items} == pytest.approx(by_hand)
    cloud = bills["Temporal Cloud"]
    assert cloud is not None
    items = {item.use.name: item.dollars for item in cloud.items}
    stored = 8_000e-9 * MILLION * 720 * 0.00105
    assert items["actions"] == pytest.approx(4 * 50)
    # Worker and API, a tenth of a second an order each, are containers of one task.
    assert items["worker and API: 2 x 0.25 vCPU"] == pytest.approx(720 * 2 * 0.25 * 0.03238)
    assert items["plan"] == pytest.approx(0.1 * (4 * 50 + stored))


def test_servers_grow_with_what_was_measured() -> None:
    idle = Measured(0.0, 0.0, 0.0)
    for part, orders, vcpus in ((idle, MILLION, 0.25), (Measured(0.1, 0, 0), 100 * MILLION, 4.0)):
        [processor, _] = tasks("x", part, orders)
        assert processor.units == 2 * HOURS * vcpus  # 3.86 of a vCPU in two zones, half busy
    [server, disk] = database(Measured(0.01, 0, 0), 100 * MILLION, 6e-6)
    assert server.name == "database: 2 x db.m7g of 8 vCPU"  # 0.386, ten times at the peak, 80% busy
    assert disk.units == 600
    [bill] = [
        one.bills[100 * MILLION] for one in Book(a_record()).priced() if one.offer.name == "DBOS"
    ]
    assert bill is not None
    [disk] = [item.use for item in bill.items if item.use.name == "its disk"]
    assert disk.units == pytest.approx(600 / 30)  # a day's orders
    [_, memory] = tasks("x", Measured(0, 0, 1.1 * 2**30), 1)
    assert memory.units == 2 * HOURS * 2.0
    for held_gb, orders, nodes, dollars_an_hour in (
        (0.2, MILLION, "3 nodes, t4g.small", 0.0168),  # 1.5 GB are the least
        (1.5, MILLION, "3 nodes, t4g.medium", 0.0336),  # and half as much again as it held
        (0.2, 100 * MILLION, "3 nodes, m7g of 4 vCPU", 2 * 0.0816),  # 0.386, ten times, on two
    ):
        record = a_record()
        measured = healthy({"program": 0.0001, "server": 0.01}, stored=0)
        measured["memory_after_bytes"]["server"] = held_gb * 2**30
        record["systems"]["restate"]["tests"]["healthy"] = measured
        [bill] = [one.bills[orders] for one in Book(record).priced() if one.offer.name == "Restate"]
        assert bill is not None
        [item] = [item for item in bill.items if "nodes" in item.use.name]
        assert item.use.name == nodes
        assert item.dollars == pytest.approx(3 * HOURS * dollars_an_hour)


def test_what_the_page_says_of_the_tests_is_so() -> None:
    said = {kind: what for kind, (_, what) in page.TESTS.items()}
    assert "A fifth" in said["answers lost"]
    assert pytest.approx(1 / 5) == trials.LOST
    assert "five minutes" in page.TESTS["outage"][0]
    assert run.OUTAGE_SECONDS == 5 * 60  # so much may an Express workflow take
    assert "at most five minutes" in alternatives()["Step Functions Express"].but
    for design in ("Step Functions Standard", "Lambda durable functions"):
        assert re.match(r"300 starts/s: .* kept for 90 days", alternatives()[design].but)
    assert {*NAMES} == {*SYSTEMS, *COUNTED}


def test_the_record_has_no_path_of_a_machine() -> None:
    assert str(PROJECT) not in json.dumps(recorded())
    assert run.without_paths(f"no server ({PROJECT}/x.log, {home()}/y)") == "no server (x.log, y)"


def test_only_a_whole_run_is_recorded() -> None:
    with pytest.raises(Exception, match="a whole run"):
        run.main(system=["dbos"], record=True)


@pytest.mark.parametrize("name", ["Step Functions Standard", "Lambda durable functions"])
def test_what_is_counted_is_what_is_priced(name: str) -> None:
    """Where a run was recorded: an order that nobody refused took so many operations."""
    system = name.removesuffix(" Standard").lower().removeprefix("lambda ").replace(" ", "_")
    tests: Any = recorded()["systems"].get(system, {}).get("tests", {})
    priced = {price: count for price, count, _ in alternatives()[name].per_order}
    operations = {"step_functions": "states.transitions", "durable_functions": "durable.operations"}
    if "fulfilled" in tests.get("healthy", {}):
        kinds = tests["healthy"]["fulfilled"]["operations"]
        counted = sum(count for kind, count in kinds.items() if kind != "retries")
        assert counted == priced[operations[system]]
