"""The storefront shows the book that intake prices by, whoever publishes what and when."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from orders.domain.units import Millis
from spillway.errors import SpillwayError
from spillway.operate.prices.bucket import PriceBucket
from spillway.operate.prices.plan import draft_rollback
from spillway.operate.prices.publishing import NOTICE_MS, when
from spillway.operate.prices.storefront import LIST_KEY, Storefront
from spillway.paths import PROJECT
from spillway.price_book import read
from tests.builders import NOW
from tests.spillway.operate.prices.conftest import MemoryS3
from tests.spillway.operate.prices.test_publishing import MINUTE, book, drafted, price_at, published
from tests.spillway.price_book.files import written


@pytest.fixture
def bucket() -> PriceBucket:
    return PriceBucket(MemoryS3(), "prices")


@pytest.fixture
def site() -> Storefront:
    return Storefront(MemoryS3(), "site")


def listed(site: Storefront) -> list[dict[str, Any]]:
    content = site.s3.get_object(Bucket=site.bucket, Key=LIST_KEY)["Body"].read()
    books: list[dict[str, Any]] = json.loads(content)["books"]
    return books


def shown_at(site: Storefront, at: int) -> object:
    """What a page says that a mug costs then."""
    *_, counts = (one for one in listed(site) if one["begins"] <= at)
    found = site.s3.get_object(Bucket=site.bucket, Key=counts["catalogue"].lstrip("/"))
    [mug] = [
        good for good in json.loads(found["Body"].read())["goods"] if good["sku"] == "MUG-SAGE"
    ]
    return mug["prices"]["retail GBP"]


def test_the_next_book_is_shown_when_it_begins_and_its_catalogue_has_its_begin_in_its_name(
    bucket: PriceBucket, site: Storefront, tmp_path: Path
) -> None:
    published(bucket, book(tmp_path, "14.00"), NOW)
    published(bucket, book(tmp_path, "15.00"), NOW + MINUTE)
    site.show(bucket, Millis(NOW + MINUTE))
    begins = NOW + MINUTE + NOTICE_MS
    assert [shown_at(site, at) for at in (NOW + MINUTE, begins - 1, begins)] == [
        1_400,
        1_400,
        1_500,
    ]
    assert [one["begins"] for one in listed(site)] == [NOW, begins]
    for one in listed(site):
        assert re.fullmatch(rf"/catalogues/{one['begins']}-[0-9a-f]{{16}}\.json", one["catalogue"])


@pytest.mark.parametrize("seed", range(20))
def test_pages_show_what_intake_charges_whatever_is_published(
    seed: int, bucket: PriceBucket, site: Storefront, tmp_path: Path
) -> None:
    random = Random(seed)
    now: int = NOW
    published(bucket, book(tmp_path, "14.00"), now)
    for _ in range(12):
        now += random.choice((1_000, MINUTE, NOTICE_MS, 10 * MINUTE))
        at_once = random.random() < 0.3
        if random.random() < 0.3:
            versions = [entry.version for entry in bucket.publications()[0].entries]
            begins = when(Millis(now), None, at_once=at_once)
            draft_rollback(
                bucket,
                random.choice(versions),
                now=Millis(now),
                when=begins,
                fall_max=1,
                counted=lambda _: {},
            ).carry_out(bucket, "ada")
        else:
            begin = None if at_once or random.random() < 0.5 else now + 7 * MINUTE
            price = f"{random.randrange(10, 100)}.00"
            published(bucket, book(tmp_path, price), now, begins=begin, at_once=at_once)
        site.show(bucket, Millis(now))
        for later in (0, 1, NOTICE_MS - 1, NOTICE_MS, 7 * MINUTE - 1, 7 * MINUTE, 60 * MINUTE):
            assert shown_at(site, now + later) == price_at(bucket, now + later)


def test_a_withdrawn_or_replaced_book_is_not_listed(
    bucket: PriceBucket, site: Storefront, tmp_path: Path
) -> None:
    sale = NOW + 100 * MINUTE
    published(bucket, book(tmp_path, "1.40"), NOW)
    for price in ("9.00", "10.00"):
        published(bucket, book(tmp_path, price), NOW + MINUTE, begins=sale)
    published(bucket, book(tmp_path, "14.00"), NOW + 2 * MINUTE, at_once=True)
    site.show(bucket, Millis(NOW + 2 * MINUTE))
    assert [one["begins"] for one in listed(site)] == [NOW + 2 * MINUTE, sale]
    assert shown_at(site, sale) == 1_000


def test_of_two_who_publish_at_the_same_time_the_later_list_stays(
    bucket: PriceBucket, site: Storefront, tmp_path: Path
) -> None:
    published(bucket, book(tmp_path, "14.00"), NOW)

    def meanwhile() -> None:
        published(bucket, book(tmp_path, "15.00"), NOW + MINUTE)
        site.show(bucket, Millis(NOW + MINUTE))

    Storefront(_InterruptedS3(site.s3, meanwhile), site.bucket).show(bucket, Millis(NOW))
    assert shown_at(site, NOW + MINUTE + NOTICE_MS) == 1_500


class _InterruptedS3:
    """Something happens before its first put."""

    exceptions = MemoryS3.exceptions

    def __init__(self, s3: Any, meanwhile: Callable[[], None]) -> None:
        self._s3 = s3
        self._meanwhile: Callable[[], None] | None = meanwhile

    def put_object(self, **given: Any) -> None:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        self._s3.put_object(**given)


def test_addresses_have_a_form_in_the_countries_of_every_book_that_is_shown(
    bucket: PriceBucket, site: Storefront, tmp_path: Path
) -> None:
    published(bucket, book(tmp_path, "14.00"), NOW)
    abroad = (
        'countries = ["GB"]\nprice = { GBP = 3.95 }',
        'countries = ["GB", "IE"]\nprice = { GBP = 3.95 }',
    )
    published(
        bucket,
        read(
            written(
                tmp_path,
                abroad,
                ('countries = ["GB"]\nincluded', 'countries = ["GB", "IE"]\nincluded'),
            )
        ),
        NOW,
    )
    site.show(bucket, NOW)
    formats = site.s3.get_object(Bucket=site.bucket, Key="address-formats.json")["Body"].read()
    assert {"GB", "IE"} == json.loads(formats).keys() - {"about"}


def test_who_may_not_write_the_site_is_told_what_it_shows(
    bucket: PriceBucket, tmp_path: Path
) -> None:
    class Denying(MemoryS3):
        def put_object(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")

    published(bucket, book(tmp_path, "14.00"), NOW)
    with pytest.raises(SpillwayError, match="AccessDenied"):
        Storefront(Denying(), "site").show(bucket, NOW)


def test_another_text_alone_is_a_change_and_is_shown(
    bucket: PriceBucket, site: Storefront, tmp_path: Path
) -> None:
    published(bucket, book(tmp_path, "14.00"), NOW)
    renamed = read(written(tmp_path, ("Mug, sage", "Mug, green")))
    plan = drafted(bucket, renamed, NOW)
    assert (plan.changes.shown, plan.changes_nothing) == (["MUG-SAGE"], False)
    plan.carry_out(bucket, "ada")
    # Also within the minute of the book before, whose prices are the same.
    site.show(bucket, NOW)
    first, second = listed(site)
    assert first["catalogue"].partition("-")[2] != second["catalogue"].partition("-")[2]


def test_a_channel_that_becomes_public_is_a_change(bucket: PriceBucket, tmp_path: Path) -> None:
    retail = ('channels = ["retail", "wholesale"]', 'channels = ["retail"]')
    published(bucket, read(written(tmp_path, retail)), NOW)
    plan = drafted(bucket, read(written(tmp_path)), NOW)
    assert "price_lists" in plan.changes.shown


@pytest.mark.parametrize("damaged", [None, b'{"goods": ['])
def test_a_book_without_a_sound_catalogue_does_not_keep_the_next_from_being_shown(
    bucket: PriceBucket, site: Storefront, tmp_path: Path, damaged: bytes | None
) -> None:
    version = published(bucket, book(tmp_path, "14.00"), NOW)
    objects, key = bucket._s3._objects, f"catalogues/{version}.json"  # noqa: SLF001
    del objects[key]
    if damaged is not None:
        objects[key] = damaged
    with pytest.raises(SpillwayError, match="no catalogue"):
        draft_rollback(
            bucket,
            version,
            now=NOW,
            when=when(NOW, None, at_once=True),
            fall_max=1,
            counted=lambda _: {},
        )
    plan = drafted(bucket, book(tmp_path, "14.00"), NOW + MINUTE)
    assert not plan.changes_nothing
    plan.carry_out(bucket, "ada")
    site.show(bucket, Millis(NOW + MINUTE))
    assert [one["begins"] for one in listed(site)] == [NOW + MINUTE + NOTICE_MS]


def test_cloudfront_hands_a_catalogue_out_when_its_book_is_published_at_the_latest() -> None:
    code = (PROJECT / "web" / "edge" / "pages.js").read_text()
    assert re.findall(r"NOTICE_MS = (\d+);", code) == [str(NOTICE_MS)]
