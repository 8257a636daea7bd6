"""A price book is in force when its publisher said, and nobody's is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from orders.aws.book_index import INDEX_KEY, book_key, decode_index
from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.operate.prices.bucket import PriceBucket, Publication, Publications
from spillway.operate.prices.lookup import look_up
from spillway.operate.prices.plan import Plan, draft, draft_rollback, publish_first
from spillway.operate.prices.publishing import (
    KEPT_MIN,
    KEPT_MS,
    NOTICE_MS,
    version_before,
    when,
    with_entry,
)
from spillway.operate.prices.view import show_history, show_plan
from spillway.price_book import PriceBook, example, read
from tests.builders import NOW
from tests.spillway.operate.prices.conftest import MemoryS3
from tests.spillway.price_book.files import written

MINUTE = 60_000


def book(folder: Path, price: str) -> PriceBook:
    return read(written(folder, ("14.00", price)))


def drafted(
    bucket: PriceBucket,
    new: PriceBook,
    at: int,
    *,
    begins: int | None = None,
    at_once: bool = False,
) -> Plan:
    now = Millis(at)
    time = when(now, None if begins is None else Millis(begins), at_once=at_once)
    return draft(bucket, new, now=now, when=time, fall_max=0.5, counted=lambda _: {})


def published(bucket: PriceBucket, new: PriceBook, at: int, **options: object) -> str:
    plan = drafted(bucket, new, at, **options)  # type: ignore[arg-type]
    plan.carry_out(bucket, "ada")
    return plan.version


def price_at(bucket: PriceBucket, at: int, now: int | None = None) -> object:
    """What a mug costs in an order of this time, as intake finds it out at once or later."""
    content = bucket._s3.get_object(Bucket=bucket.name, Key=INDEX_KEY)["Body"].read()  # noqa: SLF001
    entry = decode_index(content).in_force(Millis(at), Millis(at if now is None else now))
    assert entry is not None
    return bucket.book(entry.version).articles["MUG-SAGE"].prices[0]


def test_a_book_begins_two_minutes_after_it_is_published(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    published(bucket, book(tmp_path, "14.00"), NOW)
    published(bucket, book(tmp_path, "15.00"), NOW + MINUTE)
    assert price_at(bucket, NOW + MINUTE + NOTICE_MS - 1) == 1_400
    assert price_at(bucket, NOW + MINUTE + NOTICE_MS) == 1_500


def test_a_book_may_begin_later_and_another_one_before_it(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    sale = NOW + 100 * MINUTE
    published(bucket, book(tmp_path, "14.00"), NOW)
    planned = published(bucket, book(tmp_path, "9.00"), NOW, begins=sale)
    plan = drafted(bucket, book(tmp_path, "15.00"), NOW + MINUTE)
    assert [entry.version for entry in plan.later] == [planned]
    plan.carry_out(bucket, "ada")
    assert [price_at(bucket, at) for at in (NOW, NOW + 5 * MINUTE, sale)] == [1_400, 1_500, 900]


def test_a_planned_book_is_replaced_by_one_of_the_same_time(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    sale = NOW + 100 * MINUTE
    for price in ("9.00", "10.00"):
        published(bucket, book(tmp_path, price), NOW, begins=sale)
    assert price_at(bucket, sale) == 1_000


def test_at_once_withdraws_a_wrong_price_also_for_orders_begun_before(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    published(bucket, book(tmp_path, "1.40"), NOW)
    published(bucket, book(tmp_path, "14.00"), NOW + 10 * MINUTE, at_once=True)
    corrected = NOW + 10 * MINUTE
    assert [price_at(bucket, at, corrected) for at in (NOW, corrected)] == [1_400, 1_400]


def test_at_once_withdraws_a_book_that_waits_for_its_two_minutes(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    published(bucket, book(tmp_path, "14.00"), NOW)
    published(bucket, book(tmp_path, "9.00"), NOW + 10 * MINUTE)
    correction = drafted(bucket, book(tmp_path, "15.00"), NOW + 11 * MINUTE, at_once=True)
    assert correction.later == []
    correction.carry_out(bucket, "ada")
    for minutes in (11, 12, 13, 60):
        assert price_at(bucket, NOW + minutes * MINUTE) == 1_500


def test_a_book_that_waits_can_begin_now_and_its_history_says_so(
    bucket: PriceBucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(bucket, book(tmp_path, "14.00"), NOW)
    waits = published(bucket, book(tmp_path, "15.00"), NOW + 10 * MINUTE)
    again = drafted(bucket, book(tmp_path, "15.00"), Millis(NOW + 10 * MINUTE + 1), at_once=True)
    show_plan(again)
    assert f"{waits}, the same book, waiting to begin at " in capsys.readouterr().out
    again.carry_out(bucket, "ada")
    show_history(bucket.publications()[0], again.now, Console())
    shown = capsys.readouterr().out
    assert f"{waits}  in force" in shown
    assert f"{waits}  begun anew at once" in shown
    assert "1 price up" in shown


def test_another_book_that_waits_is_said_to_be_withdrawn(
    bucket: PriceBucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(bucket, book(tmp_path, "14.00"), NOW)
    waits = published(bucket, book(tmp_path, "9.00"), NOW + 10 * MINUTE)
    show_plan(drafted(bucket, book(tmp_path, "15.00"), NOW + 11 * MINUTE, at_once=True))
    said = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(waits))
    assert said.endswith("is withdrawn.")


def test_at_once_leaves_a_planned_book_to_begin_when_it_was_planned_and_not_before(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    sale = NOW + 100 * MINUTE
    published(bucket, book(tmp_path, "1.40"), NOW)
    planned = published(bucket, book(tmp_path, "9.00"), NOW + MINUTE, begins=sale)
    correction = drafted(bucket, book(tmp_path, "14.00"), NOW + 10 * MINUTE, at_once=True)
    assert [entry.version for entry in correction.later] == [planned]
    correction.carry_out(bucket, "ada")
    begun_before, corrected = NOW + 5 * MINUTE, NOW + 10 * MINUTE
    assert [price_at(bucket, at, corrected) for at in (begun_before, corrected)] == [1_400, 1_400]
    assert [price_at(bucket, at) for at in (sale - 1, sale)] == [1_400, 900]
    assert price_at(bucket, begun_before, sale) == 1_400


def test_a_first_book_begins_at_once_unless_its_time_is_named(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    opening = NOW + 100 * MINUTE
    new = book(tmp_path, "14.00")
    assert drafted(bucket, new, NOW).when.begins == NOW
    published(bucket, new, NOW, begins=opening)
    with pytest.raises(SpillwayError, match="in force"):
        look_up(bucket, NOW, [], None)
    assert price_at(bucket, opening) == 1_400
    assert drafted(bucket, new, NOW + MINUTE).when.begins == NOW + MINUTE + NOTICE_MS


def test_a_rollback_goes_back_to_the_book_before_or_to_a_named_one(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    first, *_ = [
        published(bucket, book(tmp_path, price), NOW + minute * MINUTE)
        for minute, price in ((0, "14.00"), (10, "15.00"), (20, "16.00"))
    ]
    for minute, version, price in ((30, None, 1_500), (40, first, 1_400)):
        now = NOW + minute * MINUTE
        rollback(bucket, version, now).carry_out(bucket, "ada")
        assert price_at(bucket, now + NOTICE_MS) == price
    listed, _ = bucket.publications()
    assert f"back to {first}" in listed.entries[-1].changes
    with pytest.raises(SpillwayError, match="prices history"):
        bucket.book("20200101T0000-0000")


def test_where_there_is_no_book_before_a_rollback_names_the_one_in_force(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    first = published(bucket, book(tmp_path, "14.00"), NOW)
    published(bucket, book(tmp_path, "1.40"), NOW + MINUTE)
    listed, _ = bucket.publications()
    with pytest.raises(SpillwayError, match=f"--rollback {first} --at-once"):
        version_before(listed, Millis(NOW + 2 * MINUTE))


def rollback(bucket: PriceBucket, version: str | None, at: int) -> Plan:
    now = Millis(at)
    time = when(now, None, at_once=False)
    return draft_rollback(bucket, version, now=now, when=time, fall_max=0.5, counted=lambda _: {})


def test_a_rollback_to_a_book_that_was_withdrawn_is_asked_about(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    wrong = published(bucket, book(tmp_path, "14.00"), NOW)
    published(bucket, book(tmp_path, "15.00"), NOW + 10 * MINUTE, at_once=True)
    (asked,) = rollback(bucket, None, NOW + 20 * MINUTE).suspicions
    assert asked.startswith(f"{wrong} was withdrawn")


def test_a_rollback_to_a_damaged_book_is_one_sentence(bucket: PriceBucket, tmp_path: Path) -> None:
    published(bucket, book(tmp_path, "14.00"), NOW)
    bucket.put_book("20261123T0000-0000", b"SPILLWAY-BOOK-1\nbroken", b"")
    with pytest.raises(SpillwayError, match="cannot be read"):
        rollback(bucket, "20261123T0000-0000", NOW + 10 * MINUTE)


def test_a_name_is_never_that_of_two_books(bucket: PriceBucket) -> None:
    """The digest in a name is short: a book would be in force that nobody published."""
    for _ in range(2):
        bucket.put_book("20261123T1000-3f2a", b"one", b"")
    with pytest.raises(SpillwayError, match="publish again"):
        bucket.put_book("20261123T1000-3f2a", b"another", b"")
    assert bucket.file("20261123T1000-3f2a") == b"one"


def test_of_two_who_publish_at_once_one_is_told(bucket: PriceBucket, tmp_path: Path) -> None:
    for begun in (NOW, NOW + 10 * MINUTE):  # the first book of all, and a later one
        plans = [drafted(bucket, book(tmp_path, price), begun) for price in ("15.00", "16.00")]
        plans[0].carry_out(bucket, "ada")
        with pytest.raises(SpillwayError, match="at the same time"):
            plans[1].carry_out(bucket, "bob")
        assert price_at(bucket, begun + NOTICE_MS) == 1_500
        published(bucket, book(tmp_path, "14.00"), begun + MINUTE)


def test_what_the_list_names_can_be_read(bucket: PriceBucket, tmp_path: Path) -> None:
    """Also where the publisher is killed before the list is put."""
    plan = drafted(bucket, book(tmp_path, "14.00"), NOW)
    bucket.put_book(plan.version, plan.content, plan.catalogue)
    assert bucket.publications() == (Publications(), None)
    plan.carry_out(bucket, "ada")
    assert price_at(bucket, NOW) == 1_400


def test_the_same_book_again_changes_nothing(bucket: PriceBucket, tmp_path: Path) -> None:
    published(bucket, book(tmp_path, "14.00"), NOW)
    again = drafted(bucket, book(tmp_path, "14.00"), NOW + 10 * MINUTE)
    assert again.changes_nothing
    assert not replace(again, when=when(Millis(NOW), None, at_once=True)).changes_nothing


def test_articles_and_coupons_are_looked_up_in_the_book_in_force_and_in_the_next(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    with pytest.raises(SpillwayError, match="prices publish"):
        look_up(bucket, NOW, ["MUG-SAGE"], None)
    published(bucket, book(tmp_path, "14.00"), NOW)
    published(bucket, book(tmp_path, "15.00"), NOW + 10 * MINUTE)
    found = look_up(bucket, Millis(NOW + 11 * MINUTE), ["MUG-SAGE", "JUG"], "WELCOME10")
    prices = [article.prices[0] for one in found.books if (article := one.articles["MUG-SAGE"])]
    assert prices == [1_400, 1_500]
    assert found.current.coupon is not None
    assert found.missing == ["JUG"]
    assert look_up(bucket, Millis(NOW + 30 * MINUTE), [], None).next is None


def test_the_list_forgets_only_what_was_over_long_ago() -> None:
    listed = Publications()
    times = [NOW + number * MINUTE for number in range(KEPT_MIN + 5)]
    for at in times:
        entry = Publication(f"v{at}", Millis(at), published_at=Millis(at))
        listed = with_entry(listed, entry, withdraw=False)
    assert len(listed.entries) == len(times)
    now = times[2] + KEPT_MS + 1
    later = Publication("later", Millis(now), published_at=Millis(now))
    kept = with_entry(listed, later, withdraw=False)
    # The third had begun 90 days ago, so the two before it were over.
    assert kept.entries[0].begins == times[2]
    now = times[-1] + KEPT_MS + 1
    later = Publication("later", Millis(now), published_at=Millis(now))
    assert len(with_entry(listed, later, withdraw=False).entries) == KEPT_MIN


@pytest.mark.parametrize(
    ("begins", "at_once"), [(NOW + NOTICE_MS - 1, False), (NOW + 10 * MINUTE, True)]
)
def test_a_time_that_nobody_could_keep_is_refused(begins: int, at_once: bool) -> None:
    with pytest.raises(SpillwayError, match="--at-once"):
        when(NOW, Millis(begins), at_once=at_once)


def test_a_damaged_book_is_asked_about_and_can_be_replaced(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    damaged = published(bucket, book(tmp_path, "14.00"), NOW)
    bucket._s3.put_object(Bucket=bucket.name, Key=book_key(damaged), Body=b"damaged")  # noqa: SLF001
    plan = drafted(bucket, book(tmp_path, "15.00"), NOW + 10 * MINUTE)
    assert damaged in plan.suspicions[0]
    plan.carry_out(bucket, "ada")
    assert price_at(bucket, NOW + 20 * MINUTE) == 1_500


def test_the_first_book_of_a_new_stack_counts_at_once(bucket: PriceBucket) -> None:
    publish_first(bucket, example(), now=NOW, by="spillway up")
    assert price_at(bucket, NOW) == 1_400
    (entry,) = bucket.publications()[0].entries
    assert (entry.begins, entry.articles) == (NOW, len(example().articles))


def test_there_is_nothing_before_the_first_book(bucket: PriceBucket, tmp_path: Path) -> None:
    published(bucket, book(tmp_path, "14.00"), NOW)
    with pytest.raises(SpillwayError, match="no price book before"):
        version_before(bucket.publications()[0], Millis(NOW + 10 * MINUTE))


@pytest.mark.parametrize("ahead_ms", [-30_000, 0, 1_999])
def test_a_clock_that_goes_with_s3s_publishes(ahead_ms: int) -> None:
    dated = PriceBucket(_DatedS3(), "prices")
    dated.check_clock(Millis(NOW + 60_000))  # nothing was answered yet, so nothing is known
    dated.publications()
    dated.check_clock(Millis(NOW + ahead_ms))


@pytest.mark.parametrize(
    ("ahead_ms", "said"), [(3_000, "3 s ahead of S3's"), (-60_000, "60 s behind S3's")]
)
def test_a_clock_that_is_ahead_of_s3s_or_behind_publishes_nothing(ahead_ms: int, said: str) -> None:
    """With `--at-once` no server would have a book until then; or a wrong one that has begun would
    count as still to come, and stay."""
    dated = PriceBucket(_DatedS3(), "prices")
    dated.publications()
    with pytest.raises(SpillwayError, match=said):
        dated.check_clock(Millis(NOW + ahead_ms))


class _DatedS3(MemoryS3):
    """It answers at `NOW`."""

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, object]:  # noqa: N803
        try:
            return super().get_object(Bucket=Bucket, Key=Key)
        except self.exceptions.NoSuchKey as missing:
            headers = {"date": "Mon, 23 Nov 2026 10:00:00 GMT"}
            missing.response["ResponseMetadata"] = {"HTTPHeaders": headers}
            raise
