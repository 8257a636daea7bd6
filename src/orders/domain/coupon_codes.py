"""Single-use codes: made and recognised by a key, with nothing stored for each.

    SPRING-2222K4TQ7RXP9WB
    campaign, serial (5), tag (9), check (1)

The check character tells a typing error from a forgery without the key: any one wrong character,
and any two that were swapped. The tag is a truncated HMAC over campaign and serial, 44 bits, that
only the store can make. Codes are written in 31 characters, without those that look alike (0 and
O; 1, I and L).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
SERIAL_CHARS = 5
TAG_CHARS = 9
#: What a code has after its campaign's own: a hyphen, serial, tag and check character.
SUFFIX_CHARS = 1 + SERIAL_CHARS + TAG_CHARS + 1
#: Serials that one campaign can have.
SERIALS = len(ALPHABET) ** SERIAL_CHARS

_VALUES = {character: value for value, character in enumerate(ALPHABET)}

Fault = Literal["mistyped", "unknown"]


def code_of(campaign: str, serial: int, key: bytes) -> str:
    """The code of a serial (0 up to `SERIALS`) in a campaign. The same key makes the same code."""
    if not 0 <= serial < SERIALS:
        raise ValueError(f"a serial is 0 to {SERIALS - 1}, not {serial}")
    digits = _digits(serial, SERIAL_CHARS)
    body = digits + _tag(campaign, digits, key)
    return f"{campaign}-{body}{_check_character(body)}"


def is_mistyped(code: str) -> bool:
    """Its last character says so, whatever the keys are."""
    return not _well_typed(code.rpartition("-")[2])


def fault_of(code: str, keys: Mapping[str, bytes]) -> Fault | None:
    """Why a code is not one of ours; None when it is. `keys`: those in force, by key id."""
    if is_mistyped(code):
        return "mistyped"
    campaign, _, body = code.rpartition("-")
    digits, tag = body[:SERIAL_CHARS], body[SERIAL_CHARS:-1]
    # Every key is tried, so that the time tells nothing.
    genuine = [hmac.compare_digest(tag, _tag(campaign, digits, key)) for key in keys.values()]
    return None if any(genuine) else "unknown"


def serial_of(code: str) -> str:
    """The serial in a code, as it is written there: it names the code's one use."""
    return code.rpartition("-")[2][:SERIAL_CHARS]


def _well_typed(body: str) -> bool:
    if len(body) != SERIAL_CHARS + TAG_CHARS + 1 or not _VALUES.keys() >= set(body):
        return False
    return _check_character(body[:-1]) == body[-1]


def _check_character(body: str) -> str:
    """Modulo a prime, weights that all differ see each single error and each swap of two."""
    total = sum(weight * _VALUES[character] for weight, character in enumerate(body, start=2))
    return ALPHABET[-total % len(ALPHABET)]


def _tag(campaign: str, serial: str, key: bytes) -> str:
    digest = hmac.digest(key, f"{campaign}\n{serial}".encode(), hashlib.sha256)
    return _digits(int.from_bytes(digest, "big") % len(ALPHABET) ** TAG_CHARS, TAG_CHARS)


def _digits(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, value = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[value])
    return "".join(reversed(characters))
