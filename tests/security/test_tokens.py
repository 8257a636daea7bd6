"""Tokens that are nearly good, at the deployed gateway: none of them gets past it.

The forger here has what no forger has, the pool's own private key: so each token is wrong in one
thing only. (The gateway is the emulator's. AWS's own is held to the same list by `make smoke` for
what can be asked without that key.)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from spillway.run.stack import Stack
from tests.e2e.shop import Customer

Claims = dict[str, Any]


def encoded(content: bytes | dict[str, Any]) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(part: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return content


@dataclass(frozen=True)
class Forger:
    """A good token, and the key that it was signed with."""

    token: str
    key: rsa.RSAPrivateKey

    @property
    def header(self) -> Claims:
        return decoded(self.token.split(".")[0])

    @property
    def claims(self) -> Claims:
        return decoded(self.token.split(".")[1])

    def signed(self, header: Claims, claims: Claims, key: rsa.RSAPrivateKey | None = None) -> str:
        text = f"{encoded(header)}.{encoded(claims)}"
        signature = (key or self.key).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{encoded(signature)}"

    def with_claims(self, **changes: Any) -> str:
        """Signed as the pool signs, with other claims; None leaves one out."""
        claims = {
            name: value for name, value in (self.claims | changes).items() if value is not None
        }
        return self.signed(self.header, claims)

    def with_symmetric_signature(self) -> str:
        """The public key, which everybody knows, taken for a shared secret."""
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        text = f"{encoded(self.header | {'alg': 'HS256'})}.{encoded(self.claims)}"
        return f"{text}.{encoded(hmac.new(public, text.encode(), hashlib.sha256).digest())}"

    def without_signature(self, algorithm: str) -> str:
        return f"{encoded(self.header | {'alg': algorithm})}.{encoded(self.claims)}."

    def tampered(self) -> str:
        """Another customer's id under this one's signature."""
        header, _, signature = self.token.split(".")
        return f"{header}.{encoded(self.claims | {'sub': 'somebody else'})}.{signature}"


@pytest.fixture(scope="module")
def forger(stack: Stack) -> Forger:
    token = stack.token("shopper")
    pool = decoded(token.split(".")[1])["iss"].rpartition("/")[2]
    pem = (stack.state / "tmp" / "state" / "cognito-pool-keys" / f"{pool}-access.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Forger(token, key)


def ask(stack: Stack, authorization: str | None) -> httpx.Response:
    headers = {} if authorization is None else {"authorization": authorization}
    return httpx.get(f"{stack.api}/orders", headers=headers, trust_env=False, timeout=60)


def test_what_the_forger_signs_unchanged_is_let_in(stack: Stack, forger: Forger) -> None:
    """So that what is refused below is refused for what is wrong with it."""
    assert ask(stack, f"Bearer {forger.with_claims()}").status_code == 200


NOW = int(time.time())
WRONG: dict[str, Callable[[Forger], str]] = {
    "another issuer": lambda forger: forger.with_claims(iss="https://login.example.com"),
    "another pool": lambda forger: forger.with_claims(iss=f"{forger.claims['iss']}x"),
    "no issuer": lambda forger: forger.with_claims(iss=None),
    "another client": lambda forger: forger.with_claims(client_id="somebody-elses-app"),
    "another audience": lambda forger: forger.with_claims(aud="somebody-elses-api"),
    "no audience": lambda forger: forger.with_claims(client_id=None),
    "expired": lambda forger: forger.with_claims(exp=NOW - 60),
    "not valid yet": lambda forger: forger.with_claims(nbf=NOW + 3_600),
    "made in the future": lambda forger: forger.with_claims(iat=NOW + 3_600),
    "no algorithm": lambda forger: forger.without_signature("none"),
    "no algorithm, spelt otherwise": lambda forger: forger.without_signature("nOnE"),
    "no signature": lambda forger: forger.without_signature("RS256"),
    "signed with the public key": lambda forger: forger.with_symmetric_signature(),
    "another key": lambda forger: forger.signed(
        forger.header, forger.claims, rsa.generate_private_key(65_537, 2_048)
    ),
    "a key of an unknown name": lambda forger: forger.signed(
        forger.header | {"kid": "mine"}, forger.claims
    ),
    "another customer under this signature": lambda forger: forger.tampered(),
    "half a token": lambda forger: forger.token.rpartition(".")[0],
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_token_that_is_wrong_in_one_thing_is_401(
    stack: Stack, forger: Forger, wrong: Callable[[Forger], str]
) -> None:
    answer = ask(stack, f"Bearer {wrong(forger)}")
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


def test_no_token_at_all_is_401(stack: Stack) -> None:
    assert ask(stack, None).status_code == 401


def test_a_token_that_names_no_customer_is_refused_by_the_service(
    stack: Stack, forger: Forger
) -> None:
    answer = ask(stack, f"Bearer {forger.with_claims(sub=None)}")
    assert answer.status_code == 401
    assert [found["rule"] for found in answer.json()["violations"]] == ["customer_unknown"]


def test_a_refresh_token_opens_nothing(stack: Stack, forger: Forger) -> None:
    """It is for the issuer alone; the gateway knows it for no token of this kind."""
    assert (
        ask(stack, f"Bearer {forger.with_claims(client_id=None, token_use='refresh')}").status_code
        == 401
    )


def test_an_id_token_opens_nothing(stack: Stack, forger: Forger) -> None:
    """It says who signed in, and has no scope. Its audience is the client, as the gateway asks."""
    id_token = forger.with_claims(
        scope=None, token_use="id", aud=forger.claims["client_id"], client_id=None
    )
    assert ask(stack, f"Bearer {id_token}").status_code == 403


def test_a_token_opens_one_customer_s_orders_whatever_else_it_claims(
    stack: Stack, forger: Forger, shopper: Customer, other: Customer
) -> None:
    """Who asks is the claim `sub` alone: a name, an e-mail address or a group makes nobody."""
    id_ = other.place()
    posing = forger.with_claims(username=other.id, email="other@example.com")
    headers = {"authorization": f"Bearer {posing}"}
    answer = httpx.get(f"{stack.api}/orders/{id_}", headers=headers, trust_env=False, timeout=60)
    assert answer.status_code == 404
