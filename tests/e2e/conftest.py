"""What tests of the deployed service share beside the stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spillway.operate.prices.bucket import PriceBucket
from spillway.operate.prices.storefront import Storefront
from spillway.run.stack import Stack
from spillway.target.service import Service, on_this_machine
from tests.e2e.shelf import Shelf, now
from tests.needs import starts


@pytest.fixture(scope="session")
def service(stack: Stack) -> Service:
    return on_this_machine(stack.port)


@pytest.fixture
@starts("emulator")
def shelf(service: Service) -> Iterator[Shelf]:
    """What a test does to the books is undone after it."""
    shelf = Shelf(service, PriceBucket.of(service))
    before, _ = shelf.bucket.publications()
    yield shelf
    after, etag = shelf.bucket.publications()
    if after != before:
        shelf.bucket.put_publications(before, etag)
        shelf.read_anew()
        Storefront.of(service).show(shelf.bucket, now())
