"""A secret is read when it is first needed, again when it is no longer fresh, and kept in need; a
thousand environments that need one at once do not give up at the first no."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from orders.aws.parameters import (
    FAILS_FOR_MS,
    FRESH_FOR_MS,
    REFRESH_AGAIN_MS,
    RENEW_AGAIN_MS,
    SPREAD_MS,
    SecureParameter,
    SsmSigningKeys,
)
from orders.domain.waits import PARAMETER_INIT_WAIT_MS, PARAMETER_WAIT_MS
from orders.failures import TransientFailure
from simulation.world.runtime import SetClock


class Store:
    def __init__(self, value: str) -> None:
        self.value, self.reads, self.down = value, 0, False
        #: So many reads are still refused.
        self.throttled = 0

    def get_parameter(self, **request: Any) -> Any:
        assert request == {"Name": "/keys", "WithDecryption": True}
        self.reads += 1
        if self.throttled:
            self.throttled -= 1
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "GetParameter")
        if self.down:
            raise EndpointConnectionError(endpoint_url="https://ssm")
        return {"Parameter": {"Value": self.value}}


@pytest.fixture
def clock() -> SetClock:
    return SetClock(1_000_000)


def parameter(store: Store, clock: SetClock, jitter: float = 0.5) -> SecureParameter:
    """Its pauses move the clock."""

    def sleep(seconds: float) -> None:
        clock.milliseconds += round(seconds * 1000)

    return SecureParameter(lambda: store, "/keys", clock, lambda: jitter, sleep)


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
    clock.milliseconds += FRESH_FOR_MS - 1
    assert secret.text() == "old"
    clock.milliseconds += 1
    assert secret.text() == "new"


def test_a_value_that_is_turned_away_is_read_again_and_no_more_often_than_every_ten_seconds(
    clock: SetClock,
) -> None:
    store = Store("expired")
    secret = parameter(store, clock)
    secret.text()
    assert not any(secret.renew() for _ in range(20))
    assert store.reads == 2
    store.value = "new"
    clock.milliseconds += RENEW_AGAIN_MS - 1
    assert not secret.renew()
    assert secret.text() == "expired"
    clock.milliseconds += 1
    assert [secret.renew() for _ in range(10)] == [True] + 9 * [False]
    assert secret.text() == "new"
    assert store.reads == 3
    clock.milliseconds += RENEW_AGAIN_MS
    assert not secret.renew()


def test_a_value_that_is_turned_away_stays_in_force_where_no_other_can_be_read(
    clock: SetClock,
) -> None:
    store = Store("secret")
    secret = parameter(store, clock)
    secret.text()
    store.down = True
    assert not secret.renew()
    assert secret.text() == "secret"


def test_a_clock_that_is_set_back_does_not_keep_a_wrong_value_in_force(clock: SetClock) -> None:
    store = Store("expired")
    secret = parameter(store, clock)
    secret.text()
    assert not secret.renew()
    store.value = "new"
    clock.milliseconds -= 60 * 60 * 1000
    assert secret.renew()


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


@pytest.mark.parametrize("jitter", [0.1, 0.5, 1.0])
def test_a_request_waits_out_a_throttled_moment(clock: SetClock, jitter: float) -> None:
    store = Store("secret")
    store.throttled = 3
    assert parameter(store, clock, jitter).text() == "secret"
    assert store.reads == 4
    # A first pause of up to 100 ms, then 200, then 400: each of them all at random.
    assert clock.milliseconds == 1_000_000 + round(jitter * 700)


def test_a_request_gives_up_in_time_and_the_next_ones_fail_at_once(clock: SetClock) -> None:
    store = Store("secret")
    store.throttled = 1_000
    secret = parameter(store, clock)
    with pytest.raises(TransientFailure, match=r"^GetParameter: ThrottlingException$"):
        secret.text()
    gave_up_at, reads = clock.milliseconds, store.reads
    assert gave_up_at - 1_000_000 <= PARAMETER_WAIT_MS
    assert 4 < reads < 10
    for _ in range(50):
        with pytest.raises(TransientFailure, match=r"^GetParameter: ThrottlingException$"):
            secret.text()
    assert (clock.milliseconds, store.reads) == (gave_up_at, reads)
    clock.milliseconds += FAILS_FOR_MS
    store.throttled = 0
    assert secret.text() == "secret"


def test_the_init_phase_waits_longer_and_never_fails(clock: SetClock) -> None:
    store = Store("secret")
    store.throttled = 1_000
    secret = parameter(store, clock)
    secret.prepare()
    assert PARAMETER_WAIT_MS < clock.milliseconds - 1_000_000 <= PARAMETER_INIT_WAIT_MS
    store.throttled = 0
    clock.milliseconds += FAILS_FOR_MS
    assert secret.text() == "secret"


def test_environments_that_started_together_do_not_read_again_together() -> None:
    due = set()
    for began in range(1_000_000, 1_001_000, 100):
        store, clock = Store("secret"), SetClock(began)
        secret = parameter(store, clock)
        while store.reads < 2:
            secret.text()
            clock.milliseconds += 1_000
        due.add((clock.milliseconds - began) // 1_000)
    assert len(due) == 10
    assert max(due) - min(due) > SPREAD_MS / 1000 / 2


def test_a_secret_at_hand_is_not_asked_for_at_each_order_while_the_store_is_down(
    clock: SetClock,
) -> None:
    store = Store("old")
    secret = parameter(store, clock)
    secret.text()
    store.value, store.down = "new", True
    clock.milliseconds += FRESH_FOR_MS + 1
    assert [secret.text() for _ in range(50)] == ["old"] * 50
    assert store.reads == 2
    store.down = False
    clock.milliseconds += REFRESH_AGAIN_MS
    # Long before the next five minutes are over.
    assert secret.text() == "new"


def test_threads_share_the_pace_of_tries_and_hold_no_lock_while_they_wait() -> None:
    """Ten deliveries of a batch, one throttled parameter: as many reads as one would make."""
    store, clock, turns = Store("secret"), SetClock(1_000_000), threading.Lock()
    store.throttled = 3

    def sleep(seconds: float) -> None:
        with turns:
            clock.milliseconds += round(seconds * 1000)

    secret = SecureParameter(lambda: store, "/keys", clock, lambda: 1.0, sleep)
    with ThreadPoolExecutor(10) as pool:
        assert {*pool.map(lambda _: secret.text(), range(10))} == {"secret"}
    assert store.reads == 4


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
