"""A bucket for price books: each test runs once in memory and once on the emulator's S3."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from spillway.operate.prices.bucket import PriceBucket
from spillway.run.stack.aws import client
from spillway.run.stack.emulator import emulator
from tests.needs import starts

_buckets = count(1)


class _NoSuchKey(ClientError):
    pass


class MemoryS3:
    """What a price bucket needs of an S3 client, conditional puts included."""

    exceptions = SimpleNamespace(ClientError=ClientError, NoSuchKey=_NoSuchKey)

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if Key not in self._objects:
            raise self.exceptions.NoSuchKey({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        content = self._objects[Key]
        return {"Body": io.BytesIO(content), "ETag": self._etag(Key)}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **more: str) -> None:  # noqa: N803
        there = Key in self._objects
        right = more.get("IfMatch") in (None, self._etag(Key)) and not (
            there and more.get("IfNoneMatch") == "*"
        )
        if not right:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        self._objects[Key] = Body

    def _etag(self, key: str) -> str:
        content = self._objects.get(key, b"")
        return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


@pytest.fixture(scope="module")
@starts("emulator")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an emulator without any stack."""
    with emulator(tmp_path_factory.mktemp("prices-emulator")) as running:
        yield running.url


@pytest.fixture
def emulated_s3(emulated: str) -> Any:
    return client(emulated, "s3")


@pytest.fixture(params=["memory", pytest.param("emulator", marks=pytest.mark.emulator)])
def bucket(request: pytest.FixtureRequest) -> PriceBucket:
    """Empty."""
    if request.param == "memory":
        return PriceBucket(MemoryS3(), "prices")
    s3 = request.getfixturevalue("emulated_s3")
    name = f"prices-{next(_buckets)}"
    s3.create_bucket(Bucket=name)
    return PriceBucket(s3, name)
