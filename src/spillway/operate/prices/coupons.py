"""What a new price book does to limited coupons of which something may be used already.

Uses are stored under a coupon's name and outlive the book that it is in. So a coupon is
compared with the last book that had it, the books that orders can still be priced by, and its
counters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from orders.domain.book import NO_TIME, Coupon, Rules
from orders.domain.coupon_limits import share
from orders.domain.refusals import ORDER_ID_AGE_MAX_MS
from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.operate.prices.bucket import PriceBucket, Publication, Publications

#: What each counter of a coupon's limit has counted, by its number.
Counted = Callable[[str], Mapping[int, int]]


@dataclass(slots=True)
class Past:
    """`last`: the coupon in the last book that had it, which is `version`. `gone`: there were books
    without it since. `limit`: the highest in a book that orders are still checked against."""

    last: Coupon
    version: str
    gone: bool
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """Sentences. `lowered`: limits that would not hold. `suspicions`: what may be a mistake."""

    lowered: list[str]
    suspicions: list[str]


def compare_coupons(
    bucket: PriceBucket,
    publications: Publications,
    before: Rules | None,
    new: Rules,
    *,
    begins: Millis,
    now: Millis,
    counted: Counted,
) -> Found:
    """Reads older books, and counters, only for coupons whose limit the book `before` has not."""
    limited = {code: coupon for code, coupon in new.coupons.items() if coupon.limited}
    old = before.coupons if before else {}
    unsure = {code for code, coupon in limited.items() if not _continued(old.get(code), coupon)}
    pasts = _pasts(bucket, publications, unsure, begins, now)
    counts = {
        code: counted(code)
        for code in limited
        if code in unsure and limited[code].limit is not None
    }
    for code in limited.keys() & old.keys():
        past = pasts.setdefault(code, Past(old[code], "", gone=False))
        past.last, past.gone, past.limit = old[code], False, max(past.limit, old[code].limit or 0)
    lowered = [
        *_lowered(limited, pasts, counts),
        *_lowered_later(bucket, publications, new, begins),
    ]
    suspicions = [
        sentence
        for code, coupon in limited.items()
        for sentence in _suspicions(coupon, pasts.get(code), sum(counts.get(code, {}).values()))
    ]
    return Found(lowered, [*suspicions, *_codes_gone(old, new, begins)])


def _continued(old: Coupon | None, new: Coupon) -> bool:
    return old is not None and (new.limit is None or old.limit is not None)


def _pasts(
    bucket: PriceBucket, publications: Publications, codes: set[str], begins: Millis, now: Millis
) -> dict[str, Past]:
    found: dict[str, Past] = {}
    until = begins
    for entry in reversed([entry for entry in publications.entries if entry.begins <= begins]):
        # An order is checked against the book of its id's time.
        prices_orders = not entry.withdrawn and until > now - ORDER_ID_AGE_MAX_MS
        if codes <= found.keys() and not prices_orders:
            break
        for code, coupon in _coupons(bucket, entry if codes else None).items():
            if code in codes:
                past = found.setdefault(code, Past(coupon, entry.version, gone=True))
                past.limit = max(past.limit, (coupon.limit or 0) if prices_orders else 0)
        until = until if entry.withdrawn else entry.begins
    return found


def _coupons(bucket: PriceBucket, entry: Publication | None) -> Mapping[str, Coupon]:
    """None of a book that is damaged: that must not keep another one from taking its place."""
    try:
        return bucket.book(entry.version).rules.coupons if entry else {}
    except SpillwayError:
        return {}


def _lowered(
    coupons: Mapping[str, Coupon],
    pasts: Mapping[str, Past],
    counts: Mapping[str, Mapping[int, int]],
) -> Iterator[str]:
    for code, coupon in coupons.items():
        if coupon.limit is None:
            continue
        limit, past = coupon.limit, pasts.get(code)
        counted = counts.get(code, {})
        above = sum(used > share(limit, number) for number, used in counted.items())
        if past is not None and past.limit > limit:
            why = "some of its counters may be above their new share"
            yield _cannot(code, past.limit, limit, why)
        elif above and not _had_limit(past, limit):
            yield _cannot(code, None, limit, f"{above:,} of its counters are above their share")


def _had_limit(past: Past | None, limit: int) -> bool:
    """It was no higher before either: what counted more was a restore, or a rollback with --yes."""
    return past is not None and past.last.limit is not None and past.last.limit <= limit


def _lowered_later(
    bucket: PriceBucket, publications: Publications, new: Rules, begins: Millis
) -> Iterator[str]:
    limits = {code: one.limit for code, one in new.coupons.items() if one.limit is not None}
    planned = [one for one in publications.entries if one.begins > begins and not one.withdrawn]
    for entry in planned if limits else ():
        for code, coupon in _coupons(bucket, entry).items():
            if coupon.limit is not None and coupon.limit < limits.get(code, 0):
                why = f"the book {entry.version} that begins later would do so"
                yield _cannot(code, limits[code], coupon.limit, why)


def _cannot(code: str, before: int | None, limit: int, why: str) -> str:
    """A counter that is above its share is not made up for by the others, so more orders than the
    limit would get the coupon."""
    was = f"is for the first {before:,} orders" if before else "was used before"
    return (
        f"Coupon {code} {was}, and its limit cannot be lowered to {limit:,}, because {why}:"
        " end this coupon, and publish another code."
    )


def _suspicions(new: Coupon, past: Past | None, used: int) -> Iterator[str]:
    if past is None or past.gone:
        if past is not None and past.last.limited:
            yield (
                f"Coupon {new.code} was in the book {past.version} and then in none: what was used"
                " of it then stays used. A new campaign needs another code."
            )
        if used:
            yield f"Coupon {new.code} was used {used:,} times, and its limit counts these."
    if past is None:
        return
    if new.limit is not None and past.last.limit is None:
        yield f"Coupon {new.code} gets a limit: what it was used without one is not counted."
    if new.once_per_customer and not past.last.once_per_customer:
        yield f"Coupon {new.code} becomes once per customer: all who used it may use it once more."
    if new.single_use_codes and not past.last.single_use_codes:
        yield f"Coupon {new.code} gets single-use codes: {new.code} alone becomes unknown."


def _codes_gone(old: Mapping[str, Coupon], new: Rules, begins: Millis) -> Iterator[str]:
    for code, coupon in old.items():
        after = new.coupons.get(code)
        ended = coupon.ends != NO_TIME and coupon.ends <= begins
        if coupon.single_use_codes and not ended and not (after and after.single_use_codes):
            yield (
                f"All codes of coupon {code} become unknown: each names it,"
                " so it cannot be renamed."
            )
