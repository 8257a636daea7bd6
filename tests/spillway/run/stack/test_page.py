"""The page: safe, self-contained, and true."""

import base64
import hashlib
import html
import json
import re
import time
import uuid

from orders.domain.receipt import verify
from spillway.run.stack.keys import ReceiptKey
from spillway.run.stack.page import Page, render

_KEY = ReceiptKey("k1", b"0" * 32)


def _page() -> Page:
    return render(
        origin="http://127.0.0.1:8080",
        endpoints={"API": "http://127.0.0.1:8080/api/orders"},
        receipt_key=_KEY,
    )


def test_the_policy_allows_the_pages_own_style_and_no_script_at_all() -> None:
    page = _page()
    style = page.html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script" not in page.html + policy


def test_nothing_is_fetched_from_elsewhere() -> None:
    page = _page()
    assert re.findall(r'src=|@import|url\(|href="(?!data:,|http://127\.0\.0\.1)', page.html) == []


def test_what_is_shown_cannot_break_out_of_the_page() -> None:
    page = render(origin="http://127.0.0.1:8080", endpoints={"<b>": '"><script>'}, receipt_key=_KEY)
    assert "<b>" not in page.html
    assert "<script>" not in page.html


def test_the_example_order_is_new_and_its_receipt_is_genuine() -> None:
    shown = html.unescape(_page().html)
    order_id = re.findall(r"orders/([0-9a-f-]{36}) -H", shown)[0]
    payment = json.loads(shown.partition("-d '")[2].partition("'")[0])["payment"]

    from orders.domain.order import Payment

    assert uuid.UUID(order_id).version == 7
    assert abs((uuid.UUID(order_id).int >> 80) - time.time() * 1000) < 5_000
    assert verify(Payment(**payment), order_id, {"k1": _KEY.key}) == "valid"
    assert payment["amount"] == 1775


def test_every_visit_shows_an_order_of_its_own() -> None:
    assert _page().html != _page().html
