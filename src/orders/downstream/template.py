"""A request as a description writes it: TOML with placeholders for what the command is about.

    "{order_id}"             a text that is one placeholder becomes the value, with its type
    "order {order_id}"       within a text it becomes text
    "{total:decimal}"        12.50 as text, by the currency's decimals; {total:number} as a number
    { for_each = "lines", item = { article = "{line.sku}", qty = "{line.quantity}" } }
    "po_number?" = "..."     a field that is left out where its value is null or empty
    "{{" and "}}"            braces

A template is read once, and each fault in it is told then (`TemplateError`), never at an order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from orders.domain.money import decimals_of
from orders.domain.order import Discount, Line, Order
from orders.domain.saga import Step
from orders.downstream.keys import correlation_id, idempotency_key
from orders.failures import PermanentFailure
from orders.ports import Command, Needs

_STEPS = frozenset(step.value for step in Step)
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"([a-z_]+(?:\.[a-z_]+)?)(?::(decimal|number))?")

#: What a value needs to be known: the command's own names, the goods, which travel with the first
#: command of an order, or the order as it is stored.
Source = Literal["key", "goods", "order"]


class TemplateError(ValueError):
    """One sentence that says what is wrong with a description."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What placeholders speak of: a command and, within `for_each`, one of its lines."""

    command: Command
    item: Line | Discount | None = None

    @property
    def order(self) -> Order:
        if self.command.order is None:
            raise ValueError(f"{self.command.step} needs the order's content")
        return self.command.order


Value = Callable[[Scope], Any]


@dataclass(slots=True)
class Used:
    """What a template's values come from, collected while it is read."""

    sources: set[Source] = field(default_factory=set)
    references: set[Step] = field(default_factory=set)

    @property
    def needs(self) -> Needs:
        return Needs("goods" in self.sources, "order" in self.sources, frozenset(self.references))


_OF_KEY: Mapping[str, Value] = {
    "order_id": lambda scope: scope.command.key.order_id,
    "customer_id": lambda scope: scope.command.key.customer_id,
    "step": lambda scope: scope.command.step.value,
    "idempotency_key": lambda scope: idempotency_key(scope.command),
    "correlation_id": lambda scope: correlation_id(scope.command),
}
_OF_GOODS: Mapping[str, Value] = {
    "channel": lambda scope: scope.order.channel,
    "currency": lambda scope: scope.order.currency,
    "lines": lambda scope: scope.order.lines,
    "shipping": lambda scope: scope.order.shipping,
    "tax": lambda scope: scope.order.tax,
    "total": lambda scope: scope.order.total,
}
_OF_ORDER: Mapping[str, Value] = {
    "discounts": lambda scope: scope.order.discounts,
    "address": lambda scope: scope.order.address.given,
    "address.name": lambda scope: scope.order.address.name,
    "address.lines": lambda scope: scope.order.address.lines,
    "address.city": lambda scope: scope.order.address.city,
    "address.postal_code": lambda scope: scope.order.address.postal_code,
    "address.state": lambda scope: scope.order.address.state,
    "address.country": lambda scope: scope.order.address.country,
    "address.phone": lambda scope: scope.order.address.phone,
    "address.email": lambda scope: scope.order.address.email,
    "payment_reference": lambda scope: scope.order.payment and scope.order.payment.reference,
    "payment_terms": lambda scope: scope.order.payment and scope.order.payment.terms,
    "purchase_order": lambda scope: scope.order.purchase_order,
}
SOURCES: tuple[tuple[Source, Mapping[str, Value]], ...] = (
    ("key", _OF_KEY),
    ("goods", _OF_GOODS),
    ("order", _OF_ORDER),
)
#: By what `for_each` goes through, how one of it is called, and its fields.
ITEMS: Mapping[str, tuple[str, frozenset[str]]] = {
    "lines": ("line", frozenset({"sku", "quantity", "unit_price"})),
    "discounts": ("discount", frozenset({"coupon", "amount"})),
}
_AMOUNTS = frozenset({"shipping", "tax", "total", "line.unit_price", "discount.amount"})
#: They stand for more than one text.
_COMPOUND = frozenset({"lines", "discounts", "address", "address.lines"})
#: Fit for a path, for each order has one. A part of a path that is empty names something else.
_IN_PATHS = _OF_KEY.keys() | {"channel", "currency"} | {f"reference.{step}" for step in _STEPS}
#: What leads out of the path before it.
_DOTS = frozenset({".", ".."})
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: What http.client can send, and every server reads alike.
_HEADER_TEXT = re.compile(r"[ -~]*")
#: These say how the request is sent, or are ours.
_SENDERS = frozenset(
    {"connection", "content-length", "host", "te", "traceparent", "transfer-encoding", "upgrade"}
)
#: JSON's numbers, as far as each reader has them.
_INTEGERS = range(-(2**63), 2**63)
#: Fit for a header, whatever a customer is called.
_IN_HEADERS = frozenset({"order_id", "step", "idempotency_key", "correlation_id", "currency"})


