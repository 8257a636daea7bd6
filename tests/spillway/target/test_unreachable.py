"""A library's own errors become one sentence that says why, and what to do next."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import boto3
import httpx
import pytest
from botocore import exceptions as aws
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from spillway.errors import SpillwayError
from spillway.target.options import explain_unreachable
from spillway.target.unreachable import unreachable, why_silent

LIBRARY_WORDS = ("Error", "botocore", "httpx", "Errno", "endpoint URL", "0x", "urllib3")


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "AWS says why"}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (aws.EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"), "nothing listens"),
        (aws.ReadTimeoutError(endpoint_url="https://x", error=TimeoutError()), "too long"),
        (httpx.ConnectTimeout("t"), "too long"),
        (httpx.ReadError("r"), "connection broke"),
        (aws.ProfileNotFound(profile="nope"), "no AWS profile 'nope'"),
        (aws.InvalidRegionError(region_name="us east"), "'us east' can't be an AWS Region"),
        (aws.NoRegionError(), "can't be an AWS Region"),
        (aws.UnauthorizedSSOTokenError(), "aws sso login"),
        (ResponseParserError("Unable to parse response: <html>"), "AWS_ENDPOINT_URL"),
        (refused("ExpiredToken"), "aws sso login"),
        (refused("AccessDeniedException"), "Your credentials may not do this"),
        (refused("NoSuchBucket"), "check the name"),
        (refused("ThrottlingException"), "try again"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_is_one_sentence_without_a_librarys_words(error: Exception, says: str) -> None:
    with pytest.raises(SpillwayError) as told, explain_unreachable():
        raise error
    sentence = str(told.value)
    assert says in sentence
    assert "\n" not in sentence
    assert not [word for word in LIBRARY_WORDS if word in sentence], sentence
    if isinstance(error, ClientError):
        assert "DescribeStacks" in sentence
        assert "AWS says why" in sentence


def silent_port() -> int:
    """One that nothing listens on: bound, so that nobody else takes it meanwhile."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    silent_port.kept = taken  # type: ignore[attr-defined]
    return int(taken.getsockname()[1])


def by_httpx(address: str) -> None:
    httpx.get(address, trust_env=False)


def by_boto(address: str) -> None:
    client: Any = boto3.client(
        "cloudformation",
        endpoint_url=address,
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.describe_stacks()


@pytest.mark.parametrize("ask", [by_httpx, by_boto])
def test_what_a_machine_says_is_understood_from_either_library(ask: Callable[[str], None]) -> None:
    with pytest.raises((httpx.TransportError, aws.BotoCoreError)) as nobody:
        ask(f"http://127.0.0.1:{silent_port()}")
    assert why_silent(nobody.value) == "nothing listens at its address"
    assert "127.0.0.1" not in str(unreachable(nobody.value, on_aws=False))
