"""What fulfilment tells of an order's parcels: what it is asked to tell, and nothing by itself.

A parcel leaves, arrives and comes back days after its order. On a laptop somebody says so, by a
POST to `PARCELS` that has the fake's API key (`spillway downstreams parcel`); the fake then tells
it in its own form, as its contract says, to whoever commanded the shipment.

The first of these that applies answers: body (400, 422), an order that was not shipped (404), a
shipment that was cancelled, or commanded without a correlation id (409), a message that nobody took
(503), and else 200 with the message.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from simulation.downstreams.command import CustomerId, OrderId
from simulation.downstreams.exchange import Problem, Response
from simulation.downstreams.ledger import Entry, Ledger

PARCELS = "/parcels"
PARCELS_MAX = 100

_Named = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class News(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What became of one parcel. `parcel` is its number, which all of the order has none of.
    `parcels`: how many the order has. Carrier and tracking number are of a parcel that left."""

    customer_id: CustomerId
    order_id: OrderId
    status: Literal["shipped", "delivered", "returned", "order_returned"]
    parcel: _Named | None = None
    parcels: Annotated[int, msgspec.Meta(ge=1, le=PARCELS_MAX)] | None = None
    carrier: _Named | None = None
    tracking_number: _Named | None = None

    def check(self) -> None:
        """Raises `Problem`."""
        if (self.parcel is None) != (self.status == "order_returned"):
            detail = "A parcel has its number, and a return of all of the order has none."
            raise Problem(422, "parcel_wrong", detail)
        if self.status != "shipped" and (self.carrier or self.tracking_number):
            detail = "Only of a parcel that was shipped there is a carrier and a tracking number."
            raise Problem(422, "carrier_unexpected", detail)


#: What is told, under the correlation id of the command to ship, in the fake's own form. What is
#: None is left out.
Form = Callable[[News, str], Mapping[str, object]]


def our_form(news: News, correlation: str) -> Mapping[str, object]:
    """As docs/contracts/outcomes.yaml has it."""
    return {
        "correlation_id": correlation,
        "status": news.status,
        "parcel": news.parcel,
        "parcels": news.parcels,
        "carrier": news.carrier,
        "tracking_number": news.tracking_number,
    }


@dataclass(frozen=True, slots=True)
class Parcels:
    """`send` returns False for a message that was not taken; it may be sent again."""

    send: Callable[[bytes], bool]
    form: Form = our_form

    def tell(self, body: bytes, ledger: Ledger) -> Response:
        news = _decode(body)
        news.check()
        correlation = _correlation(ledger.entries(news.customer_id, news.order_id))
        form = self.form(news, correlation)
        told = {name: value for name, value in form.items() if value is not None}
        if not self.send(msgspec.json.encode(told)):
            raise Problem(503, "not_taken", "Nobody took the message: try again.")
        return Response(200, told)


def _decode(body: bytes) -> News:
    try:
        return msgspec.json.decode(body, type=News)
    except msgspec.ValidationError as error:
        raise Problem(422, "body_invalid", f"{error}.") from error
    except msgspec.DecodeError as error:
        raise Problem(400, "body_malformed", f"{error}.") from error


def _correlation(entries: tuple[Entry, ...]) -> str:
    done = {entry.step: entry for entry in entries if entry.done}
    if "ship" not in done:
        raise Problem(404, "nothing_on_record", "This order was not shipped.")
    if "cancel_shipment" in done:
        raise Problem(409, "shipment_cancelled", "The shipment was cancelled: it has no parcels.")
    correlation = done["ship"].correlation
    if correlation is None:
        raise Problem(409, "correlation_missing", "The command to ship had no correlation id.")
    return correlation