def body(written: Any, used: Used, of: str | None = None) -> Value:
    """Any TOML. `of`: what the `for_each` around it goes through. Raises TemplateError."""
    if isinstance(written, str):
        return text(written, used, of)
    if isinstance(written, list):
        parts = [body(one, used, of) for one in written]
        return lambda scope: [part(scope) for part in parts]
    if isinstance(written, dict):
        return _repeated(written, used) if "for_each" in written else _table(written, used, of)
    if isinstance(written, int) and written not in _INTEGERS:
        raise TemplateError(f"{written} is too large a number")
    if isinstance(written, float) and not math.isfinite(written):
        raise TemplateError(f"{written} is no number in JSON")
    if isinstance(written, bool | int | float):
        return lambda _scope: written
    raise TemplateError(f"{written!r} is neither text, number, truth value, list nor table")


def text(written: str, used: Used, of: str | None = None) -> Value:
    """Raises TemplateError."""
    whole = _PLACEHOLDER.fullmatch(written)
    if whole is not None and whole[1] is not None:
        return _value(whole[1], used, of)
    return _joined(written, used, of, _written)


def path(written: str, used: Used) -> Value:
    """A path with its query, each value percent-encoded: a space as %20, for a SigV4 signature is
    made over the encoding that is sent. Raises TemplateError."""
    before = written.partition("?")[0]
    for found in _PLACEHOLDER.finditer(before):
        if found[1] is not None and found[1] not in _IN_PATHS:
            raise TemplateError(
                f"the path has {{{found[1]}}}, and before its question mark a path takes only"
                f" {', '.join(sorted(_IN_PATHS))}"
            )
    if not _DOTS.isdisjoint(before.split("/")):
        raise TemplateError(f"the path {written} leads out of itself by its dots")
    joined = _joined(written, used, None, lambda value: quote(_written(value), safe=""))

    def safe(scope: Scope) -> str:
        made: str = joined(scope)
        # Whoever reads it takes %2E for a dot, so no encoding helps. Most leave out what is before.
        if not _DOTS.isdisjoint(made.partition("?")[0].split("/")):
            raise PermanentFailure(f"{scope.command.step}: dots as a name lead to another path")
        return made

    return safe


def headers(written: Mapping[str, str], used: Used) -> Value:
    """Raises TemplateError."""
    for name, value in written.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _SENDERS:
            raise TemplateError(f"{name!r} is no header that a request may have of a description")
        if not _HEADER_TEXT.fullmatch(value):
            raise TemplateError(f"the header {name} has a letter that is not ASCII")
        for found in _PLACEHOLDER.finditer(value):
            if found[1] is not None and found[1] not in _IN_HEADERS:
                raise TemplateError(
                    f"the header {name} has {{{found[1]}}}, and a header takes only"
                    f" {', '.join(sorted(_IN_HEADERS))}"
                )
    values = {name.lower(): text(value, used) for name, value in written.items()}
    if len(values) < len(written):
        raise TemplateError("a header is there twice, and small letters are no others")
    return lambda scope: {name: value(scope) for name, value in values.items()}


