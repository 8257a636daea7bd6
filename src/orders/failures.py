"""When the outside lets us down.

    Failure
    ├── TransientFailure   throttled, timed out, unreachable: the same call may go well later.
    │   │                  What it did is unknown, so it is asked again under the same key.
    │   └── Misconfigured  a downstream's answer that says nothing of the order, such as 401: the
    │                      same call goes well once somebody has mended the key, the address or
    │                      the downstream. It waits like an outage, and rings at once.
    └── PermanentFailure   a contract broken by either side: asking again cannot help, a person
        │                  must see it.
        └── Contradiction  a downstream answers under one key otherwise than it did before.

Adapters translate their library's exceptions into these in one place each. A refusal is not a
failure (orders.domain.refusals), and a bug is neither: it stays an ordinary exception.
"""

from __future__ import annotations

import traceback


class Failure(Exception):
    """Base of both; its text never holds personal data, so that it can be logged as it is."""


class TransientFailure(Failure):
    pass


class Misconfigured(TransientFailure):
    pass


class PermanentFailure(Failure):
    pass


class Contradiction(PermanentFailure):
    pass


def error_location(bug: BaseException) -> str:
    """A bug's type and the line that raised it: what a developer needs, without the data in it."""
    frames = traceback.extract_tb(bug.__traceback__)
    where = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"{type(bug).__name__}{where}"
