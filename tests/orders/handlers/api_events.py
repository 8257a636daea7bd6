"""Requests as the HTTP API hands them to a function: payload format 2.0, recorded and cut down to
what AWS documents for it, with the JWT authorizer's claims (a list arrives as text, as
`as_the_gateway_says`)."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.builders import CUSTOMER, NOW


def request(
    route: str,
    *,
    order_id: str | None = None,
    body: Any = None,
    claims: dict[str, Any] | None = None,
    token: str | None = None,
    query: dict[str, str] | None = None,
    as_base64: bool = False,
) -> dict[str, Any]:
    method, _, path = route.partition(" ")
    path = "/api" + path.replace("{order_id}", order_id or "")
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "authorization": f"Bearer {token_of({}) if token is None else token}",
            "content-type": "application/json",
            "host": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
            "x-amzn-trace-id": "Root=1-674a0b1c-0123456789abcdef01234567",
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "authorizer": {
                "jwt": {
                    "claims": {
                        "sub": CUSTOMER,
                        "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI",
                        "client_id": "1example23456789",
                        "token_use": "access",
                        **(claims or {}),
                    },
                    "scopes": None,
                }
            },
            "domainName": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "tests",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": "api",
            "time": "23/Nov/2026:10:00:00 +0000",
            "timeEpoch": NOW,
        },
        "isBase64Encoded": as_base64,
    }
    if order_id is not None:
        event["pathParameters"] = {"order_id": order_id}
    if query is not None:
        event["queryStringParameters"] = query
    if text is not None:
        event["body"] = base64.b64encode(text.encode()).decode() if as_base64 else text
    return event


def token_of(claims: Any) -> str:
    """A token as its issuer makes it. Only the gateway looks at the signature."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJraWQ.{payload}.c2lnbmVk"


def as_the_gateway_says(groups: list[str]) -> str:
    return f"[{' '.join(groups)}]"
