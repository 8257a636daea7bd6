"""S3: price books and archived orders in their buckets, and the connections to them.

A GET that goes well takes no time here: the schedules that found bugs would otherwise be others.
Its faults come from streams of their own for the same reason.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from urllib3.exceptions import ReadTimeoutError

from simulation.world.calls import Calls, Site, client_error
from simulation.world.chance import Chance
from simulation.world.faults import HTTP_WRITE_KINDS, Fault, Kinds

_KINDS = Kinds((Fault.REQUEST_LOST, Fault.SLOW, Fault.ERROR_ANSWER))
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_NO_POOL: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """As urllib3's response has it, as far as it is read."""

    status: int
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def traced(self) -> str:
        return f"answered {self.status}"


@dataclass
class Bucket:
    """What is in it, by key. `troubled`: something was asked for and could not be had. `on_put`
    is called after each object that was stored."""

    objects: dict[str, bytes] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    troubled: bool = False
    on_put: Callable[[str], None] = lambda _: None

    def get(self, key: str, headers: Mapping[str, str], *, may_list: bool = False) -> Answer:
        content = self.objects.get(key)
        if content is not None and key in self.damaged:
            self.troubled = True
            content = content[: len(content) // 2]
        if content is None:
            # Who may not list a bucket does not learn that there is no such object.
            return Answer(404 if may_list else 403)
        tag = _tag(content)
        if headers.get("if-none-match") == tag:
            return Answer(304, headers={"etag": tag})
        part = _RANGE.fullmatch(headers.get("range", ""))
        if part is None:
            return Answer(200, content, {"etag": tag})
        begins, ends = map(int, part.groups())
        if begins >= len(content):
            return Answer(416)
        return Answer(206, content[begins : ends + 1], {"etag": tag})

    def put(self, key: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
        if headers.get("x-amz-checksum-sha256", checksum) != checksum:
            return Answer(400)
        there = self.objects.get(key)
        if headers.get("if-none-match") == "*" and there is not None:
            return Answer(412)
        wanted = headers.get("if-match")
        if wanted is not None and there is None:
            return Answer(404)
        if wanted is not None and there is not None and wanted != _tag(there):
            return Answer(412)
        self.objects[key] = content
        self.on_put(key)
        return Answer(200, headers={"etag": _tag(content)})


@dataclass(eq=False)
class S3Client:
    """A boto3 client of one bucket, as an operator's commands call it: nothing goes wrong."""

    bucket: Bucket
    name: str

    def get_object(self, *, Bucket: str, Key: str, Range: str = "") -> dict[str, Any]:
        if self.name != Bucket:
            raise client_error("NoSuchBucket", "GetObject", "The bucket does not exist")
        answer = self.bucket.get(Key, {"range": Range} if Range else {}, may_list=True)
        if answer.status >= 400:
            code = "InvalidRange" if answer.status == 416 else "NoSuchKey"
            raise client_error(code, "GetObject", str(answer.status))
        return {"Body": io.BytesIO(answer.data), "ETag": answer.headers["etag"]}

    def list_objects_v2(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:
        if self.name != Bucket:
            raise client_error("NoSuchBucket", "ListObjectsV2", "The bucket does not exist")
        keys = sorted(key for key in self.bucket.objects if key.startswith(Prefix))
        return {"Contents": [{"Key": key} for key in keys], "IsTruncated": False}

    def put_object(
        self, *, Bucket: str, Key: str, Body: bytes, IfMatch: str, ContentType: str
    ) -> dict[str, Any]:
        if self.name != Bucket:
            raise client_error("NoSuchBucket", "PutObject", "The bucket does not exist")
        answer = self.bucket.put(Key, Body, {"if-match": IfMatch, "content-type": ContentType})
        if answer.status >= 400:
            raise client_error("PreconditionFailed", "PutObject", str(answer.status))
        return {"ETag": answer.headers["etag"]}


@dataclass(eq=False)
class BucketConnections:
    """A urllib3 pool: every connection ends at one of these buckets. `may_list`: who asks learns
    that an object is not there."""

    buckets: Mapping[str, Bucket]
    calls: Calls
    seed: int
    timeout_seconds: float
    may_list: bool = False
    _asked: dict[str, int] = field(default_factory=dict)

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], **others: Any
    ) -> Answer:
        body = others.pop("body")
        if others != {"retries": False, "redirect": False} or (method == "PUT") != bool(body):
            raise AssertionError(f"{method} {url}: no plain GET or PUT")
        parts = urlsplit(url)
        bucket, key = self.buckets[str(parts.hostname).partition(".")[0]], parts.path[1:]
        if method == "PUT":
            return self._put(bucket, key, body, headers)
        task = self.calls.scheduler.task
        if task is not None and self._fails(bucket, task.name, key):
            bucket.troubled = True
            return Answer(503)
        return bucket.get(key, headers, may_list=self.may_list)

    def _put(self, bucket: Bucket, key: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        def put(fault: Fault | None) -> Answer:
            if fault is Fault.ERROR_ANSWER:
                # It may have been stored before that.
                if self.calls.scheduler.running.chance() < 0.5:
                    bucket.put(key, body, headers)
                return Answer(503)
            return bucket.put(key, body, headers)

        timeout_ms = round(self.timeout_seconds * 1000)
        return self.calls.make(
            Site("s3", "PUT", HTTP_WRITE_KINDS, timeout_ms, _no_answer, _no_answer), put, key
        )

    def _fails(self, bucket: Bucket, task: str, key: str) -> bool:
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
                bucket.troubled = True
                raise ReadTimeoutError(_NO_POOL, "", "Read timed out.")
            case Fault.ERROR_ANSWER:
                return True
        return False


def _no_answer(_: str, __: Chance) -> Exception:
    return ReadTimeoutError(_NO_POOL, "", "Read timed out.")


def _tag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
