"""The network to the payment gateway: a connection pool that ends at the fake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulation.gateway.stripe import FakeStripe, HttpAnswer
from simulation.gateway.stripe import Fault as GatewayFault
from simulation.world.bucket import Answer, BucketConnections
from simulation.world.calls import Calls, Site
from simulation.world.faults import HTTP_WRITE_KINDS, Fault, Kinds
from simulation.world.network import no_answer

_READ_KINDS = Kinds((Fault.CRASH_BEFORE, Fault.REQUEST_LOST, Fault.SLOW, Fault.ERROR_ANSWER))
_SERVICE = "gateway"
_FAILURES: tuple[GatewayFault, ...] = ("too_many", "fails_before", "fails_after", "key_in_use")


@dataclass(frozen=True, slots=True)
class GatewayConnections:
    """A urllib3 pool: what is asked of the gateway's address comes to the fake, all else to the
    buckets."""

    url: str
    fake: FakeStripe
    calls: Calls
    timeout_seconds: float
    buckets: BucketConnections

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], **others: Any
    ) -> HttpAnswer | Answer:
        if not url.startswith(f"{self.url}/"):
            return self.buckets.request(method, url, headers=headers, **others)
        body = others.pop("body") or b""
        if others != {"retries": False, "redirect": False}:
            raise AssertionError(f"{method} {url}: urllib3's own retries")

        def ask(fault: Fault | None) -> HttpAnswer:
            failure = None
            if fault is Fault.ERROR_ANSWER:
                failure = self.calls.scheduler.running.chance.pick(_FAILURES)
            answer = self.fake.answer(method, url, headers, body, failure)
            return HttpAnswer(answer.status, answer.body)

        # `/v1/payment_intents/pay_1`: a place is the same for each payment.
        _, version, kind, *about = url.removeprefix(self.url).partition("?")[0].split("/")
        writes = method == "POST"
        site = Site(
            _SERVICE,
            f"{method} /{version}/{kind}{'/{id}' * len(about)}",
            HTTP_WRITE_KINDS if writes else _READ_KINDS,
            round(self.timeout_seconds * 1000),
            no_answer,
            no_answer,
            writes=writes,
        )
        return self.calls.make(site, ask, "/".join(about))
