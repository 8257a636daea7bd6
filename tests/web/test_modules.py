"""The storefront's modules and CloudFront's function, on Node."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.bundle import ROOT
from spillway.currencies import DECIMALS
from spillway.run.stack.cdk import node_binary

HERE = Path(__file__).parent


def node(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Node, with its options and what it reads from its standard input."""
    environment = {name: value for name, value in os.environ.items() if name[:5] != "NODE_"}
    return subprocess.run(  # noqa: S603 - the command is ours
        (str(node_binary()), *arguments),
        cwd=ROOT,
        env=environment,
        input=given,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("path", sorted(HERE.glob("*.test.mjs")), ids=lambda path: path.name)
def test_a_module_does_what_its_tests_say(path: Path) -> None:
    # Each file has a process of its own already.
    done = node("--test", "--test-isolation=none", "--test-reporter=tap", str(path))
    failed = [line for line in done.stdout.splitlines() if line.lstrip().startswith("not ok")]
    assert done.returncode == 0, "\n".join([*failed, done.stdout])
    assert "\n# pass 0\n" not in done.stdout


def test_a_price_is_shown_with_the_decimals_that_it_is_kept_with() -> None:
    code = """
        import { readFileSync } from "node:fs";
        import { money } from "./web/storefront/money.js";
        const currencies = JSON.parse(readFileSync(0));
        console.log(JSON.stringify(currencies.map((currency) => money(123456, currency))));
    """
    done = node("--input-type=module", "-e", code, given=json.dumps(list(DECIMALS)))
    assert done.returncode == 0, done.stderr
    # Whatever the reader's language puts between digits, and however it writes the currency.
    shown = dict(zip(DECIMALS, json.loads(done.stdout), strict=True))
    assert {
        currency: len(re.split(r"\D", re.search(r"\d.*\d", text)[0])[-1])  # type: ignore[index]
        for currency, text in shown.items()
    } == {currency: decimals or 3 for currency, decimals in DECIMALS.items()}


def at_the_edge(event: dict[str, Any]) -> dict[str, Any]:
    """What CloudFront's function makes of an event."""
    code = (
        (ROOT / "web/edge/pages.js").read_text().replace("PAGES = {}", 'PAGES = {"index":1,"a":1}')
    )
    done = node("-e", f"{code}; console.log(JSON.stringify(handler({json.dumps(event)})))")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("/", "/index.html"),
        ("/index.html", "/index.html"),
        ("/a", "/a.html"),
        ("/config.json", "/config.json"),
        ("/prices.json", "/prices.json"),
        ("/robots.txt", "/robots.txt"),
        ("/address-formats.json", "/address-formats.json"),
        ("/catalogues/1795428000000-0a.json/x", "/not-found.html"),
        ("/catalogues/x-0a.json", "/not-found.html"),
        ("/b", "/not-found.html"),
        ("/a/", "/not-found.html"),
        ("/a/b", "/not-found.html"),
        ("/../secret", "/not-found.html"),
        ("/constructor", "/not-found.html"),
    ],
)
def test_an_address_means_a_page_or_that_there_is_none(asked: str, served: str) -> None:
    event = {"context": {"eventType": "viewer-request"}, "request": {"uri": asked}}
    assert at_the_edge(event)["uri"] == served


def test_the_page_for_the_lost_says_404() -> None:
    response = {"statusCode": 200, "headers": {"x-amz-meta-status": {"value": "404"}}}
    event = {"context": {"eventType": "viewer-response"}, "response": response}
    answer = at_the_edge(event)
    assert (answer["statusCode"], answer["headers"]) == (404, {})


def test_other_answers_stay() -> None:
    response = {"statusCode": 304, "headers": {"etag": {"value": "x"}}}
    event = {"context": {"eventType": "viewer-response"}, "response": response}
    assert at_the_edge(event) == response
