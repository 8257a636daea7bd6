"""The page at `/_local`: what runs here and commands that work when pasted into a terminal.

No script and nothing from elsewhere, so that the content security policy can forbid both.
"""

import base64
import hashlib
import html
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from orders.domain.receipt import sign
from spillway.run.stack.keys import ReceiptKey

_STYLE = Path(__file__).with_name("page.css").read_text()
_TEMPLATE = Template(Path(__file__).with_name("page.html").read_text())


@dataclass(frozen=True)
class Page:
    """An HTML document and the headers it is sent with."""

    html: str
    headers: dict[str, str]


def render(*, origin: str, endpoints: dict[str, str], receipt_key: ReceiptKey) -> Page:
    """The page of the stack at `origin`, with an order of its own to place.

    `endpoints` are URLs by what they are. The order's receipt is signed as the payment gateway
    would, so the example is accepted as it stands, for 24 h.
    """
    order_id = _new_order_id()
    content = _TEMPLATE.substitute(
        style=_STYLE,
        endpoints="".join(_endpoint(name, url) for name, url in endpoints.items()),
        examples="".join(
            f"<li><h3>{html.escape(title)}</h3><pre><code>{html.escape(command)}</code></pre></li>"
            for title, command in _examples(origin, order_id, receipt_key)
        ),
    )
    return Page(content, _HEADERS)


def _endpoint(name: str, url: str) -> str:
    return (
        f'<dt>{html.escape(name)}</dt><dd><a href="{html.escape(url)}">{html.escape(url)}</a></dd>'
    )


def _examples(origin: str, order_id: str, receipt_key: ReceiptKey) -> list[tuple[str, str]]:
    """Titles and commands, in an order that works."""
    port = origin.rpartition(":")[2]
    orders = f"{origin}/api/orders"
    order = json.dumps(_order(order_id, receipt_key), indent=2)
    authorised = 'curl -sS -H "authorization: Bearer $TOKEN"'
    json_body = f"-H 'content-type: application/json' -d '{order}'"
    return [
        ("Sign in", f"TOKEN=$(.venv/bin/spillway token --as shopper --port {port})"),
        (
            "Place an order (again: the same answer, still one order)",
            f"{authorised} -X PUT {orders}/{order_id} {json_body}",
        ),
        ("See how far it is", f"{authorised} {orders}/{order_id}"),
        ("Cancel it", f"{authorised} -X PUT {orders}/{order_id}/cancellation"),
        ("All orders, newest first", f"{authorised} '{orders}?limit=20'"),
    ]


def _order(order_id: str, receipt_key: ReceiptKey) -> dict[str, Any]:
    """Six lanterns and a coupon; amounts in pence."""
    total, currency, reference = 6 * 255 - 150 + 395, "GBP", f"pay_{secrets.token_hex(4)}"
    receipt = sign(
        receipt_key.key,
        receipt_key.key_id,
        order_id=order_id,
        reference=reference,
        amount=total,
        currency=currency,
    )
    return {
        "channel": "retail",
        "currency": currency,
        "lines": [{"sku": "85123A", "quantity": 6, "unit_price": 255}],
        "discounts": [{"coupon": "XMAS10", "amount": 150}],
        "shipping": 395,
        "tax": 0,
        "total": total,
        "address": {
            "name": "A. Buyer",
            "lines": ["1 High Street"],
            "city": "Leeds",
            "postal_code": "LS1 4AP",
            "country": "GB",
        },
        "payment": {
            "reference": reference,
            "amount": total,
            "currency": currency,
            "receipt": receipt,
        },
    }


def _new_order_id() -> str:
    """A UUIDv7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, version, variant, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    digits = f"{value | 0b10 << 62 | secrets.randbits(62):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _source(content: str) -> str:
    """A content security policy source that allows exactly `content`."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src {_source(_STYLE)}; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
