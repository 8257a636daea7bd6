"""The secrets of a stack: random, made for it, gone with it."""

import json
import secrets

import msgspec

from spillway.run.stack.aws import client
from spillway.run.stack.deployment import STAGE

DOWNSTREAMS = ("inventory", "fulfilment", "accounting")
_RECEIPT_KEY_ID = "v2.k1"
_PRICE_KEY_ID = "p1"
_OUTCOME_KEY_ID = "o1"
_KEY_BYTES = 32


class SigningKey(msgspec.Struct, frozen=True):
    """What signs receipts or prices, and the id that names it in a signature."""

    key_id: str
    key: bytes

    @classmethod
    def generate(cls, key_id: str) -> "SigningKey":
        return cls(key_id, secrets.token_bytes(_KEY_BYTES))

    @property
    def parameter(self) -> str:
        """As intake reads it: a JSON object of key id to key in hex."""
        return json.dumps({self.key_id: self.key.hex()})


class Keys(msgspec.Struct, frozen=True):
    """The gateway's and the pricing engine's keys, and each downstream's API key by its name."""

    receipt: SigningKey
    price: SigningKey
    api_keys: dict[str, str]
    #: What downstreams that call back sign with.
    outcome: SigningKey

    @classmethod
    def generate(cls) -> "Keys":
        return cls(
            receipt=SigningKey.generate(_RECEIPT_KEY_ID),
            price=SigningKey.generate(_PRICE_KEY_ID),
            api_keys={downstream: secrets.token_urlsafe(24) for downstream in DOWNSTREAMS},
            outcome=SigningKey.generate(_OUTCOME_KEY_ID),
        )

    def store(self, endpoint: str) -> None:
        """Put them where the functions look: encrypted SSM parameters, which no stack creates."""
        ssm = client(endpoint, "ssm")
        values = {"receipt-keys": self.receipt.parameter, "price-keys": self.price.parameter}
        values |= {f"{name}/api-key": key for name, key in self.api_keys.items()}
        # The same key is a client's secret to a downstream that has OAuth.
        values |= {f"{name}/client-secret": key for name, key in self.api_keys.items()}
        # Of the example that calls back, and of our own fulfilment.
        for name in ("inventory", "fulfilment"):
            values[f"{name}/outcome-keys"] = self.outcome.parameter
        for name, value in values.items():
            ssm.put_parameter(Name=parameter(name), Value=value, Type="SecureString")


def parameter(name: str) -> str:
    """Where the functions look for a secret, such as `inventory/api-key`."""
    return f"/spillway/{STAGE}/{name}"
