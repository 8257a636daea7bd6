"""Spillway's adapter against a downstream without idempotency keys, over real HTTP: an answer is
lost, and the command comes again."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import urllib3

from orders.domain.order import OrderKey
from orders.domain.saga import DOWNSTREAM_OF, Outcome, Step
from orders.downstream.description import described
from orders.downstream.http import HttpDownstream
from orders.downstream.proofs import Signature
from orders.downstream.transport import Https
from orders.failures import TransientFailure
from orders.ports import Command
from simulation.downstreams.ledger import Entry, Ledger, MemoryLedger
from simulation.downstreams.server import application
from simulation.world.runtime import SetClock
from tests.builders import CUSTOMER, NOW, an_order, order_id
from tests.hosting import Host
from tests.simulation.downstreams.builders import API_KEYS

UNDOES = {
    Step.RELEASE: Step.RESERVE,
    Step.CANCEL_SHIPMENT: Step.SHIP,
    Step.RECALL_SHIPMENT: Step.SHIP,
}


class Bench:
    """The downstream that does one step of one order, without keys, and the adapter to it."""

    def __init__(self, client: httpx.Client, ledgers: Mapping[str, Ledger], step: Step) -> None:
        self._name = DOWNSTREAM_OF[step]
        self._client = client
        self._ledger = ledgers[self._name]
        self._command = Command(OrderKey(CUSTOMER, order_id()), step, an_order())
        self.set_faults()
        if step in UNDOES:
            self._adapter(look_up_first=False).perform(
                Command(self._command.key, UNDOES[step], an_order())
            )

    def set_faults(self, *, idempotency_keys: bool = False, **fault_settings: object) -> None:
        self._client.put(
            f"/{self._name}/fault-settings",
            json={"idempotency_keys": idempotency_keys, **fault_settings},
            headers={"x-api-key": API_KEYS[self._name]},
        ).raise_for_status()

    def perform(self, *, look_up_first: bool) -> Outcome:
        answer = self._adapter(look_up_first).perform(self._command)
        assert isinstance(answer, Outcome)
        return answer

    def perform_twice_at_once(self) -> None:
        """Two copies, of which neither gives its command before both have looked."""
        both_have_looked = threading.Barrier(2, timeout=5)
        adapter = self._adapter(look_up_first=True, before_command=both_have_looked.wait)
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(adapter.perform, [self._command] * 2))

    def effects(self) -> list[Entry]:
        key = self._command.key
        entries = self._ledger.entries(key.customer_id, key.order_id)
        return [entry for entry in entries if entry.step == self._command.step]

    def _adapter(
        self, look_up_first: bool, before_command: Callable[[], object] = lambda: None
    ) -> HttpDownstream:
        def authorise(
            method: str, _url: str, headers: Mapping[str, str], _body: bytes
        ) -> dict[str, str]:
            if method == "POST":
                before_command()
            return {**headers, "x-api-key": API_KEYS[self._name]}

        clock = SetClock(NOW)
        return HttpDownstream(
            description=described(self._name, self._name),
            url=str(self._client.base_url.join(self._name)),
            send=Https(urllib3.PoolManager(), Signature(authorise), clock, timeout_seconds=5.0),
            clock=clock,
            look_up_first=look_up_first,
        )


@pytest.fixture(params=list(Step))
def bench(host: Host, request: pytest.FixtureRequest) -> Iterator[Bench]:
    ledgers = {name: MemoryLedger() for name in API_KEYS}
    host.application = application(ledgers, API_KEYS)
    with host.client() as client:
        yield Bench(client, ledgers, request.param)


@pytest.mark.parametrize(
    ("look_up_first", "effects"),
    [
        pytest.param(False, 2, id="asked again: the violation"),
        pytest.param(True, 1, id="looked up first"),
    ],
)
def test_a_lost_answer_is_a_second_effect_unless_it_is_looked_up(
    bench: Bench, look_up_first: bool, effects: int
) -> None:
    bench.set_faults(lose_answers_rate=1)
    with pytest.raises(TransientFailure, match=r"^POST .*: ProtocolError$"):
        bench.perform(look_up_first=look_up_first)
    bench.set_faults()
    outcome = bench.perform(look_up_first=look_up_first)
    assert outcome.done
    assert len(bench.effects()) == effects
    assert outcome.reference in {effect.reference for effect in bench.effects()}


@pytest.mark.parametrize("bench", [Step.RESERVE], indirect=True)
@pytest.mark.parametrize(
    ("idempotency_keys", "effects"),
    [
        pytest.param(False, 2, id="what a lookup can't prevent"),
        pytest.param(True, 1, id="and a key can"),
    ],
)
def test_two_copies_that_look_at_the_same_moment_are_kept_apart_by_a_key_only(
    bench: Bench, idempotency_keys: bool, effects: int
) -> None:
    bench.set_faults(idempotency_keys=idempotency_keys)
    bench.perform_twice_at_once()
    assert len(bench.effects()) == effects
