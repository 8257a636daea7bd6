"""AWS clients, made when first asked for: nothing connects at import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import botocore
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from orders.domain.waits import CALL_SECONDS
from orders.failures import PermanentFailure, TransientFailure

# AWS answers these calls in some milliseconds. A call that hangs is cut off and tried once more.
_TRIES = 2
# GetParameter is tried again by orders.aws.parameters.
_TRIES_OF = {"ssm": 1}
# What botocore waits at most between two tries in its legacy mode (its data/_retry.json).
_PAUSE_SECONDS = 1.0
_PAUSE_SECONDS_OF = {"dynamodb": 0.05}
_CONNECT_SHARE = 1 / 3

# The caller's own mistake: a request that can never be right. That is a bug of ours, and must look
# like one instead of being retried for a day.
_BUGS = frozenset(
    {
        "SerializationException",
        "ValidationException",
        # SQS, some of them behind `AWS.SimpleQueueService.`
        "BatchEntryIdsNotDistinct",
        "BatchRequestTooLong",
        "EmptyBatchRequest",
        "InvalidBatchEntryId",
        "InvalidMessageContents",
        "InvalidParameterValue",
        "MissingParameter",
        "TooManyEntriesInBatchRequest",
        # SNS, which has those of batches too
        "InvalidParameter",
        "ParameterValueInvalid",
        # SNS, and DynamoDB as the reason why a transaction was cancelled
        "ValidationError",
    }
)

# botocore's clients are untyped; Any is confined to this folder.
Client = Any


@cache
def session() -> botocore.session.Session:
    """One for the process: it caches credentials and service models."""
    return botocore.session.get_session()


@cache
def client(service: str, timeout_seconds: float = CALL_SECONDS) -> Client:
    """One client per service and process, whose calls take at most about `timeout_seconds`, the
    second try and the pause before it counted.

    Threads can share a client, but must not make one at the same time: orders.wiring makes them
    before any thread starts, and orders.aws.parameters makes its own under a lock.
    """
    tries = _TRIES_OF.get(service, _TRIES)
    pauses = _PAUSE_SECONDS_OF.get(service, _PAUSE_SECONDS) * (tries - 1)
    try_seconds = (timeout_seconds - pauses) / tries
    config = Config(
        connect_timeout=try_seconds * _CONNECT_SHARE,
        read_timeout=try_seconds * (1 - _CONNECT_SHARE),
        # The standard mode may pause for a second before the second try: too long for an order.
        retries={"total_max_attempts": tries, "mode": "legacy"},
        # Deliveries of one batch run side by side: a connection for each.
        max_pool_connections=16,
        user_agent=user_agent(),
    )
    return session().create_client(service, config=config)


def user_agent() -> str:
    """Who calls, as CloudTrail and the proxy of a local run name it.

    The SDK would make its own anew at every try, twice, of fifteen parts that never change: a fifth
    of a call's processor time.
    """
    appid = session().get_config_variable("user_agent_appid")
    return f"Botocore/{botocore.__version__}" + (f" app/{appid}" if appid else "")


def is_bug(error: ClientError) -> bool:
    """Whether AWS says that the request can never be right; of a cancelled transaction, that one of
    its writes can't."""
    answer: Mapping[str, Any] = error.response
    why = [answer.get("Error", {}), *answer.get("CancellationReasons", ())]
    return any(str(one.get("Code")).rpartition(".")[2] in _BUGS for one in why)


class translate_aws_errors:  # noqa: N801 - a `with` reads as it does with contextlib's
    """The SDK's exceptions become ours here.

    Whatever AWS or the network refuses or delays is transient from an order's point of view, a
    missing permission too: it is a deployment's fault, which is mended, and the order must still
    be there then.
    """

    def __init__(self, call: str) -> None:
        self._call = call

    def __enter__(self) -> None:
        """Around every call; a generator of contextlib's costs three times as much."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ClientError):
            if not is_bug(error):
                code = error.response.get("Error", {}).get("Code", "unknown")
                raise TransientFailure(f"{self._call}: {code}") from error
        elif isinstance(error, BotoCoreError):
            raise TransientFailure(f"{self._call}: {type(error).__name__}") from error


@contextmanager
def bugs_are_for_a_person() -> Iterator[None]:
    """Around calls for which no order may wait. A bug would hold up relay, and with it the orders
    behind it in the stream; a PermanentFailure ends among the watchdog's dead letters."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        raise PermanentFailure(f"{error.operation_name}: {code}") from error
