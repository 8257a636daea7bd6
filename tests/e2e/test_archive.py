"""The deployed function moves old orders to their bucket, and no customer notices."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from spillway.cli import app
from spillway.prove.audit.command import _audited
from spillway.run.stack import Stack
from tests.builders import order_key
from tests.e2e.old_orders import answers, is_archived, make_old, run_archive
from tests.e2e.shop import Customer, effects


def test_an_archived_order_is_answered_and_cancelled_as_one_in_the_table(
    stack: Stack, shopper: Customer, other: Customer
) -> None:
    id_, body = shopper.order()
    assert shopper.put(id_, body).status_code == 201
    assert shopper.settled(id_)["status"] == "confirmed"
    make_old(stack, shopper, id_)
    before = answers(shopper, id_, body)
    assert [status for status, _ in before.values()] == [200, 200, 200, 409]
    assert run_archive(stack) is None
    assert is_archived(stack, shopper, id_)
    assert answers(shopper, id_, body) == before
    assert other.http.get(f"/orders/{id_}").status_code == 404
    assert other.cancel(id_).status_code == 404
    # Cancelled, it is back in the table and undone like any other.
    answer = shopper.cancel(id_)
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelling")
    assert not is_archived(stack, shopper, id_)
    settled = shopper.settled(id_)
    assert settled["status"] == "cancelled"
    assert settled["order"] == before["order"][1]["order"]
    steps = ("reserve", "ship", "post", "cancel_shipment", "release", "refund")
    assert effects(stack, shopper, id_) == dict.fromkeys(steps, 1)


def test_whoever_operates_it_finds_audits_and_erases_an_archived_order_as_any_other(
    stack: Stack, other: Customer
) -> None:
    id_ = other.place()
    other.settled(id_)
    make_old(stack, other, id_)
    settled = other.get(id_)
    shown = spillway(stack, "orders", "show", id_)
    assert run_archive(stack) is None
    assert is_archived(stack, other, id_)

    again = spillway(stack, "orders", "show", id_)
    assert again.pop("archived").startswith("orders/")
    # What was logged may have come late, and which way it went is not archived.
    differing = ("archived", "lines", "lines_complete", "attempts", "way", "express")
    assert {**again, **dict.fromkeys(differing)} == {**shown, **dict.fromkeys(differing)}
    listed = spillway(stack, "orders", "list", "--customer", other.id)["orders"]
    assert id_ in {order["order_id"] for order in listed}

    key = order_key(other.id, id_)
    audit = _audited(stack, 900)
    assert not [found for found in audit.broken if found.key == key]

    assert id_ in spillway(stack, "customers", "erase", other.id, "--yes")["erased"]
    erased = other.get(id_)
    assert erased.pop("order")["address"]["name"] == "erased"
    del settled["order"]
    assert erased == settled
    assert id_ in spillway(stack, "customers", "erase", other.id, "--yes")["were_erased"]
    # It comes back as what is left of it.
    assert other.cancel(id_).status_code == 202
    assert not is_archived(stack, other, id_)
    assert other.settled(id_)["order"]["address"]["name"] == "erased"


def spillway(stack: Stack, *command: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*command, "--json", "--port", str(stack.port)])
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
