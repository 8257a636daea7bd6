"""The store's price books on the deployed service, for tests that publish others."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from orders.domain.units import Millis
from spillway.operate.prices.bucket import PriceBucket, Publication
from spillway.operate.prices.publishing import version_of, with_entry
from spillway.prove.chaos.mutant import ALIAS
from spillway.target.service import Service
from tests.waiting import PATIENCE_SECONDS


@dataclass(frozen=True)
class Shelf:
    """The store's bucket of price books, and intake, which reads it."""

    service: Service
    bucket: PriceBucket

    @property
    def in_force(self) -> str:
        current = self.bucket.publications()[0].current(now())
        assert current is not None
        return current.version

    def add(self, content: bytes) -> None:
        """A book's file and its entry, without a check or a catalogue, in force at once."""
        listed, etag = self.bucket.publications()
        version = version_of(content, b"", now())
        self.bucket.put_book(version, content, b"")
        entry = Publication(version, now(), published_at=now())
        self.bucket.put_publications(with_entry(listed, entry, withdraw=False), etag)
        self.read_anew()

    def read_anew(self) -> None:
        """Start intake anew, as a deployment does: what runs looks at the list once a minute."""
        lambda_, name = self.service.client("lambda"), self.service.resource_name("intake")
        lambda_.update_function_configuration(FunctionName=name, Description=secrets.token_hex(8))
        lambda_.get_waiter("function_updated_v2").wait(
            FunctionName=name,
            WaiterConfig={"Delay": 0.1, "MaxAttempts": PATIENCE_SECONDS * 10},
        )
        version = lambda_.publish_version(FunctionName=name)["Version"]
        lambda_.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)


def now() -> Millis:
    return Millis(time.time_ns() // 1_000_000)
