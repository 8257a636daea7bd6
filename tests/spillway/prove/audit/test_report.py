"""An audit in numbers for scripts and in words for people."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from orders.domain.promises import Promise
from orders.domain.saga import Step
from spillway.prove.audit.report import document, show
from spillway.prove.audit.running import Audited
from tests.spillway.prove.audit.builders import KEY, confirmed, scene
from tests.spillway.prove.audit.fake_tables import NOW_SECONDS, FakeQueues, audited
from tests.spillway.prove.audit.test_running import key, moved


def shown(found: Audited, width: int = 120, options: str = "") -> str:
    text = io.StringIO()
    show(found, Console(file=text, width=width), options=options)
    return text.getvalue()


def test_the_document_has_the_demos_promises() -> None:
    report = document(audited([confirmed()]))

    assert list(report["promises"]) == [promise.value for promise in Promise]
    for promise in report["promises"].values():
        assert promise.keys() == {"held", "violations", "examples", "judged", "evidence"}
    assert report["orders"] == {"stored": 1, "settled": 1, "under_way": 0}
    assert report["effects"] == {"inventory": 1, "fulfilment": 1, "accounting": 1}
    assert json.loads(json.dumps(report)) == report


def test_a_broken_order_is_named_without_its_customers_identity() -> None:
    found = audited([confirmed().without_effect(Step.SHIP)])
    report = document(found)

    assert [(one["promise"], one["order_id"]) for one in report["broken"]] == [
        ("never_half_done", KEY.order_id)
    ]
    assert report["broken"][0]["customer"] == KEY.customer_hash
    for text in (json.dumps(report), shown(found)):
        assert KEY.customer_hash in text
        assert KEY.customer_id not in text


def test_many_broken_orders_are_counted_and_the_first_are_shown() -> None:
    spoilt = confirmed().without_effect(Step.SHIP)
    text = shown(audited([moved(spoilt, key(number)) for number in range(25)]))

    assert "and 5 more" in text
    assert "Broken: never_half_done." in text


def test_dead_letters_are_pointed_to() -> None:
    queues = FakeQueues({"inventory_dead_letter": [2]})
    found = audited([confirmed()], queues=queues)

    assert document(found)["dead_letters"] == 2
    assert "`spillway redrive --dry-run --port 8700`" in shown(found, options=" --port 8700")
    assert "redrive" not in shown(audited([confirmed()]))


@pytest.mark.parametrize("width", [60, 200])
def test_orders_under_way_and_stuck_orders_are_shown(width: int) -> None:
    waiting = [scene("reserve", status="accepted")]

    assert "under way" in shown(audited(waiting), width)
    assert "stuck" in shown(audited(waiting, seconds=NOW_SECONDS + 3600), width)
