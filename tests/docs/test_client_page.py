"""The client's page says what to do for every answer that there is."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/client.md").read_text()


def test_every_answer_to_an_order_has_its_row() -> None:
    contract = yaml.safe_load((ROOT / "docs/contracts/orders.yaml").read_text())
    table = "\n".join(re.findall(r"^\| (`.*|no answer.*|the same.*)$", PAGE, re.MULTILINE))
    for status in contract["paths"]["/orders/{order_id}"]["put"]["responses"]:
        assert f"`{status}`" in table or f"`{status[0]}xx`" in table, status


def test_the_pauses_are_those_of_the_outbox() -> None:
    outbox = (ROOT / "web/storefront/outbox.js").read_text()
    assert "PAUSE_FIRST_MS = 1_000;" in outbox
    assert "PAUSE_MAX_MS = 60_000;" in outbox
    assert "doubling from 1 s to 60 s" in PAGE


def test_the_states_are_those_that_the_storefront_shows() -> None:
    shown = (ROOT / "web/storefront/status.js").read_text().lower()
    for state in re.findall(
        r"\*([a-z ]+)\*", PAGE.partition("**Say what is true**")[2].split("\n")[0]
    ):
        assert f'"{state}"' in shown
