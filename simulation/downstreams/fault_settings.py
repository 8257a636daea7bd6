"""The faults that a caller with the API key can switch on in a downstream."""

import hashlib
from typing import Annotated, Literal

import msgspec

from simulation.downstreams.exchange import Problem

LATENCY_MAX_MS = 60_000
REFUSE_SKUS_MAX = 1_000

#: What answers in place of a service that is called with the wrong key or at the wrong address.
Misconfiguration = Literal["wrong_key", "moved", "page"]

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class FaultSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """By default nothing goes wrong. The three downstreams have the same settings; some act in one
    of them only.

    - latency_ms: every command and lookup waits this long before anything happens.
    - error_rate: the share of commands and lookups answered 503 before any effect.
    - outage: 503 on everything but health and fault settings.
    - misconfigured: so long it answers all else without looking at the order. wrong_key: 401, as to
      a key that is not in force; moved: 308 to another host; page: 200 with a login page.
    - lose_answers_rate: the share of answers about something on record that are lost: the effect is
      done, and the connection is closed without an answer.
    - lose_callbacks_rate (a fake that calls back): the share of callbacks that are never sent.
    - idempotency_keys: false for an old service without them. It ignores Idempotency-Key, and every
      command is an effect, or a refusal, of its own.
    - refuse_rate: the share of orders refused, chosen by a hash of the order id and the step, so
      that a retry gets the same answer.
    - refuse_skus (inventory): empty shelves; an order that asks for one is refused.
    - too_late (fulfilment): every shipment has left, so that none can be cancelled.
    - dispatch_after_ms (fulfilment): a shipment leaves at this age. None: it never does.
    """

    latency_ms: Annotated[int, msgspec.Meta(ge=0, le=LATENCY_MAX_MS)] = 0
    error_rate: Share = 0.0
    outage: bool = False
    misconfigured: Misconfiguration | None = None
    lose_answers_rate: Share = 0.0
    lose_callbacks_rate: Share = 0.0
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


def decode_fault_settings(body: bytes) -> FaultSettings:
    """The whole new set: a setting that is left out is off again. Raises `Problem`."""
    try:
        document = msgspec.json.decode(body, type=dict[str, object])
    except msgspec.DecodeError as error:
        detail = f"The body must be a JSON object: {error}."
        raise Problem(400, "body_malformed", detail) from error
    unknown = sorted(document.keys() - set(FaultSettings.__struct_fields__))
    if unknown:
        detail = f"There is no fault setting named {', '.join(unknown)}."
        raise Problem(422, "fault_setting_unknown", detail)
    try:
        return msgspec.convert(document, FaultSettings)
    except msgspec.ValidationError as error:
        raise Problem(422, "fault_setting_out_of_range", f"{error}.") from error
