"""AWS's published limits, from `limits.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import msgspec

_FILE = Path(__file__).parent / "limits.toml"


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One limit: its name says the unit. `raise_` says who can raise it."""

    value: float
    source: str
    raise_: str = msgspec.field(name="raise")
    confirmed: bool = True


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All limits; a field that the file lacks, or one too many, is an error."""

    api_requests_per_second: Limit
    api_burst: Limit
    lambda_concurrency: Limit
    lambda_environments_per_10_seconds: Limit
    lambda_requests_per_environment: Limit
    sqs_pollers_first: Limit
    sqs_pollers_per_minute: Limit
    sqs_pollers_max: Limit
    sqs_pollers_idle: Limit
    sqs_poll_seconds: Limit
    sqs_retention_seconds: Limit
    stream_polls_per_second: Limit
    stream_retention_seconds: Limit
    table_new_write_units_per_second: Limit
    table_doubling_seconds: Limit
    table_write_units_per_second: Limit
    partition_write_units_per_second: Limit


@cache
def limits() -> Limits:
    """As the file has them."""
    return msgspec.convert(tomllib.loads(_FILE.read_text()), Limits)
