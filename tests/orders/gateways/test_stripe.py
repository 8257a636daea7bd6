"""The adapter reads every page of what Stripe has, and takes each answer for what it means."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import chain, islice
from types import SimpleNamespace

import pytest

from orders.domain.payments import Paid
from orders.domain.units import Millis
from orders.failures import Misconfigured, PermanentFailure, TransientFailure
from orders.gateways.stripe import Stripe
from simulation.gateway.stripe import FakeStripe, Fault, StripeConnections
from simulation.world.runtime import SetClock
from tests.builders import CUSTOMER, NOW, order_id, order_key

KEY = "rk_test_fake"
PAYMENT = Paid("pi_nobodys", 905, "GBP", NOW, None)


class Account:
    def __init__(self) -> None:
        self.clock = SetClock(NOW)
        self.faults: list[Fault | None] = []
        self.fake = FakeStripe(self.clock.now, next_fault=lambda *_: self._fault())
        self.key = KEY
        self.stripe = Stripe(StripeConnections(self.fake), lambda: self.key)  # type: ignore[arg-type]

    def taken(self, since: int = 0, until: int = 2 * NOW) -> list[Paid]:
        return list(chain.from_iterable(self.stripe.taken(Millis(since), Millis(until))))

    def paid(self, amount: int = 905, currency: str = "GBP") -> Paid:
        found = self.stripe.find(self.fake.pay(amount, currency, {}))
        assert found is not None
        return found

    def _fault(self) -> Fault | None:
        return self.faults.pop(0) if self.faults else None


@pytest.fixture
def account() -> Account:
    return Account()


def test_every_page_is_read(account: Account) -> None:
    names = {account.fake.pay(100 + number, "GBP", {}) for number in range(250)}
    assert {each.reference for each in account.taken()} == names


def test_a_page_that_comes_again_is_no_endless_list(account: Account) -> None:
    intent = {"id": "pi_1", "amount_received": 5, "currency": "gbp", "created": NOW // 1000}
    page = json.dumps({"data": [intent], "has_more": True}).encode()

    class Pool:
        def request(self, *_: object, **__: object) -> SimpleNamespace:
            return SimpleNamespace(status=200, data=page)

    stripe = Stripe(Pool(), lambda: KEY)  # type: ignore[arg-type]
    with pytest.raises(TransientFailure, match="the same page again"):
        list(islice(stripe.taken(Millis(0), NOW), 5))


def test_only_the_time_that_was_asked_for_is_read(account: Account) -> None:
    for at in (NOW - 1000, NOW, NOW + 1000):
        account.clock.milliseconds = at
        account.fake.pay(100, "GBP", {})
    assert [each.at for each in account.taken(NOW, NOW + 1000)] == [NOW]


def test_a_payment_has_its_order_its_sum_and_what_has_gone_back(account: Account) -> None:
    key = order_key(CUSTOMER, order_id())
    named = {"customer_id": key.customer_id, "order_id": key.order_id}
    reference = account.fake.pay(905, "GBP", named)
    payment = Paid(reference, 905, "GBP", NOW, key)
    assert account.taken() == [payment]
    assert account.stripe.give_back(payment)
    assert account.stripe.find(reference) == Paid(reference, 905, "GBP", NOW, key, 905)


def test_ariary_are_counted_whole(account: Account) -> None:
    assert account.paid(5, "MGA").amount == 500


def test_krona_are_counted_in_hundredths(account: Account) -> None:
    assert account.paid(500, "ISK").amount == 5
    account.fake.pay(550, "ISK", {})
    with pytest.raises(TransientFailure, match="hundredths"):
        account.taken()


@pytest.mark.parametrize("reference", ["pi_nobody's", "", "../refunds", "pi_1?expand[]=x"])
def test_what_stripe_does_not_have_is_not_found(account: Account, reference: str) -> None:
    assert account.stripe.find(reference) is None


def test_a_read_that_fails_once_is_made_again(account: Account) -> None:
    account.fake.pay(100, "GBP", {})
    account.faults = ["answer_lost"]
    assert len(account.taken()) == 1
    account.faults = ["fails_before", "fails_before"]
    with pytest.raises(TransientFailure, match="500 api_error"):
        account.taken()


@pytest.mark.parametrize(
    "act", [lambda one: one.taken(), lambda one: one.stripe.give_back(PAYMENT)]
)
def test_a_wrong_key_waits_and_rings(account: Account, act: Callable[[Account], object]) -> None:
    account.key = "expired"
    with pytest.raises(Misconfigured, match="401"):
        act(account)


def test_what_has_gone_back_before_is_given_back(account: Account) -> None:
    payment = account.paid()
    assert account.stripe.give_back(payment)
    account.clock.milliseconds += 25 * 60 * 60 * 1000
    assert account.stripe.give_back(payment)
    assert len(account.fake.refunds) == 1


def test_what_stripe_will_not_give_back_is_for_a_person(account: Account) -> None:
    with pytest.raises(PermanentFailure, match="404 resource_missing"):
        account.stripe.give_back(PAYMENT)
