"""docs/client.md says what to do for every answer that there is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/client.md").read_text()
OUTBOX = (ROOT / "web/storefront/outbox.js").read_text()


def answers(path: str) -> list[str]:
    contract = msgspec.yaml.decode((ROOT / "docs/contracts/orders.yaml").read_text())
    return list(contract["paths"][path]["put"]["responses"])


def test_every_answer_to_an_order_has_its_row() -> None:
    table = PAGE.partition("## Answers to")[2].partition("\n\n**")[0]
    for status in answers("/orders/{order_id}"):
        assert f"`{status}`" in table or f"`{status[0]}xx`" in table, status


def test_the_pauses_are_those_of_the_outbox() -> None:
    rule = re.search(r"^5\. .*$", PAGE, re.MULTILINE)
    assert rule is not None
    for name in ("PAUSE_FIRST_MS", "PAUSE_MAX_MS"):
        value = re.search(rf"{name} = ([\d_]+);", OUTBOX)
        assert value is not None
        assert f" {int(value[1]) // 1000} s" in rule[0]


def test_the_states_are_those_that_the_storefront_shows() -> None:
    shown = (ROOT / "web/storefront/status.js").read_text().lower()
    rule = re.search(r"^8\. .*$", PAGE, re.MULTILINE)
    assert rule is not None
    states = re.findall(r"(?<!\*)\*([a-z ]+)\*(?!\*)", rule[0])
    assert len(states) >= 5
    for state in states:
        assert f'"{state}"' in shown
