"""S3: the price books in their bucket, and the connections over which intake reads them.

A GET that goes well takes no time here: the schedules that found bugs would otherwise be others.
Its faults come from streams of their own for the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any
from urllib.parse import urlsplit

from urllib3.exceptions import ReadTimeoutError

from simulation.world.calls import Calls
from simulation.world.chance import Chance
from simulation.world.faults import Fault, Kinds

_KINDS = Kinds((Fault.REQUEST_LOST, Fault.SLOW, Fault.ERROR_ANSWER))
_NO_POOL: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """As urllib3's response has it, as far as it is read."""

    status: int
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Bucket:
    """What is in it, by key. `troubled`: something was asked for and could not be had."""

    objects: dict[str, bytes] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    troubled: bool = False

    def get(self, key: str, headers: Mapping[str, str]) -> Answer:
        content = self.objects.get(key)
        if content is not None and key in self.damaged:
            self.troubled = True
            content = content[: len(content) // 2]
        if content is None:
            # Who may not list a bucket does not learn that there is no such object.
            return Answer(403)
        tag = f'"{md5(content, usedforsecurity=False).hexdigest()}"'
        if headers.get("if-none-match") == tag:
            return Answer(304, headers={"etag": tag})
        return Answer(200, content, {"etag": tag})


@dataclass(eq=False)
class BucketConnections:
    """A urllib3 pool: every connection ends at one bucket."""

    bucket: Bucket
    calls: Calls
    seed: int
    timeout_seconds: float
    _asked: dict[str, int] = field(default_factory=dict)

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], **others: object
    ) -> Answer:
        if method != "GET" or others != {"body": None, "retries": False, "redirect": False}:
            raise AssertionError(f"{method} {url}: no plain GET")
        key = urlsplit(url).path.removeprefix("/")
        task = self.calls.scheduler.task
        if task is not None and self._fails(task.name, key):
            self.bucket.troubled = True
            return Answer(503)
        return self.bucket.get(key, headers)

    def _fails(self, task: str, key: str) -> bool:
        """Whether it is answered with an error. Raises where no answer comes."""
        scheduler, faults = self.calls.scheduler, self.calls.faults
        now = scheduler.now
        if now >= faults.heal_at:
            return False
        place = f"{task}, GET {key}"
        count = self._asked[place] = self._asked.get(place, 0) + 1
        place = f"{place} {count}"
        chance = Chance(self.seed, place)
        fault = faults.at_call(_KINDS, "s3", lambda: place, chance, now)
        timeout_ms = round(self.timeout_seconds * 1000)
        match fault:
            case Fault.SLOW:
                scheduler.sleep(int(timeout_ms * (0.5 + 0.49 * chance())))
            case Fault.REQUEST_LOST | Fault.OUTAGE:
                scheduler.sleep(timeout_ms)
                self.bucket.troubled = True
                raise ReadTimeoutError(_NO_POOL, "", "Read timed out.")
            case Fault.ERROR_ANSWER:
                return True
        return False
