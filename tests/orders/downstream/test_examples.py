"""Each example's description speaks to its fake, which keeps the example's contract: every request
is understood, and every answer means what it should."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAM_OF, Downstream, Outcome, Step
from orders.downstream.description import described
from orders.downstream.http import HttpDownstream
from orders.downstream.template import Scope
from orders.downstream.transport import Answer, Call
from orders.failures import Misconfigured, PermanentFailure, TransientFailure
from orders.ports import Command, Later
from simulation.downstreams.examples.erp import Erp
from simulation.downstreams.examples.warehouse import Warehouse
from simulation.downstreams.exchange import Request
from simulation.downstreams.ledger import Entry
from simulation.downstreams.service import Service
from simulation.world.runtime import SetClock
from tests.builders import FREE, NOW, an_order, order_id
from tests.simulation.downstreams.builders import API_KEY
from tests.simulation.downstreams.examples.builders import (
    a_warehouse,
    an_erp,
    bearer,
    document,
    set_faults,
    some_books,
)

URL = "https://downstream.example"
#: Whatever an identity provider calls a customer.
AWKWARD = "a/b?c=d&e f@ü"


@dataclass
class Wire:
    """Takes each call to a fake. `proof`: what its caller sends along."""

    fake: Service
    proof: Mapping[str, str] = field(default_factory=dict)
    sent: list[Call] = field(default_factory=list)
    told: list[bytes] = field(default_factory=list)

    def __call__(self, call: Call) -> Answer:
        self.sent.append(call)
        if isinstance(self.fake, Warehouse):
            outcome = self.fake.handle(call.body)
            self.told += [] if outcome is None else [outcome]
            return Answer(200, {}, b"")
        path, _, query = call.url.removeprefix(URL).partition("?")
        headers = {**call.headers, **self.proof}
        request = Request(call.method, path, headers, call.body, dict(parse_qsl(query)))
        answer = self.fake(request)
        if answer is None:
            raise TransientFailure("no answer")
        return Answer(answer.status, answer.headers, answer.body)


def example(
    name: str, downstream: Downstream, wire: Wire, *, look_up_first: bool = False
) -> HttpDownstream:
    return HttpDownstream(described(name, downstream), URL, wire, SetClock(NOW), look_up_first)


def command(step: Step, references: Mapping[Step, str] | None = None, **order: Any) -> Command:
    key = OrderKey(order.pop("customer_id", AWKWARD), order_id())
    return Command(key, step, an_order(**order), references=references or {})


def entries(fake: Service, step: Step) -> list[Entry]:
    return [entry for entry in fake.ledger.all_entries() if entry.step == step]


def an_inventory(erp: Erp, key: str = API_KEY) -> HttpDownstream:
    sent = described("erp", "inventory").api_key
    return example("erp", "inventory", Wire(erp, {sent.header: f"{sent.prefix}{key}"}))


class TestErp:
    def test_a_hold_is_taken_then_asked_for_and_released_by_its_number(self) -> None:
        erp = an_erp()
        service = an_inventory(erp)
        reserve = command(Step.RESERVE)
        assert service.ask(reserve, None) is None
        assert service.perform(reserve) == Later()
        assert service.ask(reserve, None) == Later()
        erp.work_off()
        held = service.ask(reserve, None)
        assert held == service.perform(reserve)
        assert isinstance(held, Outcome)
        assert held.reference
        [entry] = entries(erp, Step.RESERVE)
        assert (entry.customer_id, entry.order_id) == (AWKWARD, reserve.key.order_id)
        assert reserve.order is not None
        assert (entry.amount, entry.currency) == (reserve.order.total, reserve.order.currency)
        release = replace(reserve, step=Step.RELEASE, references={Step.RESERVE: held.reference})
        released = service.perform(release)
        assert isinstance(released, Outcome)
        assert released.done
        assert released == service.perform(release)
        assert len(entries(erp, Step.RELEASE)) == 1

    def test_a_refusal_has_its_code_whichever_way_it_comes(self) -> None:
        erp = an_erp()
        service = an_inventory(erp)
        set_faults(erp, refuse_rate=1)
        reserve = command(Step.RESERVE)
        service.perform(reserve)
        erp.work_off()
        refused = Outcome(NOW, refusal="FEHLBESTAND")
        assert (service.ask(reserve, None), service.perform(reserve)) == (refused, refused)

    def test_a_hold_that_is_not_there_is_for_a_person(self) -> None:
        service = example(
            "erp", "inventory", Wire(an_erp(), {"authorization": f"ApiKey {API_KEY}"})
        )
        with pytest.raises(PermanentFailure):
            service.perform(command(Step.RELEASE, {Step.RESERVE: "4711"}))

    def test_a_wrong_key_waits(self) -> None:
        service = an_inventory(an_erp(), "another")
        with pytest.raises(Misconfigured):
            service.perform(command(Step.RESERVE))


class TestWarehouse:
    @pytest.mark.parametrize(
        "order",
        [
            {},
            {"channel": "wholesale", "purchase_order": "PO-1"},
            {"address": {"name": "A", "lines": ["1"], "city": "Tsim Sha Tsui", "country": "HK"}},
        ],
    )
    def test_a_message_is_understood_and_says_later(self, order: dict[str, Any]) -> None:
        warehouse = a_warehouse()
        wire = Wire(warehouse)
        service = example("warehouse", "fulfilment", wire)
        ship = command(Step.SHIP, **order)
        assert service.perform(ship) == service.perform(ship) == Later()
        [entry] = entries(warehouse, Step.SHIP)
        assert entry.customer_id == AWKWARD
        assert wire.told[0] == wire.told[1]
        for step in (Step.CANCEL_SHIPMENT, Step.RECALL_SHIPMENT):
            stop = replace(ship, step=step, order=None, references={Step.SHIP: entry.reference})
            assert service.perform(stop) == Later()
            assert len(entries(warehouse, step)) == 1


class TestBooks:
    @pytest.mark.parametrize(
        "order",
        [
            {},
            {"channel": "wholesale", "purchase_order": "PO-1"},
            {
                "discounts": [{"coupon": "XMAS10", "amount": 10}],
                "total": 895,
                "payment": {"reference": "pay_01", "amount": 895, "currency": "GBP"},
            },
            FREE,
        ],
    )
    @pytest.mark.parametrize("step", [Step.POST, Step.REFUND])
    def test_a_document_is_posted_once_however_often_it_is_asked(
        self, step: Step, order: dict[str, Any]
    ) -> None:
        books = some_books()
        service = example("books", "accounting", Wire(books, bearer(books)), look_up_first=True)
        asked = command(step, **order)
        first = service.perform(asked)
        assert first == service.perform(asked)
        assert isinstance(first, Outcome)
        assert first.reference
        [entry] = entries(books, step)
        assert asked.order is not None
        assert (entry.customer_id, entry.amount) == (AWKWARD, asked.order.total)

    def test_an_answer_that_was_lost_is_found(self) -> None:
        books = some_books()
        service = example("books", "accounting", Wire(books, bearer(books)), look_up_first=True)
        post = command(Step.POST)
        books.random = falls(0.9, 0.1)
        set_faults(books, lose_answers_rate=0.5)
        with pytest.raises(TransientFailure):
            service.perform(post)
        set_faults(books)
        found = service.perform(post)
        assert isinstance(found, Outcome)
        assert [entry.reference for entry in entries(books, Step.POST)] == [found.reference]

    def test_a_refusal_is_found_too(self) -> None:
        books = some_books()
        service = example("books", "accounting", Wire(books, bearer(books)), look_up_first=True)
        set_faults(books, refuse_rate=1)
        post = command(Step.POST)
        refused = Outcome(NOW, refusal="ACCOUNT_BLOCKED")
        assert service.perform(post) == service.perform(post) == refused
        assert len(entries(books, Step.POST)) == 1


def falls(*values: float) -> Callable[[], float]:
    """Dice for the lookup's error_rate and loss, and so on."""
    thrown = [value for value in values for _ in range(2)]
    return lambda: thrown.pop(0) if thrown else 0.5


#: By step: the description, and the schema of its request's body in docs/contracts/examples.
BODIES: Mapping[Step, tuple[str, str]] = {
    Step.RESERVE: ("erp", "Beleg"),
    Step.SHIP: ("warehouse", "ShipRequest"),
    Step.CANCEL_SHIPMENT: ("warehouse", "CancelRequest"),
    Step.RECALL_SHIPMENT: ("warehouse", "RecallRequest"),
    Step.POST: ("books", "Invoice"),
    Step.REFUND: ("books", "CreditNote"),
}


@pytest.mark.parametrize("order", [{}, FREE, {"channel": "wholesale", "purchase_order": "PO-1"}])
@pytest.mark.parametrize("step", list(BODIES))
def test_each_request_is_as_the_examples_contract_has_it(step: Step, order: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator

    name, schema = BODIES[step]
    request = described(name, DOWNSTREAM_OF[step]).requests[step]
    assert request.body is not None
    body = request.body(Scope(command(step, {Step.SHIP: "ship_1"}, **order)))
    components = document(name)["components"]
    validator = Draft202012Validator({**components["schemas"][schema], "components": components})
    validator.validate(json.loads(msgspec.json.encode(body)))
