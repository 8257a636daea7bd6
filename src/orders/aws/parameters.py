"""Secrets from Systems Manager's parameter store: encrypted, free at this rate, in no template.

Parameter Store answers 40 reads a second, for all functions of an account in a Region, unless the
account pays for more (https://docs.aws.amazon.com/general/latest/gr/ssm.html). In a crowd, or when
a release makes all environments new, a thousand ask at once. So a read that fails is tried again
with full jitter, in the init phase for longer, and a secret at hand stays in force until a newer
one was read. One that is turned away is read again at once, but in one environment no more often
than every ten seconds: sixty environments, as many as the deliveries of `prod` have, with three
wrong keys in a third of them then take ten reads a second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from orders.aws.clients import Client, translate_aws_errors
from orders.domain.waits import PARAMETER_INIT_WAIT_MS, PARAMETER_WAIT_MS
from orders.failures import TransientFailure
from orders.ports import Clock, Jitter

# A key that is added is in force everywhere after this, with no deployment.
FRESH_FOR_MS = 5 * 60 * 1000
#: Environments that started together read again within a minute, and not all at once.
SPREAD_MS = 60_000
#: With an old secret at hand, a read that failed is tried again after this.
REFRESH_AGAIN_MS = 20_000
#: A text that is turned away is read again no sooner than this after it was for that reason.
RENEW_AGAIN_MS = 10_000
#: The longest pause before the second try, doubled for each later one up to the second figure.
PAUSE_FIRST_MS, PAUSE_MAX_MS = 100, 1_000
#: After a wait in vain, requests fail at once for so long, instead of each waiting for itself.
FAILS_FOR_MS = 1_000
#: 128 bits cannot be found by trying.
KEY_BYTES_MIN = 16


@dataclass(slots=True)
class SecureParameter:
    """A parameter's text, read when first needed and again when no longer fresh.

    `client` is called then: an SSM client is costly to make, and a replay of an order or a cold
    start that never gets that far should not pay for it. Threads share a parameter, and the pace
    of its tries; none holds the lock while it waits for the next one.
    """

    client: Callable[[], Client]
    name: str
    clock: Clock
    jitter: Jitter
    #: Waits so many seconds.
    sleep: Callable[[float], object]
    _text: str | None = None
    #: When to read next.
    _read_at: int = 0
    _problem: str = ""
    _pause_max_ms: int = PAUSE_FIRST_MS
    _fails_until: int = 0
    _renew_at: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def text(self) -> str:
        """Raises TransientFailure where it could not be read in time, or a moment ago."""
        return self._within(PARAMETER_WAIT_MS)

    def renew(self) -> bool:
        """Whoever was shown the text has turned it away. Returns whether it is another one now."""
        with self._lock:
            now = self.clock.now()
            # Further ahead than any pause is only what an earlier clock has said.
            if now < self._renew_at <= now + RENEW_AGAIN_MS:
                return False
            self._renew_at = now + RENEW_AGAIN_MS
            before = self._text
            self._read(now)
            return self._text != before

    def prepare(self, wait_ms: int = PARAMETER_INIT_WAIT_MS) -> None:
        """Read it in the init phase, where no customer waits yet. Without success the first
        request that needs it reads it."""
        with suppress(TransientFailure):
            self._within(wait_ms)

    def _within(self, wait_ms: int) -> str:
        give_up_at = self.clock.now() + wait_ms
        while True:
            with self._lock:
                pause_ms = self._read_if_due(give_up_at)
                if self._text is not None:
                    return self._text
            self.sleep(pause_ms / 1000)

    def _read_if_due(self, give_up_at: int) -> int:
        """How long to wait for the next try, if there is no text. Raises TransientFailure when
        that would be too long."""
        now = self.clock.now()
        if now < self._fails_until and self._text is None:
            raise TransientFailure(self._problem)
        if now >= self._read_at:
            self._read(now)
            now = self.clock.now()
        if self._text is None and self._read_at > give_up_at:
            self._fails_until = now + FAILS_FOR_MS
            raise TransientFailure(self._problem)
        return self._read_at - now

    def _read(self, now: int) -> None:
        try:
            with translate_aws_errors("GetParameter"):
                answer = self.client().get_parameter(Name=self.name, WithDecryption=True)
        except TransientFailure as failure:
            # A store that is down must not stop orders that yesterday's secret can still judge.
            self._problem = str(failure)
            self._read_at = self.clock.now() + self._pause_ms()
        else:
            self._text = str(answer["Parameter"]["Value"])
            # The millisecond spreads the next reads as well as a random number would.
            self._read_at = now + FRESH_FOR_MS - now % 1000 * SPREAD_MS // 1000

    def _pause_ms(self) -> int:
        if self._text is not None:
            return REFRESH_AGAIN_MS
        pause_ms = round(self.jitter() * self._pause_max_ms)
        self._pause_max_ms = min(PAUSE_MAX_MS, 2 * self._pause_max_ms)
        return pause_ms


@dataclass(frozen=True, slots=True)
class SsmSigningKeys:
    """The `SigningKeys` port: the parameter holds a JSON object of key id to key in hex.

    Raises TransientFailure where it holds none, or one that could be guessed, as an empty variable
    in a script makes it: whoever orders could sign with that. Such orders are sent again.
    """

    parameter: SecureParameter

    def in_force(self) -> Mapping[str, bytes]:
        try:
            written = msgspec.json.decode(self.parameter.text(), type=dict[str, str])
            keys = {key_id: bytes.fromhex(key) for key_id, key in written.items()}
        except ValueError:
            # msgspec's errors are ValueErrors. They are not told: they may show a part of a key.
            keys = {}
        if not keys or min(map(len, keys.values())) < KEY_BYTES_MIN:
            raise TransientFailure(
                f"{self.parameter.name} is no JSON object of keys in hex, each of at least"
                f" {KEY_BYTES_MIN} bytes"
            )
        return keys