def _table(written: Mapping[str, Any], used: Used, of: str | None) -> Value:
    parts = [
        (name.removesuffix("?"), name.endswith("?"), body(value, used, of))
        for name, value in written.items()
    ]
    if len({name for name, _, _ in parts}) < len(parts):
        raise TemplateError("a field is there twice, with a question mark and without")
    if not any(optional for _, optional, _ in parts):
        return lambda scope: {name: part(scope) for name, _, part in parts}

    def filled(scope: Scope) -> dict[str, Any]:
        values = ((name, optional, part(scope)) for name, optional, part in parts)
        return {
            name: value
            for name, optional, value in values
            if not (optional and value in (None, "", (), []))
        }

    return filled


def _repeated(written: Mapping[str, Any], used: Used) -> Value:
    through = written["for_each"]
    if written.keys() != {"for_each", "item"} or through not in [*ITEMS]:
        raise TemplateError(
            f"for_each goes with item, and goes through {' or '.join(ITEMS)}: {written!r} does not"
        )
    every, item = _value(through, used, None), body(written["item"], used, through)
    return lambda scope: [item(Scope(scope.command, one)) for one in every(scope)]


def _joined(written: str, used: Used, of: str | None, write: Callable[[Any], str]) -> Value:
    parts: list[str | Value] = []
    end = 0
    for found in _PLACEHOLDER.finditer(written):
        parts.append(written[end : found.start()])
        end = found.end()
        match found[0]:
            case "{{" | "}}":
                parts.append(found[0][0])
            case "{" | "}":
                raise TemplateError(f"{written!r} has a brace without its other; write it twice")
            case _:
                parts.append(_single(found[1], used, of))
    parts.append(written[end:])
    return lambda scope: "".join(
        part if isinstance(part, str) else write(part(scope)) for part in parts
    )


def _written(value: Any) -> str:
    return "" if value is None else str(value)


def _single(named: str, used: Used, of: str | None) -> Value:
    """What may stand within a text."""
    if named in _COMPOUND or named.endswith(":number"):
        raise TemplateError(f"{{{named}}} is no text, so it stands alone in a body")
    return _value(named, used, of)


def _value(named: str, used: Used, of: str | None) -> Value:
    found = _NAME.fullmatch(named)
    if found is None:
        raise TemplateError(f"{{{named}}} is no placeholder")
    name, form = found[1], found[2]
    value = _plain(name, used, of)
    if form is None:
        return value
    if name not in _AMOUNTS:
        raise TemplateError(f"{{{named}}} is no amount: only an amount has a {form}")
    used.sources.add("goods")
    if form == "decimal":
        return lambda scope: _decimal(value(scope), scope.order.currency)
    # As it is written, for no fraction of money goes through a floating point number.
    return lambda scope: msgspec.Raw(_decimal(value(scope), scope.order.currency).encode())


def _plain(name: str, used: Used, of: str | None) -> Value:
    for source, values in SOURCES:
        if name in values:
            used.sources.add(source)
            return values[name]
    kind, _, part = name.partition(".")
    if kind == "reference" and part in _STEPS:
        used.references.add(Step(part))
        return lambda scope: _reference(scope.command, Step(part))
    if of is not None and kind == ITEMS[of][0] and part in ITEMS[of][1]:
        return lambda scope: getattr(scope.item, part)
    raise TemplateError(f"{{{name}}} is nothing that an order has here")


def _reference(command: Command, step: Step) -> str:
    reference = command.references.get(step)
    if reference is None:
        raise PermanentFailure(
            f"{command.step} is asked for by the reference of {step}, and none is on record"
        )
    return reference


def _decimal(amount: int, currency: str) -> str:
    decimals = decimals_of(currency)
    if decimals == 0:
        return str(amount)
    whole, fraction = divmod(amount, 10**decimals)
    return f"{whole}.{fraction:0{decimals}}"
