"""From an order and its facts back to rows of the old table: the mapping in reverse. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import Any
from zoneinfo import ZoneInfo

from orders.domain.events import settled_at
from orders.domain.order import AcceptedOrder, Line
from orders.domain.saga import Facts
from orders.domain.status import SETTLED, status
from spillway.currencies import in_major_units
from spillway.migrate.config import Back, Config, Field
from spillway.migrate.old.description import Described
from spillway.migrate.old.keys import INTEGERS
from spillway.migrate.old.mapping import GUEST, Reason

#: Column to value, as MySQL takes it, without the order number.
Values = dict[str, Any]
#: Subject to old customer id, None where the old shop knows no such customer.
Customers = Callable[[str], str | None]


class Unwritable(Exception):
    """The old table cannot hold this order: a rule that names why, and details for people."""

    @property
    def reason(self) -> Reason:
        return Reason(*self.args)


@dataclass(frozen=True, slots=True)
class Inverse:
    config: Config
    back: Back
    customers: Customers
    #: The old table's columns.
    kinds: Mapping[str, Described]

    def rows(self, accepted: AcceptedOrder, facts: Facts) -> list[Values]:
        """One row, or one for each line. Raises Unwritable."""
        order, lines = accepted.order, self.config.lines
        own = self._own(accepted) | self.status_values(facts) | dict(self.back.columns)
        if lines.column is not None:
            lines_json: Any = [self._line(line, order.currency) for line in order.lines]
            own[lines.column] = json.dumps({lines.list: lines_json} if lines.list else lines_json)
            return [own]
        rows = [own | self._line(line, order.currency) for line in order.lines]
        postage = self.config.lines.shipping_skus
        if order.shipping and postage and self.config.order.shipping is None:
            rows.append(own | self._line(Line(postage[0], 1, order.shipping), order.currency))
        return rows

    def status_values(self, facts: Facts) -> Values:
        """What the progress of an order changes in the old table."""
        fields, now = self.config.order, status(facts)
        values: Values = {}
        if fields.status.column is not None:
            if now not in self.back.statuses:
                raise Unwritable("back_order_held", "the old shop has no status for a held order")
            values[fields.status.column] = _inverted(fields.status, self.back.statuses[now])
        if fields.settled_at is not None and now in SETTLED:
            at = settled_at(facts)
            values[fields.settled_at] = None if at is None else self._time(fields.settled_at, at)
        return values

    def _own(self, accepted: AcceptedOrder) -> Values:
        order, fields, address = accepted.order, self.config.order, self.config.order.address
        texts: list[tuple[Field | None, str | None]] = [
            (fields.channel, order.channel),
            (fields.currency, order.currency),
            (fields.payment_reference, order.payment.reference if order.payment else None),
            (fields.purchase_order, order.purchase_order),
            (fields.coupon, order.discounts[0].coupon if order.discounts else None),
            (address.name, order.address.name),
            (address.city, order.address.city),
            (address.country, order.address.country),
            *(
                (field, getattr(order.address, name) or None)
                for name, field in address.optional.items()
            ),
            *zip(address.lines, chain(order.address.lines, repeat(None)), strict=False),
        ]
        amounts = (
            (fields.total, order.total),
            (fields.shipping, order.shipping),
            (fields.tax, order.tax),
            (fields.discount, order.discounted),
        )
        values: Values = {
            self.config.customers.column: self._customer(accepted.key.customer_id),
            fields.created_at: self._time(fields.created_at, accepted.accepted_at),
        }
        for field, text in texts:
            if field is not None and field.column is not None:
                values[field.column] = None if text is None else _inverted(field, text)
        for column, amount in amounts:
            if column is not None:
                values[column] = self._amount(amount, order.currency)
        return values

    def _customer(self, subject: str) -> str | None:
        customers = self.config.customers
        if subject.startswith(GUEST):
            return self._guest()
        known = self.customers(subject.removeprefix(customers.prefix))
        if known is None:
            raise Unwritable("back_customer_unknown", f"the old shop has no customer {subject!r}")
        return known

    def _guest(self) -> str | None:
        """What the old shop writes for somebody who is no customer of it."""
        customers = self.config.customers
        if self.kinds[customers.column].takes_null:
            return None
        if not customers.guest_ids:
            column = customers.column
            raise Unwritable(
                "back_guest", f"{column} takes no NULL, and customers.guest_ids names no guest"
            )
        return customers.guest_ids[0]

    def _line(self, line: Line, currency: str) -> Values:
        names = self.config.lines
        return {
            names.sku: line.sku,
            names.quantity: line.quantity,
            names.unit_price: self._amount(line.unit_price, currency),
        }

    def _amount(self, minor: int, currency: str) -> str:
        if self.config.money.unit == "minor":
            return str(minor)
        return str(in_major_units(minor, currency))

    def _time(self, column: str, at_ms: int) -> str:
        if self.kinds[column].type in INTEGERS:
            milliseconds = self.config.times.numbers_are == "milliseconds"
            return str(at_ms if milliseconds else at_ms // 1_000)
        is_utc = self.kinds[column].type == "timestamp"
        zone = UTC if is_utc else ZoneInfo(self.config.source.time_zone)
        return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")


def _inverted(field: Field, text: str) -> str:
    """The old value: the first in the field's `map` that means this text."""
    return next((old for old, new in (field.map or {}).items() if new == text), text)
