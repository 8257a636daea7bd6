"""The site as it is built: small, cacheable for ever, and complete."""

from __future__ import annotations

import gzip
import json
import re

import msgspec
import pytest

from spillway.price_book import example
from spillway.run.storefront.publish import publish
from spillway.run.storefront.site import (
    ADDRESS_FORMATS,
    CONTRACT,
    SOURCE,
    File,
    address_formats,
    build,
    hash_of,
    page_sources,
)

#: By page, the bytes of scripts that a browser fetches before it works, compressed: what they are
#: and 2 % more, so that a page that grows says so, and a new page takes room from no other.
SCRIPT_BYTES_MAX = {
    "api-docs": 13_500,
    "approvals": 16_600,
    "basket": 23_200,
    "checkout": 28_600,
    "index": 15_600,
    "not-found": 12_400,
    "order": 27_400,
    "orders": 16_600,
    "product": 17_900,
    "signed-in": 12_600,
    "wholesale": 30_800,
}
#: And of what is fetched only once it is needed: for signing in, and for reading a workbook.
LATER_BYTES_MAX = {"oauth4webapi": 7_000, "workbook": 2_900}


@pytest.fixture(scope="module")
def site() -> dict[str, File]:
    return {file.key: file for file in build({"issuer": "https://login.example.com"})}


def pages(site: dict[str, File]) -> dict[str, str]:
    return {key: file.content.decode() for key, file in site.items() if key.endswith(".html")}


def test_an_asset_s_name_holds_its_content_s_hash_and_may_be_kept_for_ever(
    site: dict[str, File],
) -> None:
    assets = {key: file for key, file in site.items() if key.startswith("assets/")}
    assert assets
    for key, file in assets.items():
        assert f".{hash_of(file.content)}." in key
        assert file.cache_control == "public, max-age=31536000, immutable"


def test_everything_else_is_asked_for_again(site: dict[str, File]) -> None:
    others = {key: file for key, file in site.items() if not key.startswith("assets/")}
    assert {file.cache_control for file in others.values()} == {"no-cache"}
    assert json.loads(others["config.json"].content) == {"issuer": "https://login.example.com"}


def test_what_is_a_customer_s_own_is_in_no_search_engine(site: dict[str, File]) -> None:
    robots = site["robots.txt"]
    assert robots.media_type.startswith("text/plain")
    forbidden = re.findall(r"^Disallow: /(\S+)$", robots.content.decode(), re.MULTILINE)
    own = {"approvals", "basket", "checkout", "order", "orders", "signed-in"}
    assert {name for name in dict(page_sources()) if name.startswith(tuple(forbidden))} == own
    assert "api/" in forbidden


def test_every_page_is_there(site: dict[str, File]) -> None:
    assert {key.removesuffix(".html") for key in pages(site)} == set(dict(page_sources()))


def test_only_the_page_for_the_lost_carries_a_status(site: dict[str, File]) -> None:
    assert {key: file.metadata for key, file in site.items() if file.metadata} == {
        "not-found.html": {"status": "404"}
    }


def test_whatever_a_page_or_a_script_names_is_there(site: dict[str, File]) -> None:
    for key, text in pages(site).items():
        for name in re.findall(r'"/(assets/[^"#]+)', text):
            assert name in site, f"{key} wants {name}"
    for key, file in site.items():
        if key.endswith(".js") and "oauth4webapi" not in key:
            for name in re.findall(r'"\./([\w./-]+\.js)"', file.content.decode()):
                assert f"assets/{name}" in site, f"{key} wants {name}"


def test_a_page_sources_at_once_every_module_it_begins_with(site: dict[str, File]) -> None:
    for key, text in pages(site).items():
        named = set(re.findall(r'modulepreload" href="/([^"]+)"', text))
        [script] = re.findall(r'<script type="module" src="/([^"]+)"', text)
        waiting = [script]
        while waiting:
            source = site[waiting.pop()].content.decode()
            imported = {
                f"assets/{name}" for name in re.findall(r'(?:from|import) ?"\./([^"]+)"', source)
            }
            assert imported <= named, key
            waiting += imported


