"""The two items of an imported order, and what the migration leaves on them.

`imported` on the order item is the old order number. On the progress item it also holds a digest
of the facts that the migration wrote there: whether the live service has touched the order since
can be seen on the item alone, and relay sees which changes are the migration's own
(orders.handlers.relay).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from orders.aws import items
from orders.aws.items import IMPORTED, Attribute, Item
from orders.domain.order import OrderKey
from orders.domain.saga import Facts, Step
from spillway.migrate.mapping import DIGEST_BYTES, Mapped

#: Everything on a progress item that the live service may write.
FACT_NAMES: tuple[str, ...] = (*(step.value for step in Step), items.CANCELLATION)


@dataclass(frozen=True, slots=True)
class Imprint:
    """What the migration wrote last: under which old key, and a digest of the facts."""

    key: str
    facts: bytes


def order_item(mapped: Mapped) -> dict[str, Attribute]:
    return {
        **items.order_key(mapped.place),
        # Compressed once: the digest was taken of the same bytes.
        "content": {"B": mapped.content},
        "digest": {"B": mapped.digest},
        "accepted_at": {"N": str(mapped.accepted_at)},
        IMPORTED: {"S": mapped.key},
    }


def progress_item(mapped: Mapped) -> dict[str, Attribute]:
    facts = fact_attributes(mapped.facts)
    return {
        **items.progress_key(mapped.place),
        **facts,
        IMPORTED: {
            "M": {
                "key": {"S": mapped.key},
                "facts": {"B": facts_digest(facts)},
            }
        },
    }


def fact_attributes(facts: Facts) -> dict[str, Attribute]:
    attributes = {
        step.value: items.outcome_attribute(outcome) for step, outcome in facts.outcomes.items()
    }
    if facts.cancellation is not None:
        attributes[items.CANCELLATION] = items.cancellation_attribute(facts.cancellation)
    return attributes


def facts_digest(item: Mapping[str, Attribute]) -> bytes:
    """Of the facts on a progress item, whatever else it holds."""
    facts = {name: item[name] for name in FACT_NAMES if name in item}
    encoded = msgspec.json.encode(facts, order="sorted")
    return hashlib.sha256(encoded).digest()[:DIGEST_BYTES]


def imprint_of(progress: Item) -> Imprint | None:
    """None for an order that was not imported."""
    mark = progress.get(IMPORTED)
    if mark is None:
        return None
    fields: Mapping[str, Any] = mark["M"]
    return Imprint(fields["key"]["S"], bytes(fields["facts"]["B"]))


def touched(progress: Item) -> bool:
    """The live service has recorded a fact since the migration wrote this item."""
    imprint = imprint_of(progress)
    return imprint is None or imprint.facts != facts_digest(progress)


def keys_of(key: OrderKey) -> tuple[dict[str, Attribute], dict[str, Attribute]]:
    return items.order_key(key), items.progress_key(key)
