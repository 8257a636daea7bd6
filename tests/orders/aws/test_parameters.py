"""A secret is read when it is first needed, again when it is no longer fresh, and kept in need."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from orders.aws.parameters import FRESH_FOR_MS, SecureParameter, SsmSigningKeys
from orders.failures import TransientFailure
from simulation.world.runtime import SetClock


class Store:
    def __init__(self, value: str) -> None:
        self.value, self.reads, self.down = value, 0, False

    def get_parameter(self, **request: Any) -> Any:
        assert request == {"Name": "/keys", "WithDecryption": True}
        self.reads += 1
        if self.down:
            raise EndpointConnectionError(endpoint_url="https://ssm")
        return {"Parameter": {"Value": self.value}}


@pytest.fixture
def clock() -> SetClock:
    return SetClock(1_000_000)


def parameter(store: Store, clock: SetClock) -> SecureParameter:
    return SecureParameter(lambda: store, "/keys", clock)


def test_it_is_read_once_while_it_is_fresh(clock: SetClock) -> None:
    store = Store("secret")
    secret = parameter(store, clock)
    assert store.reads == 0
    assert [secret.text() for _ in range(3)] == ["secret"] * 3
    assert store.reads == 1


def test_a_new_value_is_in_force_after_that(clock: SetClock) -> None:
    store = Store("old")
    secret = parameter(store, clock)
    secret.text()
    store.value = "new"
    clock.milliseconds += FRESH_FOR_MS
    assert secret.text() == "old"
    clock.milliseconds += 1
    assert secret.text() == "new"


def test_a_store_that_is_down_leaves_the_last_value_in_force(clock: SetClock) -> None:
    store = Store("secret")
    secret = parameter(store, clock)
    secret.text()
    store.down = True
    clock.milliseconds += FRESH_FOR_MS + 1
    assert secret.text() == "secret"


def test_a_store_that_is_down_from_the_start_is_a_transient_failure(clock: SetClock) -> None:
    store = Store("secret")
    store.down = True
    with pytest.raises(TransientFailure, match="GetParameter: EndpointConnectionError"):
        parameter(store, clock).text()


def test_receipt_keys_are_a_json_object_of_hex_keys(clock: SetClock) -> None:
    text = f'{{"k1":"{"00ff" * 8}","k2":"{"ab" * 32}"}}'
    keys = SsmSigningKeys(parameter(Store(text), clock))
    assert keys.in_force() == {"k1": b"\x00\xff" * 8, "k2": b"\xab" * 32}


@pytest.mark.parametrize(
    "text",
    [
        '{"k1":""}',  # "${KEY}" in a script that has no KEY: anybody could sign with it
        f'{{"k1":"{"ab" * 15}"}}',
        f'{{"k1":"{"ab" * 32}","k2":""}}',
        f'{{"k1":"{"xy" * 32}"}}',
        f'{{"k1":"{"ab" * 32}"',
        f'["{"ab" * 32}"]',
        "ab" * 32,
        "{}",
        "",
    ],
)
def test_what_are_no_keys_or_could_be_guessed_is_a_failure_that_does_not_tell_them(
    clock: SetClock, text: str
) -> None:
    with pytest.raises(TransientFailure) as failed:
        SsmSigningKeys(parameter(Store(text), clock)).in_force()
    assert str(failed.value).startswith("/keys ")
    assert "abab" not in str(failed.value)