def test_no_page_holds_a_script_a_style_or_a_handler(site: dict[str, File]) -> None:
    for key, text in pages(site).items():
        assert not re.search(
            r"<style|style=|\son\w+=|javascript:|<script(?! type=\"module\" src)", text
        ), key
        assert "http://" not in text
        assert not re.findall(r'(?:src|href)="https?:', text), key


def compressed_bytes(file: File) -> int:
    return len(gzip.compress(file.content, 6))


def at_once(page: str) -> set[str]:
    """The scripts that a page names itself: all that it begins with, as a test above proves."""
    return set(re.findall(r'"/(assets/[\w.-]+\.js)"', page))


def test_no_page_waits_for_more_scripts_than_it_may(site: dict[str, File]) -> None:
    weights = {
        key.removesuffix(".html"): sum(compressed_bytes(site[name]) for name in at_once(text))
        for key, text in pages(site).items()
    }
    assert weights.keys() == SCRIPT_BYTES_MAX.keys()
    assert {
        page: weight for page, weight in weights.items() if not 0 < weight < SCRIPT_BYTES_MAX[page]
    } == {}


def test_what_no_page_waits_for_is_small_too(site: dict[str, File]) -> None:
    scripts = {key for key in site if key.endswith(".js")}
    later = scripts.difference(*map(at_once, pages(site).values()))
    weights = {
        key.removeprefix("assets/").partition(".")[0]: compressed_bytes(site[key]) for key in later
    }
    assert weights.keys() == LATER_BYTES_MAX.keys()
    assert all(weight < LATER_BYTES_MAX[name] for name, weight in weights.items()), weights


def test_modules_are_served_without_what_only_people_read(site: dict[str, File]) -> None:
    for key, file in site.items():
        if key.endswith(".js"):
            assert not re.search(rb"/\*\*|\n +const ", file.content), key


def test_addresses_have_a_form_where_the_store_delivers_to_and_nowhere_else() -> None:
    every = json.loads((SOURCE / ADDRESS_FORMATS).read_text())
    served = json.loads(address_formats(["HK", "FR", "XX"]))
    assert served == {name: every[name] for name in ("about", "HK", "FR")}


def test_the_same_sources_make_the_same_site(site: dict[str, File]) -> None:
    assert {file.key: file for file in build({"issuer": "https://login.example.com"})} == site


def test_the_documentation_has_every_operation_answer_field_and_a_form(
    site: dict[str, File],
) -> None:
    page = pages(site)["api-docs.html"]
    contract = msgspec.yaml.decode(CONTRACT.read_text())
    operations = [
        operation
        for item in contract["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    assert page.count("<form ") == len(operations) > 0
    for operation in operations:
        section = page.partition(f'<section id="{operation["operationId"]}"')[2]
        section = section.partition("</section>")[0]
        for status in operation["responses"]:
            assert f"<td><code>{status}</code></td>" in section
    for name, schema in contract["components"]["schemas"].items():
        if schema.get("type") == "object":
            section = page.partition(f'<section id="schema-{name}"')[2].partition("</section>")[0]
            for field in schema["properties"]:
                assert f"<code>{field}</code>" in section


def test_no_coupon_of_the_book_is_in_anything_that_is_published() -> None:
    """Their codes are worth money, and what they take off only a quote says."""
    content: dict[str, str] = {}

    class Bucket:
        def put_object(self, **given: object) -> None:
            body = given["Body"]
            assert isinstance(body, bytes)
            content[str(given["Key"])] = body.decode()

    publish(Bucket(), bucket="site", settings={})
    codes = example().rules.coupons
    assert codes
    found = {(key, code) for key, text in content.items() for code in codes if code in text}
    assert found == set()


def test_what_is_needed_is_uploaded_before_what_needs_it() -> None:
    uploaded: list[str] = []

    class Bucket:
        def put_object(self, **given: object) -> None:
            uploaded.append(str(given["Key"]))

    files = publish(Bucket(), bucket="site", settings={})
    assert uploaded == [file.key for file in files]
    first_page = min(index for index, key in enumerate(uploaded) if key.endswith(".html"))
    last_asset = max(index for index, key in enumerate(uploaded) if key.startswith("assets/"))
    assert last_asset < first_page
