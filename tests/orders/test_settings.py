"""A setting that is missing or wrong is named at the start."""

from __future__ import annotations

from typing import get_args

import pytest

from orders.domain.events import EventType
from orders.settings import (
    ArchiveSettings,
    DeliverSettings,
    DrainSettings,
    EventName,
    IntakeSettings,
    ReadsSettings,
    RelaySettings,
    SettingInvalid,
    Settings,
    WatchdogSettings,
    events_published_of,
)

ENVIRONMENT = {
    "ORDERS_TABLE": "orders",
    "COUPONS_TABLE": "coupons",
    "TABLE_TIMEOUT_SECONDS": "1.5",
    "OVERFLOW_QUEUE_URL": "o",
    "WATCHDOG_QUEUE_URL": "w",
    "DELAY_SECONDS": "900",
    "INVENTORY_DEAD_LETTER_QUEUE_URL": "id",
    "FULFILMENT_DEAD_LETTER_QUEUE_URL": "fd",
    "ACCOUNTING_DEAD_LETTER_QUEUE_URL": "ad",
    "RECEIPT_KEYS_PARAMETER": "/keys",
    "CURRENCIES": "GBP,EUR",
    "GROUPS_CLAIM": "cognito:groups",
    "WHOLESALE_GROUP": "wholesale",
    "PRICES": "book",
    "PRICE_GRACE_SECONDS": "3600",
    "PRICES_BUCKET": "prices",
    "ARCHIVE_BUCKET": "archive",
    "KEEP_DAYS": "90",
    "KEEP_IMPORTED": "table",
    "RUN_SECONDS": "900",
    "COUPON_KEYS_PARAMETER": "/coupon-keys",
    "INVENTORY_QUEUE_URL": "i",
    "FULFILMENT_QUEUE_URL": "f",
    "ACCOUNTING_QUEUE_URL": "a",
    "EVENTS_TOPIC_ARN": "t",
    "EVENTS_PUBLISHED": "accepted,confirmed",
    "RELAY_DEAD_LETTER_QUEUE_URL": "r",
    "DOWNSTREAM": "inventory",
    "DOWNSTREAM_URL": "https://inventory.example/v1",
    "DOWNSTREAM_AUTH": "api_key",
    "DOWNSTREAM_API_KEY_PARAMETER": "/inventory/api-key",
    "DOWNSTREAM_IDEMPOTENCY": "keys",
    "DOWNSTREAM_TIMEOUT_SECONDS": "2.5",
    "QUEUE_URL": "q",
    "DEAD_LETTER_QUEUE_URL": "d",
}
ALL = [
    IntakeSettings,
    DrainSettings,
    RelaySettings,
    DeliverSettings,
    WatchdogSettings,
    ReadsSettings,
    ArchiveSettings,
]


def test_a_whole_environment_is_read() -> None:
    assert IntakeSettings.read(ENVIRONMENT).currencies == "GBP,EUR"
    assert RelaySettings.read(ENVIRONMENT).queue_urls["fulfilment"] == "f"
    assert ReadsSettings.read(ENVIRONMENT).orders_table == "orders"
    deliver = DeliverSettings.read(ENVIRONMENT)
    assert (deliver.queue_url, deliver.downstream_timeout_seconds) == ("q", 2.5)


@pytest.mark.parametrize("kind", ALL)
def test_what_is_deployed_is_what_is_read(kind: type[Settings]) -> None:
    settings = kind.read(ENVIRONMENT)
    assert kind.read(settings.environment()) == settings
    assert settings.environment().items() <= ENVIRONMENT.items()


@pytest.mark.parametrize("empty", [None, "", " "])
@pytest.mark.parametrize("kind", ALL)
def test_a_missing_setting_is_named(kind: type[Settings], empty: str | None) -> None:
    for name in kind.read(ENVIRONMENT).environment():
        rest = {**ENVIRONMENT, name: empty}
        with pytest.raises(SettingInvalid, match=rf"\b{name}\b"):
            kind.read({key: value for key, value in rest.items() if value is not None})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DOWNSTREAM", "marketing"),
        ("DOWNSTREAM_AUTH", "none"),
        ("DOWNSTREAM_IDEMPOTENCY", "hope"),
        ("DOWNSTREAM_TIMEOUT_SECONDS", "0"),
        ("DOWNSTREAM_TIMEOUT_SECONDS", "soon"),
        ("DOWNSTREAM_TIMEOUT_SECONDS", "61"),
        ("DOWNSTREAM_TIMEOUT_SECONDS", "nan"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingInvalid, match=rf"\$\.{name}\b"):
        DeliverSettings.read({**ENVIRONMENT, name: value})


@pytest.mark.parametrize("kind", [RelaySettings, WatchdogSettings])
def test_the_published_events_are_read_and_an_unknown_one_is_named(
    kind: type[RelaySettings | WatchdogSettings],
) -> None:
    def published(names: str) -> object:
        return kind.read({**ENVIRONMENT, "EVENTS_PUBLISHED": names}).published_types

    assert published("accepted,confirmed") == {EventType.ACCEPTED, EventType.CONFIRMED}
    assert published(events_published_of(get_args(EventName))) == {*EventType}
    # A variable that got lost must not pass for a stage that wants none.
    assert published(events_published_of(())) == set()
    assert events_published_of(()).strip()
    for wrong in ("accepted, shipped", "Accepted,", "none,accepted"):
        with pytest.raises(SettingInvalid, match="EVENTS_PUBLISHED"):
            published(wrong)


def test_sigv4_has_no_api_key() -> None:
    environment = {**ENVIRONMENT, "DOWNSTREAM_AUTH": "sigv4"}
    with pytest.raises(SettingInvalid, match="DOWNSTREAM_API_KEY_PARAMETER"):
        DeliverSettings.read(environment)
    del environment["DOWNSTREAM_API_KEY_PARAMETER"]
    with pytest.raises(SettingInvalid, match="DOWNSTREAM_SIGNING_SERVICE"):
        DeliverSettings.read(environment)
    environment["DOWNSTREAM_SIGNING_SERVICE"] = "lambda"
    with pytest.raises(SettingInvalid, match="DOWNSTREAM_SIGNING_REGION"):
        DeliverSettings.read(environment)
    environment["DOWNSTREAM_SIGNING_REGION"] = "eu-west-1"
    settings = DeliverSettings.read(environment)
    assert settings.downstream_api_key_parameter is None
    assert settings.signing == ("lambda", "eu-west-1")
    assert DeliverSettings.read(settings.environment()) == settings


@pytest.mark.parametrize(
    ("prices", "parameter"),
    [("signed", ""), ("book_or_signed", ""), ("book", "/price-keys"), ("client", "/price-keys")],
)
def test_price_keys_go_with_signed_prices_and_only_with_them(prices: str, parameter: str) -> None:
    environment = {**ENVIRONMENT, "PRICES": prices, "PRICE_KEYS_PARAMETER": parameter}
    with pytest.raises(SettingInvalid, match="PRICE_KEYS_PARAMETER"):
        IntakeSettings.read(environment)
