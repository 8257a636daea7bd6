"""Order ids, made by the client before it sends: UUID version 7 (RFC 9562)."""

from __future__ import annotations

import random
import uuid

_RANDOM_A_BITS = 12
_RANDOM_B_BITS = 62


def order_id(now: int, rng: random.Random) -> str:
    """A new id that sorts by its time, in the one spelling that is accepted.

    `now` is Unix milliseconds. A run's ids come from its own generator, which is not for secrets:
    an order is protected by its customer's token, never by an id that cannot be guessed.
    """
    version, variant = 0x7, 0b10
    number = now << 80
    number |= version << 76 | rng.getrandbits(_RANDOM_A_BITS) << 64
    number |= variant << 62 | rng.getrandbits(_RANDOM_B_BITS)
    return str(uuid.UUID(int=number))
