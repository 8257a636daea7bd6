"""Orders that have left the table for their archive, with the operator's own credentials.

A stub in the table says which bytes of which object of the bucket were an order's two items
(orders.aws.archive_file). Each is read by one ranged GET, several at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import chain, islice
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orders.aws import archive_file, items
from orders.aws.archive_file import Items, LineInvalid
from orders.aws.archiving import JOURNAL_KEY
from orders.aws.items import Item, Location
from orders.ports import Clock
from orders.wiring import SystemClock
from spillway.errors import SpillwayError

#: The data stack's output that names the bucket.
OUTPUT = "ArchiveBucketName"
#: As many as boto3's pool of connections has.
READ_AT_ONCE = 10
#: A page of the table has up to 9,000 stubs, and a line has twenty times as many bytes as its stub.
TOGETHER_MAX = 500
_GONE = frozenset({"NoSuchKey", "NoSuchBucket", "InvalidRange", "404", "416"})
_CHANGED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class Archive:
    """`s3` and `bucket` are asked for once an archived order is met: most stages have none."""

    def __init__(self, s3: Callable[[], Any], bucket: Callable[[], str]) -> None:
        self._make_s3, self._find_bucket = s3, bucket

    @property
    def clock(self) -> Clock:
        return SystemClock()

    @cached_property
    def bucket(self) -> str:
        return self._find_bucket()

    @cached_property
    def _s3(self) -> Any:
        return self._make_s3()

    def whole(self, found: Iterable[Item]) -> Iterator[Item]:
        """The items, with an order's own two in place of each stub."""
        found = iter(found)
        while some := list(islice(found, TOGETHER_MAX)):
            stubs = [item for item in some if items.is_stub(item)]
            read = iter(self.items_of(stubs))
            yield from chain.from_iterable(
                next(read) if items.is_stub(item) else (item,) for item in some
            )

    def items_of(self, stubs: Sequence[Item]) -> Sequence[Items]:
        """Order and progress in whose place each stub is.

        SpillwayError: what is in the bucket is not what a stub says.
        """
        return [
            self._items_at(stub, line)
            for stub, line in zip(stubs, self.lines_of(stubs), strict=True)
        ]

    def lines_of(self, stubs: Sequence[Item]) -> Sequence[bytes]:
        """The bytes that each stub names. SpillwayError: they are not there."""
        if len(stubs) < 2:
            return [self._line_of(stub) for stub in stubs]
        # Made here, because threads may share a client but not make it.
        _ = self._s3, self.bucket
        with ThreadPoolExecutor(READ_AT_ONCE) as threads:
            return list(threads.map(self._line_of, stubs))

    def _items_at(self, stub: Item, line: bytes) -> Items:
        try:
            return archive_file.items_at(stub, line)
        except LineInvalid as problem:
            raise self._unreadable(stub, str(problem)) from problem

    def _line_of(self, stub: Item) -> bytes:
        location = items.location_of(stub)
        try:
            answer = self._s3.get_object(
                Bucket=self.bucket,
                Key=archive_file.object_key(location),
                Range=archive_file.range_of(location),
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in _GONE:
                raise
            raise self._unreadable(stub, code) from error
        line: bytes = answer["Body"].read()
        return line

    def _unreadable(self, stub: Item, why: str) -> SpillwayError:
        key = archive_file.object_key(items.location_of(stub))
        return SpillwayError(
            f"The archived order {items.key_of(stub).order_id} is not in s3://{self.bucket}/{key}"
            f" ({why}): restore an older version of that object."
        )

    def have_tidied(self, days: Iterable[str]) -> None:
        """Have the next run of the archive take out of the objects of these days what no stub
        names: the run's journal names them from now on. Fine to repeat, and while a run goes on,
        which then ends; without a journal no order ever left."""
        prefixes = [f"{archive_file.PREFIX}{day}/" for day in sorted({*days})]
        keys = {key for prefix in prefixes for key in self._keys(prefix)}
        while keys:
            try:
                answer = self._s3.get_object(Bucket=self.bucket, Key=JOURNAL_KEY)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _GONE:
                    raise
                return
            journal = msgspec.json.decode(answer["Body"].read(), type=dict[str, Any])
            journal["objects"] = sorted({*journal["objects"], *keys})
            if self._replaced(JOURNAL_KEY, msgspec.json.encode(journal), answer["ETag"]):
                return

    def _keys(self, prefix: str) -> Iterator[str]:
        more: dict[str, str] = {}
        while True:
            answer = self._s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **more)
            yield from (each["Key"] for each in answer.get("Contents", ()))
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def overwrite(self, location: Location, line: bytes | None) -> None:
        """Write this in a line's place, or nothing. All else in the object stays, whoever else
        writes to it. Fine to repeat."""
        key = archive_file.object_key(location)
        while True:
            answer = self._s3.get_object(Bucket=self.bucket, Key=key)
            content = answer["Body"].read()
            if line is None:
                content = archive_file.without(content, [location])
            else:
                content = archive_file.replaced(content, location, line)
            # Else it was the archive's run, or another erasure: it is read again.
            if self._replaced(key, content, answer["ETag"]):
                return

    def _replaced(self, key: str, content: bytes, tag: str) -> bool:
        """False where something else has replaced it meanwhile."""
        try:
            self._s3.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=content,
                IfMatch=tag,
                ContentType="application/x-ndjson",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _CHANGED:
                raise
            return False
        return True
