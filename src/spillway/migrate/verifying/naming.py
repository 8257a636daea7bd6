"""Two readings of one order, value by value: which field differs, and which column it is from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypedDict

from spillway.migrate.config import Config, Field
from spillway.migrate.verifying.canonical import Canonical, State
from spillway.ui.formatting import rfc3339

_Line = tuple[str, int, int]


class Sides(TypedDict):
    """What both sides say. `column` of the old table; None for a constant, or what is computed."""

    column: str | None
    old: Any
    new: Any


def differing(
    config: Config, old: Canonical, new: Canonical, status: Callable[[State], str] = str
) -> dict[str, Sides]:
    """By field, where the two differ; of a line, which one. `status` is what is compared of a
    state."""
    columns, of_lines = _columns(config), _line_columns(config)
    columns["status"] = _column_of_state(config, old.state, new.state)
    mine, theirs = _values(old, status), _values(new, status)
    found: dict[str, Sides] = {
        name: {"column": columns[name], "old": mine.get(name, ""), "new": theirs.get(name, "")}
        for name in mine | theirs
        if mine.get(name, "") != theirs.get(name, "")
    }
    for name, part, ours, other in _differing_lines(old.lines, new.lines):
        found[name] = {"column": of_lines[part], "old": ours, "new": other}
    if "accepted_at" in found:
        # The id is made of it, and so is the time of the steps where there is no other.
        found.pop("order_id", None)
        if _of_its_time(old) == _of_its_time(new):
            found.pop("status", None)
    return found


def _of_its_time(order: Canonical) -> State | None:
    """The state of an order whose steps have its own time."""
    at, state = order.accepted_at, order.state
    return state._replace(at=()) if state.at == (at,) else None


def _values(order: Canonical, status: Callable[[State], str]) -> dict[str, Any]:
    values = order._asdict()
    del values["lines"]
    address, state = values.pop("address"), values.pop("state")
    values["accepted_at"] = rfc3339(order.accepted_at)
    return {
        **values,
        **{f"address.{part}": text for part, text in address},
        "status": status(state),
    }


def _differing_lines(
    old: tuple[_Line, ...], new: tuple[_Line, ...]
) -> Iterator[tuple[str, str, Any, Any]]:
    """The field's name, which part of a line it is, and both values. Lines that are alike at both
    ends stand beside each other; of the rest, the first beside the first."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    mine, theirs = old[start : len(old) - end], new[start : len(new) - end]
    for place in range(max(len(mine), len(theirs))):
        one = mine[place] if place < len(mine) else None
        other = theirs[place] if place < len(theirs) else None
        name = f"line {start + place + 1}"
        if one is None or other is None:
            yield name, "line", one, other
            continue
        for part, left, right in zip(("sku", "quantity", "unit_price"), one, other, strict=True):
            if left != right:
                yield f"{name} ({one[0]}) {part}", part, left, right


def _columns(config: Config) -> dict[str, str | None]:
    fields = config.order
    whole: Mapping[str, Field | None] = {
        "channel": fields.channel,
        "currency": fields.currency,
        "payment": fields.payment_reference,
        "purchase_order": fields.purchase_order,
        "coupon": fields.coupon,
        **dict.fromkeys(f"address.{part}" for part in ("postal_code", "state", "phone", "email")),
        "address.name": fields.address.name,
        "address.city": fields.address.city,
        "address.country": fields.address.country,
        **{f"address.{part}": one for part, one in fields.address.optional.items()},
        **{f"address.line {place}": one for place, one in enumerate(fields.address.lines, start=1)},
    }
    return {
        "old_key": fields.key,
        "customer": config.customers.column,
        "order_id": f"{fields.key}, {fields.created_at}",
        "accepted_at": fields.created_at,
        "discount": fields.discount,
        "shipping": fields.shipping,
        "tax": fields.tax,
        "total": fields.total,
        **{name: None if one is None else one.column for name, one in whole.items()},
    }


def _column_of_state(config: Config, old: State, new: State) -> str | None:
    fields = config.order
    if old._replace(at=()) == new._replace(at=()):
        return fields.settled_at or fields.created_at
    return fields.status.column


def _line_columns(config: Config) -> dict[str, str | None]:
    spec = config.lines
    parts = {"sku": spec.sku, "quantity": spec.quantity, "unit_price": spec.unit_price}
    if spec.column is not None:
        return {"line": spec.column, **dict.fromkeys(parts, spec.column)}
    return {"line": None, **parts}
