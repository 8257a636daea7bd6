"""What a downstream tells by a message of its own, in the way that its description says.

A callback is signed: HMAC-SHA256 in hex over `<timestamp>.<body>`, where the timestamp is in Unix
seconds or milliseconds. Whoever has the key can decide orders, so a signature that does not hold,
or that is older than `TOLERANCE_MS`, is answered 401 and nothing of the message is read. Several
keys may be in force, while one replaces the other. A message on a queue has no signature: the
queue's policy says who may send.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from orders.domain import parcels
from orders.domain.parcels import PARCELS_MAX, WHOLE_ORDER, News, What
from orders.domain.saga import Outcome
from orders.domain.text import normalised
from orders.domain.units import Millis
from orders.downstream.answers import (
    OF_PARCELS,
    Rule,
    decoded,
    first_that_fits,
    is_name,
    pointed_at,
)
from orders.downstream.description import Outcomes, Signature
from orders.downstream.http import named_code
from orders.downstream.keys import correlated
from orders.downstream.transport import Answer
from orders.failures import PermanentFailure
from orders.ports import Told, ToldOfParcel

#: How far the sender's clock and ours may be apart, and how long a message may be under way.
TOLERANCE_MS = 5 * 60 * 1000
_TIMESTAMP = re.compile(r"[0-9]{10}(?:[0-9]{3})?")
_COUNT = re.compile(r"[0-9]{1,3}")


def is_signed(
    body: bytes,
    headers: Mapping[str, str],
    signature: Signature,
    keys: Iterable[bytes],
    now: Millis,
) -> bool:
    """`headers` by their names in lower case. How long it takes says nothing of a key."""
    timestamp = headers.get(signature.timestamp_header.lower(), "")
    given = headers.get(signature.header.lower(), "")
    if not _TIMESTAMP.fullmatch(timestamp) or not given.startswith(signature.prefix):
        return False
    at = int(timestamp) * (1000 if len(timestamp) == 10 else 1)
    if abs(now - at) > TOLERANCE_MS:
        return False
    sent = given.removeprefix(signature.prefix).lower().encode()
    expected = [_hmac(key, timestamp, body) for key in keys]
    return any(hmac.compare_digest(one, sent) for one in expected)


def sign(body: bytes, timestamp: str, key: bytes) -> str:
    """What a downstream does. It is here for the fakes and for tests."""
    return _hmac(key, timestamp, body).decode()


def told(body: bytes, outcomes: Outcomes, now: Millis) -> Told | ToldOfParcel | None:
    """None for news of what is not decided yet.

    Raises PermanentFailure for a message of which nobody can say what it tells.
    """
    try:
        document = decoded(body)
    except ValueError:
        # The error's text may quote the message.
        raise PermanentFailure("the message is not JSON") from None
    rule = first_that_fits(outcomes.answers, Answer(200, {}, body), document, lookup=False)
    if rule is None:
        raise PermanentFailure("the message says nothing that its description knows")
    if rule.means == "later":
        return None
    correlation_id = pointed_at(document, outcomes.correlation_id)
    named = correlated(correlation_id) if isinstance(correlation_id, str) else None
    if named is None:
        raise PermanentFailure(f"{outcomes.correlation_id} names no command of ours")
    key, step = named
    if rule.means == "order_returned" and _names_a_parcel(document, outcomes):
        raise PermanentFailure("all of the order came back by it, and it names a parcel")
    if rule.means in OF_PARCELS:
        return ToldOfParcel(key, step, _news(rule, document, now))
    if rule.means == "done":
        return Told(key, step, Outcome(now, reference=rule.named(document)))
    return Told(key, step, Outcome(now, refusal=named_code(rule.refusal(document))))


def _names_a_parcel(document: Any, outcomes: Outcomes) -> bool:
    """Where its description's other rules have a parcel's number: a sender who takes the whole
    order's return for one parcel's would have all of the money go back."""
    pointers = {rule.parcel for rule in outcomes.answers if rule.parcel is not None}
    return any(pointed_at(document, pointer) is not None for pointer in pointers)


def _news(rule: Rule, document: Any, now: Millis) -> News:
    """Raises PermanentFailure for what would have to be cut, or guessed at."""

    def text(name: str, pointer: str | None) -> str | None:
        found = None if pointer is None else pointed_at(document, pointer)
        if found in (None, ""):
            return None
        # Some write é as one character and some as two.
        written = unicodedata.normalize("NFC", normalised(str(found))) if is_name(found) else ""
        if not parcels.is_text(written):
            raise PermanentFailure(
                f"its {name} is no text of 1 to {parcels.TEXT_MAX} characters on one line"
            )
        return written

    parcel = text("parcel", rule.parcel)
    if parcel is None and rule.parcel is not None:
        # A field that somebody has misspelt looks the same, and says nothing of the whole order.
        raise PermanentFailure("its parcel's number is missing")
    count = text("count of parcels", rule.parcels)
    if count is not None and not (_COUNT.fullmatch(count) and 1 <= int(count) <= PARCELS_MAX):
        raise PermanentFailure(f"its count of parcels is not 1 to {PARCELS_MAX}")
    return News(
        parcel=parcel or WHOLE_ORDER,
        what=What.RETURNED if rule.means == "order_returned" else What(rule.means),
        at=now,
        carrier=text("carrier", rule.carrier),
        tracking_number=text("tracking number", rule.tracking_number),
        parcels=None if count is None else int(count),
    )


def _hmac(key: bytes, timestamp: str, body: bytes) -> bytes:
    message = timestamp.encode() + b"." + body
    return hmac.new(key, message, hashlib.sha256).hexdigest().encode()
