"""Objects in a bucket, over plain HTTP.

They are read by urllib3 and signed as the SDK signs, because S3's own client would have each cold
start parse the longest of all service models.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError

from orders.aws.clients import user_agent
from orders.aws.signing import Sign
from orders.failures import TransientFailure

_TRIES = 2


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket's objects. `url` has no slash at the end; `pool` has the time-outs of one try, of
    which there are two."""

    url: str
    pool: urllib3.PoolManager
    sign: Sign

    def get(self, key: str, unless_tag: str | None = None) -> tuple[bytes, str | None] | None:
        """The object and its entity tag; None if `unless_tag` is still its tag.

        Raises TransientFailure.
        """
        asked = {} if unless_tag is None else {"if-none-match": unless_tag}
        answer = self._answer("GET", key, asked)
        if answer.status == 304:
            return None
        if answer.status != 200:
            raise TransientFailure(f"answered {answer.status}")
        return answer.data, answer.headers.get("etag")

    def get_part(self, key: str, range_: str) -> bytes:
        """A part of the object: `range_` is a header `Range`. Raises TransientFailure."""
        answer = self._answer("GET", key, {"range": range_})
        if answer.status != 206:
            raise TransientFailure(f"answered {answer.status}")
        return answer.data

    def find(self, key: str) -> tuple[bytes, str | None] | None:
        """The object and its entity tag; None where there is none, which only those learn who may
        list the bucket. Raises TransientFailure."""
        answer = self._answer("GET", key, {})
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise TransientFailure(f"answered {answer.status}")
        return answer.data, answer.headers.get("etag")

    def put(self, key: str, content: bytes, *, replaces: str | None = None) -> str | None:
        """Store a new object, or a new form of the one with the entity tag `replaces`.

        Returns its entity tag. None: something else is there, and nothing was stored. Or it was
        stored, by a first try whose answer was lost. Raises TransientFailure.
        """
        asked = {
            "content-type": "application/x-ndjson",
            # S3 refuses what does not arrive as it was sent.
            "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(content).digest()).decode(),
            **({"if-none-match": "*"} if replaces is None else {"if-match": replaces}),
        }
        answer = self._answer("PUT", key, asked, content)
        if answer.status in (409, 412):
            return None
        if answer.status != 200:
            raise TransientFailure(f"answered {answer.status}")
        return answer.headers.get("etag")

    def delete(self, key: str) -> None:
        """Raises TransientFailure. It is no failure where there is none."""
        answer = self._answer("DELETE", key, {})
        if answer.status not in (200, 204):
            raise TransientFailure(f"answered {answer.status}")

    def _answer(
        self, method: str, key: str, asked: Mapping[str, str], content: bytes = b""
    ) -> urllib3.BaseHTTPResponse:
        """Of the first try that has one below 500, or of the last."""
        url = f"{self.url}/{key}"
        headers = {"user-agent": user_agent(), **asked}
        for left in reversed(range(_TRIES)):
            signed = self.sign(method, url, headers, content)
            try:
                answer = self.pool.request(
                    method, url, body=content or None, headers=signed, retries=False, redirect=False
                )
            except HTTPError as error:
                if not left:
                    raise TransientFailure(type(error).__name__) from error
                continue
            if answer.status < 500 or not left:
                return answer
        raise AssertionError("the last try returns or raises")
