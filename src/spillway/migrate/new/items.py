"""The two items of an imported order, and what the migration leaves on them.

`imported` on the order item is the old order number. On the progress item it also has a digest of
the facts that the migration wrote there. So the item alone shows whether the live service has
touched the order since, and relay sees which changes are the migration's own
(orders.handlers.changes).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from orders.aws import items
from orders.aws.items import FACT_NAMES, IMPORTED, Attribute, Item
from orders.domain.order import OrderKey
from orders.domain.saga import Facts
from spillway.migrate.old.mapping import DIGEST_BYTES, Mapped


def order_item(mapped: Mapped) -> dict[str, Attribute]:
    return {
        **items.order_key(mapped.place),
        # Not compressed again: the digest is of the same bytes.
        "content": {"B": mapped.content},
        "digest": {"B": mapped.digest},
        "accepted_at": {"N": str(mapped.accepted_at)},
        IMPORTED: {"S": mapped.key},
    }


def progress_item(mapped: Mapped) -> dict[str, Attribute]:
    facts = fact_attributes(mapped.facts)
    mark = {"key": {"S": mapped.key}, "facts": {"B": facts_digest(facts)}}
    return {**items.progress_key(mapped.place), **facts, IMPORTED: {"M": mark}}


def fact_attributes(facts: Facts) -> dict[str, Attribute]:
    attributes = {
        step.value: items.outcome_attribute(outcome) for step, outcome in facts.outcomes.items()
    }
    if facts.cancellation is not None:
        attributes[items.CANCELLATION] = items.cancellation_attribute(facts.cancellation)
    return attributes


def facts_digest(item: Mapping[str, Attribute]) -> bytes:
    """A digest of the facts on a progress item, whatever else it has."""
    facts = {name: item[name] for name in FACT_NAMES if name in item}
    encoded = msgspec.json.encode(facts, order="sorted")
    return hashlib.sha256(encoded).digest()[:DIGEST_BYTES]


def touched(progress: Item) -> bool:
    """The live service has recorded a fact since the migration wrote this item, or it did not."""
    mark = progress.get(IMPORTED)
    return mark is None or bytes(mark["M"]["facts"]["B"]) != facts_digest(progress)


def keys_of(key: OrderKey) -> tuple[dict[str, Attribute], dict[str, Attribute]]:
    return items.order_key(key), items.progress_key(key)
