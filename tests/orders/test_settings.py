"""A setting that is missing or wrong is named at the start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import get_args

import pytest

from orders.domain.events import EventType
from orders.domain.saga import DOWNSTREAMS
from orders.settings import (
    EXPRESS_CALLS,
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

CALLED = {
    "url": "https://inventory.example/v1",
    "auth": "api_key",
    "idempotency": "keys",
    "timeout_seconds": 2.5,
    "description": "inventory",
    "api_key_parameter": "/inventory/api-key",
}
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
    "PURCHASE_ORDERS_UNIQUE": "False",
    "RETAIL_CUSTOMER_CLAIM": "sub",
    "WHOLESALE_CUSTOMER_CLAIM": "company_id",
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
    "GOOD_NEWS_ONE_IN": "10",
    "EVENTS_PUBLISHED": "accepted,confirmed",
    "RELAY_DEAD_LETTER_QUEUE_URL": "r",
    "DOWNSTREAM": "inventory",
    "DOWNSTREAMS": json.dumps({"inventory": CALLED}),
    "EXPRESS": "False",
    "TURNS_SECONDS": "9.0",
    "FINISH_SECONDS": "22.0",
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
    assert deliver.queue_url == "q"
    assert deliver.called["inventory"].timeout_seconds == 2.5


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
        ("EXPRESS_SECONDS", "0"),
        ("EXPRESS_SECONDS", "soon"),
        ("EXPRESS_SECONDS", "31"),
        ("EXPRESS_SECONDS", "nan"),
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("auth", "none"),
        ("idempotency", "hope"),
        ("timeout_seconds", 0),
        ("timeout_seconds", "soon"),
        ("timeout_seconds", 61),
        ("url", None),
        ("colour", "red"),
    ],
)
def test_how_a_downstream_is_called_must_make_sense(name: str, value: object) -> None:
    with pytest.raises(SettingInvalid, match=name):
        DeliverSettings.read(calling({**CALLED, name: value}))


def test_the_express_path_must_know_how_all_of_its_downstreams_are_called() -> None:
    environment = ENVIRONMENT | {"EXPRESS_SECONDS": "1"}
    with pytest.raises(SettingInvalid, match="EXPRESS_SECONDS goes with further DOWNSTREAMS"):
        DeliverSettings.read(environment)
    every = json.dumps(dict.fromkeys(DOWNSTREAMS, CALLED))
    with pytest.raises(SettingInvalid, match="EXPRESS_SECONDS goes with further DOWNSTREAMS"):
        DeliverSettings.read({**ENVIRONMENT, "DOWNSTREAMS": every})
    assert DeliverSettings.read({**environment, "DOWNSTREAMS": every}).express_seconds == 1
    others = json.dumps(dict.fromkeys(EXPRESS_CALLS, CALLED))
    with pytest.raises(SettingInvalid, match="does not say how inventory is called"):
        DeliverSettings.read({**environment, "DOWNSTREAMS": others})


def calling(called: Mapping[str, object]) -> dict[str, str]:
    return ENVIRONMENT | {"DOWNSTREAMS": json.dumps({"inventory": called})}


def test_sigv4_has_no_api_key() -> None:
    called: dict[str, object] = {**CALLED, "auth": "sigv4"}
    with pytest.raises(SettingInvalid, match="api_key_parameter"):
        DeliverSettings.read(calling(called))
    del called["api_key_parameter"]
    with pytest.raises(SettingInvalid, match="signing_service"):
        DeliverSettings.read(calling(called))
    called["signing_service"] = "lambda"
    called["signing_region"] = "eu-west-1"
    settings = DeliverSettings.read(calling(called))
    assert settings.called["inventory"].api_key_parameter is None
    assert settings.called["inventory"].signing == ("lambda", "eu-west-1")
    assert DeliverSettings.read(settings.environment()) == settings


def test_oauth_says_where_tokens_are_and_who_we_are() -> None:
    called: dict[str, object] = {**CALLED, "auth": "oauth"}
    del called["api_key_parameter"]
    with pytest.raises(SettingInvalid, match="oauth goes with auth oauth"):
        DeliverSettings.read(calling(called))
    called["oauth"] = {"token_url": "https://login.example/token", "client_id": "spillway"}
    with pytest.raises(SettingInvalid, match="secret_parameter"):
        DeliverSettings.read(calling(called))


@pytest.mark.parametrize(
    ("prices", "parameter"),
    [("signed", ""), ("book_or_signed", ""), ("book", "/price-keys"), ("client", "/price-keys")],
)
def test_price_keys_go_with_signed_prices_and_only_with_them(prices: str, parameter: str) -> None:
    environment = {**ENVIRONMENT, "PRICES": prices, "PRICE_KEYS_PARAMETER": parameter}
    with pytest.raises(SettingInvalid, match="PRICE_KEYS_PARAMETER"):
        IntakeSettings.read(environment)
