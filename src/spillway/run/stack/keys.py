"""The secrets of a stack: random, made for it, gone with it."""

import json
import secrets

import msgspec

from spillway.run.stack.aws import client
from spillway.run.stack.deployment import STAGE

DOWNSTREAMS = ("inventory", "fulfilment", "accounting")
_RECEIPT_KEY_ID = "k1"
_RECEIPT_KEY_BYTES = 32


class SigningKey(msgspec.Struct, frozen=True):
    """What signs receipts: the key and its id in `<key_id>.<hmac>`."""

    key_id: str
    key: bytes


class Keys(msgspec.Struct, frozen=True):
    """The receipt key, and each downstream's API key by its name."""

    receipt: SigningKey
    api_keys: dict[str, str]

    @classmethod
    def generate(cls) -> "Keys":
        return cls(
            receipt=SigningKey(_RECEIPT_KEY_ID, secrets.token_bytes(_RECEIPT_KEY_BYTES)),
            api_keys={downstream: secrets.token_urlsafe(24) for downstream in DOWNSTREAMS},
        )

    def store(self, endpoint: str) -> None:
        """Put them where the functions look: encrypted SSM parameters, which no stack creates."""
        ssm = client(endpoint, "ssm")
        receipt_keys = {self.receipt.key_id: self.receipt.key.hex()}
        values = {"receipt-keys": json.dumps(receipt_keys)}
        values |= {f"{name}/api-key": key for name, key in self.api_keys.items()}
        for name, value in values.items():
            ssm.put_parameter(Name=f"/spillway/{STAGE}/{name}", Value=value, Type="SecureString")
