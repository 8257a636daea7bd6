"""What can be made to go wrong in a downstream, by anyone who holds its API key."""

import hashlib
from typing import Annotated

import msgspec

from simulation.downstreams.exchange import Response, problem

LATENCY_MAX_MS = 60_000
REFUSE_SKUS_MAX = 1_000

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class FaultSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """By default nothing goes wrong. The three downstreams have the same set; some act in one of
    them only.

    - latency_ms: every command and lookup waits so long before anything happens.
    - error_rate: the share of commands and lookups answered 503 before any effect.
    - outage: 503 on everything but health and fault settings.
    - lose_answers_rate: the share of answers that tell of something on record and are lost: the
      effect is done, and the connection is closed without an answer.
    - idempotency_keys: false for an old service that has none. It ignores Idempotency-Key, and
      every command that comes is an effect, or a refusal, of its own.
    - refuse_rate: the share of orders refused, chosen by a hash of the order id and the step, so
      that a retry gets the same answer.
    - refuse_skus (inventory): shelves that are empty; an order that asks for one is refused.
    - too_late (fulfilment): every shipment has left, so that none can be cancelled.
    - dispatch_after_ms (fulfilment): a shipment leaves at this age. None: it never does.
    """

    latency_ms: Annotated[int, msgspec.Meta(ge=0, le=LATENCY_MAX_MS)] = 0
    error_rate: Share = 0.0
    outage: bool = False
    lose_answers_rate: Share = 0.0
    idempotency_keys: bool = True
    refuse_rate: Share = 0.0
    refuse_skus: Annotated[tuple[str, ...], msgspec.Meta(max_length=REFUSE_SKUS_MAX)] = ()
    too_late: bool = False
    dispatch_after_ms: Annotated[int, msgspec.Meta(ge=0)] | None = None

    def refuses(self, step: str, order_id: str) -> bool:
        """Whether `refuse_rate` falls on this step of this order. The step is part of the hash, or
        the orders that fulfilment refuses would be the ones inventory has already refused."""
        digest = hashlib.sha256(f"{step}/{order_id}".encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64 < self.refuse_rate

    def document(self) -> dict[str, object]:
        return msgspec.structs.asdict(self)


def decode_fault_settings(body: bytes) -> FaultSettings | Response:
    """The whole new set (what is left out is off again), or the problem with it."""
    try:
        document = msgspec.json.decode(body, type=dict[str, object])
    except msgspec.DecodeError as error:
        return problem(400, "body_malformed", f"The body must be a JSON object: {error}.")
    unknown = sorted(document.keys() - set(FaultSettings.__struct_fields__))
    if unknown:
        return problem(
            422, "fault_setting_unknown", f"There is no fault setting named {', '.join(unknown)}."
        )
    try:
        return msgspec.convert(document, FaultSettings)
    except msgspec.ValidationError as error:
        return problem(422, "fault_setting_out_of_range", f"{error}.")
