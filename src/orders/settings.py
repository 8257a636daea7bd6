"""What a deployed function is told by its environment, read once and checked.

A missing or unreadable setting is named at the first start, not at the first order that needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from orders.domain.saga import DOWNSTREAMS, Downstream

Auth = Literal["api_key", "sigv4"]
Idempotency = Literal["keys", "lookup"]


class SettingInvalid(Exception):
    """A setting is missing or makes no sense: the deployment is at fault."""


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    orders_table: str
    table_timeout_seconds: float
    overflow_queue_url: str
    receipt_keys_parameter: str
    currencies: frozenset[str]
    groups_claim: str
    wholesale_group: str

    @staticmethod
    def read(environment: Mapping[str, str]) -> IntakeSettings:
        return IntakeSettings(
            orders_table=_text(environment, "ORDERS_TABLE"),
            table_timeout_seconds=_seconds(environment, "TABLE_TIMEOUT_SECONDS"),
            overflow_queue_url=_text(environment, "OVERFLOW_QUEUE_URL"),
            receipt_keys_parameter=_text(environment, "RECEIPT_KEYS_PARAMETER"),
            currencies=frozenset(_text(environment, "CURRENCIES").split(",")),
            groups_claim=_text(environment, "GROUPS_CLAIM"),
            wholesale_group=_text(environment, "WHOLESALE_GROUP"),
        )


@dataclass(frozen=True, slots=True)
class RelaySettings:
    queue_urls: Mapping[Downstream, str]
    watchdog_queue_url: str
    events_topic_arn: str
    dead_letter_queue_url: str

    @staticmethod
    def read(environment: Mapping[str, str]) -> RelaySettings:
        return RelaySettings(
            queue_urls=_queue_urls(environment, "QUEUE_URL"),
            watchdog_queue_url=_text(environment, "WATCHDOG_QUEUE_URL"),
            events_topic_arn=_text(environment, "EVENTS_TOPIC_ARN"),
            dead_letter_queue_url=_text(environment, "RELAY_DEAD_LETTER_QUEUE_URL"),
        )


@dataclass(frozen=True, slots=True)
class DeliverSettings:
    orders_table: str
    downstream: Downstream
    url: str
    auth: Auth
    api_key_parameter: str | None
    idempotency: Idempotency
    timeout_seconds: float
    queue_url: str
    dead_letter_queue_url: str

    @staticmethod
    def read(environment: Mapping[str, str]) -> DeliverSettings:
        auth = cast("Auth", _one_of(environment, "DOWNSTREAM_AUTH", ("api_key", "sigv4")))
        return DeliverSettings(
            orders_table=_text(environment, "ORDERS_TABLE"),
            downstream=cast("Downstream", _one_of(environment, "DOWNSTREAM", DOWNSTREAMS)),
            url=_text(environment, "DOWNSTREAM_URL").rstrip("/"),
            auth=auth,
            api_key_parameter=(
                _text(environment, "DOWNSTREAM_API_KEY_PARAMETER") if auth == "api_key" else None
            ),
            idempotency=cast(
                "Idempotency", _one_of(environment, "DOWNSTREAM_IDEMPOTENCY", ("keys", "lookup"))
            ),
            timeout_seconds=_seconds(environment, "DOWNSTREAM_TIMEOUT_SECONDS"),
            queue_url=_text(environment, "QUEUE_URL"),
            dead_letter_queue_url=_text(environment, "DEAD_LETTER_QUEUE_URL"),
        )


@dataclass(frozen=True, slots=True)
class DrainSettings:
    orders_table: str
    queue_url: str
    dead_letter_queue_url: str

    @staticmethod
    def read(environment: Mapping[str, str]) -> DrainSettings:
        return DrainSettings(
            orders_table=_text(environment, "ORDERS_TABLE"),
            queue_url=_text(environment, "QUEUE_URL"),
            dead_letter_queue_url=_text(environment, "DEAD_LETTER_QUEUE_URL"),
        )


@dataclass(frozen=True, slots=True)
class WatchdogSettings:
    orders_table: str
    queue_urls: Mapping[Downstream, str]
    dead_letter_queue_urls: Mapping[Downstream, str]
    events_topic_arn: str
    delay_seconds: int
    queue_url: str
    dead_letter_queue_url: str

    @staticmethod
    def read(environment: Mapping[str, str]) -> WatchdogSettings:
        return WatchdogSettings(
            orders_table=_text(environment, "ORDERS_TABLE"),
            queue_urls=_queue_urls(environment, "QUEUE_URL"),
            dead_letter_queue_urls=_queue_urls(environment, "DEAD_LETTER_QUEUE_URL"),
            events_topic_arn=_text(environment, "EVENTS_TOPIC_ARN"),
            delay_seconds=round(_seconds(environment, "DELAY_SECONDS", 900)),
            queue_url=_text(environment, "QUEUE_URL"),
            dead_letter_queue_url=_text(environment, "DEAD_LETTER_QUEUE_URL"),
        )


@dataclass(frozen=True, slots=True)
class ReadsSettings:
    orders_table: str

    @staticmethod
    def read(environment: Mapping[str, str]) -> ReadsSettings:
        return ReadsSettings(orders_table=_text(environment, "ORDERS_TABLE"))


def _queue_urls(environment: Mapping[str, str], name: str) -> Mapping[Downstream, str]:
    """One for each downstream: INVENTORY_QUEUE_URL and so on."""
    return {
        downstream: _text(environment, f"{downstream.upper()}_{name}") for downstream in DOWNSTREAMS
    }


def _text(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SettingInvalid(f"{name} is not set")
    return value


def _one_of(environment: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = _text(environment, name)
    if value not in allowed:
        raise SettingInvalid(f"{name} is {value!r}, not one of {', '.join(allowed)}")
    return value


def _seconds(environment: Mapping[str, str], name: str, seconds_max: int = 60) -> float:
    value = _text(environment, name)
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= seconds_max:
        raise SettingInvalid(
            f"{name} is {value!r}, not a number of seconds above 0, up to {seconds_max}"
        )
    return seconds
