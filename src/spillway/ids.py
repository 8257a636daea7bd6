"""New order ids for orders that Spillway's own clients place."""

from __future__ import annotations

import random

from orders.domain.order import order_id_of
from orders.domain.units import Millis, OrderId

_HIGH_BITS, _LOW_BITS = 12, 62


def order_id(now: int, rng: random.Random) -> OrderId:
    """A new id that sorts by its time, `now` in Unix milliseconds.

    A run's ids come from its own generator, which is not for secrets: a customer's token protects
    an order, never an id that cannot be guessed.
    """
    # Two draws, so that a seed gives the ids that it always gave.
    random_bits = rng.getrandbits(_HIGH_BITS) << _LOW_BITS | rng.getrandbits(_LOW_BITS)
    return order_id_of(Millis(now), random_bits)
