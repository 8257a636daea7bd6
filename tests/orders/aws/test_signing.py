"""A signed request passes the check that AWS makes, worked out here a second time.

The check follows https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
and proves itself on a vector of AWS's own test suite, github.com/awslabs/aws-c-auth.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from functools import reduce
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from orders.aws.clients import session
from orders.aws.signing import naming_caller, sigv4_for

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY_ID = "AKIDEXAMPLE"
BODY = b'{"order_id":"1"}'
HEADERS = {"content-type": "application/json", "idempotency-key": "reserve-1"}


@pytest.fixture(autouse=True)
def role(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What Lambda puts into a function's environment. Its Region is not the downstream's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    session.cache_clear()
    yield
    session.cache_clear()


def signature(
    method: str, url: str, headers: Mapping[str, str], digest: str, *, signed: str, scope: str
) -> str:
    """What the Authorization header's signature must be, as the one who is asked works it out.
    `headers` in small letters; `signed` names some of them, separated by semicolons."""
    parts = urlsplit(url)
    # All services but S3 encode the path, which is encoded already, once more.
    path = quote(parts.path or "/", safe="/~")
    pairs = sorted(parse_qsl(parts.query, keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
    named = "".join(f"{name}:{headers[name]}\n" for name in signed.split(";"))
    request = f"{method}\n{path}\n{query}\n{named}\n{signed}\n{digest}"
    text = (
        f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n"
        + hashlib.sha256(request.encode()).hexdigest()
    )
    key = reduce(_hmac, scope.split("/"), f"AWS4{SECRET}".encode())
    return _hmac(key, text).hex()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def checked(method: str, url: str, body: bytes, signed: Mapping[str, str]) -> dict[str, str]:
    """The parts of the Authorization header of a request whose signature is right."""
    headers = {name.lower(): value for name, value in signed.items()}
    headers.setdefault("host", urlsplit(url).netloc)
    kind, _, rest = headers["authorization"].partition(" ")
    assert kind == "AWS4-HMAC-SHA256"
    parts = dict(part.split("=", 1) for part in rest.split(", "))
    key_id, _, scope = parts["Credential"].partition("/")
    assert key_id == KEY_ID
    digest = headers.get("x-amz-content-sha256", hashlib.sha256(body).hexdigest())
    assert parts["Signature"] == signature(
        method, url, headers, digest, signed=parts["SignedHeaders"], scope=scope
    )
    return {**parts, "scope": scope.partition("/")[2]}


def test_the_check_agrees_with_aws_s_own_vector() -> None:
    """get-vanilla of the suite."""
    headers = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
    assert (
        signature(
            "GET",
            "https://example.amazonaws.com/",
            headers,
            hashlib.sha256(b"").hexdigest(),
            signed="host;x-amz-date",
            scope="20150830/us-east-1/service/aws4_request",
        )
        == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("execute-api", "https://abc.execute-api.eu-west-1.amazonaws.com/prod/reservations"),
        ("lambda", "https://abc.lambda-url.eu-west-1.on.aws/reservations"),
        ("vpc-lattice-svcs", "https://a-1.b.vpc-lattice-svcs.eu-west-1.on.aws/reservations"),
    ],
)
def test_a_request_is_signed_for_the_downstream_s_service_and_region(
    service: str, url: str
) -> None:
    signed = sigv4_for(service, "eu-west-1")("POST", url, HEADERS, BODY)
    parts = checked("POST", url, BODY, signed)
    assert parts["scope"] == f"eu-west-1/{service}/aws4_request"
    names = set(parts["SignedHeaders"].split(";"))
    assert {*HEADERS, "host", "x-amz-date", "x-amz-security-token"} <= names


def test_only_vpc_lattice_is_told_that_the_body_is_not_signed() -> None:
    url = "https://stock.internal/reservations"
    lattice = sigv4_for("vpc-lattice-svcs", "eu-west-1")("POST", url, HEADERS, BODY)
    assert lattice["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    checked("POST", url, b"another body", lattice)
    signed = sigv4_for("lambda", "eu-west-1")("POST", url, HEADERS, BODY)
    with pytest.raises(AssertionError):
        checked("POST", url, b"another body", signed)


def test_a_lookup_s_query_is_signed_as_it_is_sent() -> None:
    url = "https://stock.internal/reservations?customer_id=a%20b%2Fc&order_id=1"
    checked("GET", url, b"", sigv4_for("execute-api", "us-east-2")("GET", url, {}, b""))


def test_aws_itself_is_told_which_function_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """As CloudTrail and the proxy of a local run know it. Not signed: a proxy may add to it."""
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "deliver-fulfilment")
    sign = naming_caller(sigv4_for("sqs", None))
    signed = sign("POST", "https://sqs.eu-central-1.amazonaws.com/", HEADERS, BODY)
    assert signed["user-agent"].endswith(" app/deliver-fulfilment")
    assert "user-agent" not in signed["Authorization"]
