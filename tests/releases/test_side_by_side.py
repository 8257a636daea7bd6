"""While a release is shifted, and after it was rolled back, old and new code work on the same table
and the same queues: each must understand what the other has written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.bundle import ROOT
from orders.aws import items
from orders.domain import saga
from orders.domain.parcels import News, What
from orders.domain.saga import Step
from orders.domain.units import Millis
from spillway.prove.simulate.saga_states import State, reachable
from tests.builders import NOW, accepted
from tests.releases.decide import decisions
from tests.releases.record import record
from tests.releases.write import EXPRESS, STUB, placed, progress_item, progressed, written

HERE = Path(__file__).parent
RELEASES = sorted(path.parent for path in HERE.glob("*/written.json"))
SHIPPED = News("1", What.SHIPPED, NOW, "DHL", "00340434161094042557", 2)
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

every_release = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)


def read_by(reader: Path, samples: dict[str, list[Any]]) -> subprocess.CompletedProcess[str]:
    """What some code makes of the samples, in a process of its own."""
    return subprocess.run(  # noqa: S603 - the command is ours
        (sys.executable, str(reader)),
        input=json.dumps(samples),
        check=False,
        capture_output=True,
        text=True,
    )


def run_by(release: Path, *command: str, given: Any = None) -> Any:
    """What a program of ours answers, run with a release's own code."""
    done = subprocess.run(  # noqa: S603 - the command is ours
        (sys.executable, *command),
        input=json.dumps(given),
        env={**os.environ, "PYTHONPATH": str(release / "orders.zip")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def meaning_to(reader: Path, samples: dict[str, list[Any]]) -> dict[str, list[Any]]:
    done = read_by(reader, samples)
    assert done.returncode == 0, done.stderr
    read: dict[str, list[Any]] = json.loads(done.stdout)
    return read


def meaning_now(samples: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return meaning_to(HERE / "read.py", samples)


def meaning_then(release: Path, samples: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return meaning_to(release / "orders.zip", samples)


#: What release 0.2.0, which knows no order without a payment, reads where there was none.
NOTHING_PAID = {"reference": "", "amount": 0, "currency": "GBP", "receipt": ""}


def says_all_of(more: Any, less: Any) -> bool:
    """Whether `more` tells everything that `less` tells, the same way."""
    if more is None and less == NOTHING_PAID:
        return True
    if isinstance(less, dict):
        return isinstance(more, dict) and all(
            name in more and says_all_of(more[name], value) for name, value in less.items()
        )
    if isinstance(less, list):
        return (
            isinstance(more, list) and len(more) == len(less) and all(map(says_all_of, more, less))
        )
    return bool(more == less)


def test_the_release_before_this_code_is_kept() -> None:
    assert RELEASES, "keep one: make record-release"
    assert VERSION in {release.name for release in RELEASES}


@every_release
def test_this_code_understands_what_a_release_wrote_as_that_release_did(release: Path) -> None:
    samples = json.loads((release / "written.json").read_text())
    understood = json.loads((release / "meaning.json").read_text())
    assert says_all_of(meaning_now(samples), understood)


@every_release
def test_a_release_understands_what_this_code_writes(release: Path) -> None:
    """Only of what it knows: a kind of message that is new goes to nobody old."""
    samples = written()
    known = json.loads((release / "written.json").read_text()).keys()
    then = meaning_then(release, {kind: samples[kind] for kind in known})
    assert says_all_of(meaning_now(samples), then)


@every_release
def test_a_release_is_read_with_its_own_code(release: Path) -> None:
    samples = json.loads((release / "written.json").read_text())
    assert meaning_then(release, samples) == json.loads((release / "meaning.json").read_text())


@every_release
def test_every_kind_of_data_has_samples(release: Path) -> None:
    samples = json.loads((release / "written.json").read_text())
    assert samples.keys() <= written().keys()
    assert samples.keys() >= {
        "order_item",
        "progress_item",
        "stream_record",
        "command",
        "overflow",
        "check",
        "event",
    }
    assert all(samples.values())


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("order_item", lambda item: item.pop("digest")),
        ("order_item", lambda item: item.update(content=item["digest"])),
        ("stream_record", lambda record: record["dynamodb"].pop("Keys") and record.clear()),
        ("progress_item", lambda item: item["reserve"]["M"].pop("at")),
        # It answers 500 where an order was archived, and never that there is none: orders leave the
        # table only when this code is all there is (CHANGELOG.md).
        ("order_item", lambda item: item.clear() or item.update(STUB)),
    ],
)
def test_a_change_that_old_code_cannot_bear_is_noticed(kind: str, change: Any) -> None:
    samples = {kind: written()[kind][1:]}
    for sample in samples[kind]:
        change(sample)
    release = RELEASES[-1]
    assert read_by(release / "orders.zip", samples).returncode != 0


def test_a_step_that_old_code_does_not_know_must_not_be_sent_to_it() -> None:
    """Code that knows a new step is released before code that commands it: see
    docs/production.md."""
    command = json.loads(written()["command"][0])
    samples = {"command": [json.dumps({**command, "step": "gift_wrap"})]}
    release = RELEASES[-1]
    refused = read_by(release / "orders.zip", samples)
    assert "PermanentFailure: not a command" in refused.stderr


def test_a_watchdog_that_does_not_know_the_stream_leaves_its_changes_to_one_that_does() -> None:
    """0.2.0's relay sends the checks itself. If its watchdog is handed changes of the table while a
    release is shifted or rolled back, it fails on them, and Lambda keeps them."""
    changes = {"Records": written()["stream_record"]}
    handed = (
        "import json, sys; sys.path.insert(0, sys.argv[1]);"
        " from orders.flow.consumer import Consumer; from orders.handlers import watchdog;"
        " consumer = Consumer('watchdog', *[None] * 5);"
        " watchdog.handle(json.load(sys.stdin), consumer, None)"
    )
    done = subprocess.run(  # noqa: S603 - the command is ours
        (sys.executable, "-c", handed, str(HERE / "0.2.0" / "orders.zip")),
        input=json.dumps(changes),
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "KeyError: 'messageId'" in done.stderr) == (1, True), done.stderr


def test_an_attribute_that_old_code_does_not_know_is_left_alone() -> None:
    samples = {"progress_item": written()["progress_item"]}
    more = {
        "progress_item": [
            {**items.with_news(item, SHIPPED), "gift_wrap": {"S": "red"}}
            for item in written()["progress_item"]
        ]
    }
    assert meaning_then(RELEASES[-1], more) == meaning_then(RELEASES[-1], samples)


def written_of(state: State) -> dict[str, Any] | None:
    """The progress item of an order of the express path."""
    if not state.done and not state.refused and state.cancellation is None:
        return None
    return progress_item(EXPRESS, state.facts, express=bool(state.begun))


@every_release
def test_a_release_does_about_each_change_of_an_express_order_what_this_code_does(
    release: Path,
) -> None:
    """Cancelled or not, whatever the downstreams answered: so a stage can go back to it."""
    records = [
        progressed(written_of(before), after)
        for before, every in reachable(express=True).items()
        for state in every
        if before.facts != state.facts and (after := written_of(state)) is not None
    ]
    assert len(records) > 500
    then = run_by(release, str(HERE / "decide.py"), given=records)
    assert then == decisions(records)
    assert {step for decision in then for step in decision["steps"]} == {*Step} - {Step.RESERVE}


CANCELS = """
import json
from dataclasses import replace
from orders.aws.table import DynamoOrders
from orders.domain import saga
from orders.domain.order import OrderKey
from orders.domain.saga import Outcome, Step

class NothingOnRecord:
    def update_item(self, **asked):
        assert "attribute_not_exists(#reserve)" in asked["ConditionExpression"]
        return {"Attributes": {"cancellation": asked["ExpressionAttributeValues"][":cancellation"]}}

facts = DynamoOrders(NothingOnRecord(), "orders").request_cancellation(OrderKey("a", "b"), 1)
shipped = {step: Outcome(2) for step in (Step.RESERVE, Step.SHIP, Step.POST)}
print(json.dumps(sorted(saga.owed(replace(facts, outcomes=shipped)))))
"""


def test_a_release_without_the_express_path_must_not_cancel_an_order_that_takes_it() -> None:
    """Where `ship` was commanded and `reserve` is not on record yet, it gives stock and money back
    whether or not the shipment can still be stopped. So such a release never runs beside the
    setting, nor after it before such orders have come through (CHANGELOG.md)."""
    owed = run_by(HERE / "0.2.0", "-c", CANCELS)
    assert owed == [Step.CANCEL_SHIPMENT, Step.REFUND, Step.RELEASE]
    in_danger = [
        state
        for state in reachable(express=True)
        if Step.SHIP in state.begun and state.cancellation is None
        if not state.facts.known(Step.RESERVE)
    ]
    # Nothing is on record of any: each waits for inventory, as the changelog tells an operator.
    assert in_danger
    assert all(saga.owed(state.facts) == {Step.RESERVE} for state in in_danger)


def test_a_release_that_holds_no_orders_begins_one_that_is_held() -> None:
    """So none may be held before a stage goes back to it: the changelog and docs/production.md say
    which command lists them."""
    order = replace(accepted(EXPRESS), held_until=Millis(NOW + 1_000))
    records = [placed(order), progressed(None, items.held_progress_item(order))]
    now = decisions(records)
    assert [decision["steps"] for decision in now] == [[], []]
    assert {decision["status"] for decision in now} == {"held"}
    then = run_by(HERE / "0.2.0", str(HERE / "decide.py"), given=records)
    assert then[0]["steps"] == [Step.RESERVE]
    command = "`spillway orders list --unsettled --status held`"
    for page in ("CHANGELOG.md", "docs/production.md"):
        assert command in (ROOT / page).read_text()


def test_a_meaning_that_changed_is_no_longer_the_same() -> None:
    assert says_all_of({"a": 1, "b": 2}, {"a": 1})
    assert not says_all_of({"a": 2, "b": 2}, {"a": 1})
    assert not says_all_of({"b": 2}, {"a": 1})
    assert not says_all_of([1, 2], [1])


def test_what_is_kept_depends_on_the_code_alone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        record(tmp_path / name)
    first, second = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (tmp_path / "one", tmp_path / "two")
    )
    assert first == second
