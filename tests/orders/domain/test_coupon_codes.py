"""A single-use code is recognised by the key, and a typing error without it."""

from __future__ import annotations

import pytest

from orders.domain.coupon_codes import ALPHABET, SERIALS, TAG_CHARS, code_of, fault_of, serial_of
from orders.domain.coupon_limits import COUNTERS_MAX, counters, share
from orders.domain.quote import TRIES_MAX, TRIES_WINDOW_SECONDS
from orders.domain.refusals import SKU_MAX

KEY, OLD_KEY = b"the key of codes", b"the key before it"
KEYS = {"k2": KEY, "k1": OLD_KEY}
CODE = code_of("SPRING", 4_711, KEY)


def mistyped(code: str) -> bool:
    return fault_of(code, KEYS) == "mistyped"


def test_a_code_is_genuine_under_each_key_in_force() -> None:
    for key in (KEY, OLD_KEY):
        assert fault_of(code_of("SPRING", 7, key), KEYS) is None
    assert fault_of(CODE, {"k3": b"another key"}) == "unknown"
    assert fault_of(CODE, {}) == "unknown"


def test_every_serial_has_one_code_and_every_code_its_serial() -> None:
    serials = [0, 1, 30, 31, 4_711, 100_000, SERIALS - 1]
    codes = [code_of("SPRING", serial, KEY) for serial in serials]
    assert len({serial_of(code) for code in codes}) == len(set(codes)) == len(serials)
    assert max(map(len, codes)) <= SKU_MAX
    for outside in (-1, SERIALS):
        with pytest.raises(ValueError, match=str(outside)):
            code_of("SPRING", outside, KEY)


def test_each_single_typing_error_and_each_swap_is_seen_without_a_key() -> None:
    start = len("SPRING-")
    for place in range(start, len(CODE)):
        for other in (*ALPHABET, *"01OIL- a"):
            if other != CODE[place]:
                assert mistyped(CODE[:place] + other + CODE[place + 1 :]), (place, other)
    for first in range(start, len(CODE)):
        for second in range(first + 1, len(CODE)):
            swapped = list(CODE)
            swapped[first], swapped[second] = swapped[second], swapped[first]
            assert CODE[first] == CODE[second] or mistyped("".join(swapped))
    assert mistyped(CODE[:-1])
    assert mistyped(CODE + "2")


def test_a_forged_code_with_the_right_check_character_is_unknown() -> None:
    body = CODE[:-2]
    forged = {
        fault_of(f"{body}{last}{check}", KEYS)
        for last in ALPHABET
        for check in ALPHABET
        if last != CODE[-2]
    }
    assert forged == {"mistyped", "unknown"}
    # Another campaign's code is as unknown as an invented one.
    assert fault_of(CODE.replace("SPRING", "SUMMER"), KEYS) == "unknown"


def test_a_million_customers_find_no_code_by_trying() -> None:
    a_day = TRIES_MAX * 24 * 60 * 60 // TRIES_WINDOW_SECONDS
    days = len(ALPHABET) ** TAG_CHARS / (1_000_000 * a_day)
    assert (a_day, round(days / 365.25)) == (1_920, 38)


@pytest.mark.parametrize("limit", [1, 2, 99, 1_000, 1_001, 123_456])
def test_the_counters_share_the_limit_and_a_higher_limit_lowers_no_share(limit: int) -> None:
    shares = [share(limit, counter) for counter in range(counters(limit))]
    assert sum(shares) == limit
    assert len(shares) <= COUNTERS_MAX
    assert min(shares) >= 1
    assert share(limit, len(shares)) == 0
    higher = [share(limit + 777, counter) for counter in range(counters(limit))]
    assert all(after >= before for before, after in zip(shares, higher, strict=True))
