"""Secrets from Systems Manager's parameter store: encrypted, free at this rate, in no template."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from orders.aws.clients import Client, translate_aws_errors
from orders.failures import TransientFailure
from orders.ports import Clock

# A key that is added is in force everywhere after this, with no deployment.
FRESH_FOR_MS = 5 * 60 * 1000
#: 128 bits cannot be found by trying.
KEY_BYTES_MIN = 16


@dataclass(slots=True)
class SecureParameter:
    """A parameter's text, read when first needed and again when no longer fresh.

    `client` is called then: an SSM client is costly to make, and a replay of an order or a cold
    start that never gets that far should not pay for it.
    """

    client: Callable[[], Client]
    name: str
    clock: Clock
    _text: str | None = None
    _read_at: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def text(self) -> str:
        with self._lock:
            now = self.clock.now()
            if self._text is None or now - self._read_at > FRESH_FOR_MS:
                self._text = self._read_or_keep()
                self._read_at = now
            return self._text

    def _read_or_keep(self) -> str:
        try:
            with translate_aws_errors("GetParameter"):
                answer = self.client().get_parameter(Name=self.name, WithDecryption=True)
        except TransientFailure:
            if self._text is None:
                raise
            # A store that is down must not stop orders that yesterday's secret can still judge.
            return self._text
        return str(answer["Parameter"]["Value"])


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
