"""The secrets of a stack: random, made for it, gone with it."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from spillway.run.stack.aws import client
from spillway.run.stack.deployment import STAGE

DOWNSTREAMS = ("inventory", "fulfilment", "accounting")
_RECEIPT_KEY_ID = "k1"
_RECEIPT_KEY_BYTES = 32


@dataclass(frozen=True)
class ReceiptKey:
    """What the payment gateway signs receipts with: the key and its id in `<key_id>.<hmac>`."""

    key_id: str
    key: bytes


@dataclass(frozen=True)
class Keys:
    """The receipt key, and each downstream's API key by its name."""

    receipt: ReceiptKey
    api_keys: dict[str, str]

    @classmethod
    def generate(cls) -> "Keys":
        """New random keys."""
        return cls(
            receipt=ReceiptKey(_RECEIPT_KEY_ID, secrets.token_bytes(_RECEIPT_KEY_BYTES)),
            api_keys={downstream: secrets.token_urlsafe(24) for downstream in DOWNSTREAMS},
        )

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Keys":
        """The keys that `to_json` wrote."""
        receipt = ReceiptKey(content["receipt"]["key_id"], bytes.fromhex(content["receipt"]["key"]))
        return cls(receipt=receipt, api_keys=content["api_keys"])

    def to_json(self) -> dict[str, Any]:
        """As a JSON object, the receipt key in hex."""
        receipt = {"key_id": self.receipt.key_id, "key": self.receipt.key.hex()}
        return {"receipt": receipt, "api_keys": self.api_keys}

    def store(self, endpoint: str) -> None:
        """Put them where the functions look: encrypted SSM parameters, which no stack creates."""
        ssm = client(endpoint, "ssm")
        receipt_keys = {self.receipt.key_id: self.receipt.key.hex()}
        values = {"receipt-keys": json.dumps(receipt_keys)}
        values |= {f"{name}/api-key": key for name, key in self.api_keys.items()}
        for name, value in values.items():
            ssm.put_parameter(Name=f"/spillway/{STAGE}/{name}", Value=value, Type="SecureString")
