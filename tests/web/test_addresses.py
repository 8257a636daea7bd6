"""What the checkout's form lets through, intake accepts: the customer has paid by then."""

from __future__ import annotations

import json
import random
from typing import Any

from infra.bundle import ROOT
from orders.domain.text import is_text, normalised
from orders.flow.intake import Acknowledged
from simulation.world.table import MemoryOrders
from spillway.run.storefront import address_formats
from tests.builders import CUSTOMER, an_intake, content, order_id, order_key
from tests.web.test_modules import HERE, node

VECTORS = json.loads((ROOT / "docs" / "contracts" / "vectors" / "text.json").read_text())
TEXTS: list[str] = [
    vector["written"] for kind in ("accepted", "refused") for vector in VECTORS[kind]
]
#: As address.js names them.
FIELDS = (
    "name",
    "street",
    "street2",
    "district",
    "city",
    "state",
    "postal_code",
    "phone",
    "email",
)
#: Rather the characters that the rule is about than the many thousand others.
ODD = [chr(code) for code in (*range(0xB0), 0x61C, 0x180E, *range(0x1FF0, 0x2080), 0x3000, 0x3164)]
ADDRESSES_PER_COUNTRY = 12


def form(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = node(str(HERE / "form.mjs"), given=json.dumps(asked))
    assert done.returncode == 0, done.stderr
    made: list[dict[str, Any]] = json.loads(done.stdout)
    return made


def typed(rng: random.Random) -> str:
    """What somebody might type: mostly a text, sometimes one that nobody can store."""
    match rng.randrange(4):
        case 0:
            return rng.choice(TEXTS)
        case 1:
            return "".join(rng.choices(ODD, k=rng.randint(0, 4)))
        case 2:
            letters = (chr(rng.randint(0x20, 0xD7FF)) for _ in range(rng.randint(1, 9)))
            return "".join(letters) + chr(rng.randint(0xE000, 0x10FFFF))
        case _:
            return f"Text {rng.randint(0, 99)}"


def test_form_and_service_read_every_text_alike() -> None:
    rng = random.Random(15)
    texts = [*TEXTS, *ODD, *(typed(rng) for _ in range(5_000))]
    for text, made in zip(texts, form([{"text": text} for text in texts]), strict=True):
        assert made["normalised"] == normalised(text), ascii(text)
        if made["normalised"]:
            assert (made["problem"] is None) == is_text(normalised(text)), ascii(text)


def test_an_address_that_the_form_lets_through_is_accepted_as_it_is_in_every_country() -> None:
    rng = random.Random(15)
    asked = [
        {"code": code, "values": {field: typed(rng) for field in FIELDS}}
        for code in address_formats.formats()
        for _ in range(ADDRESSES_PER_COUNTRY)
    ]
    intake = an_intake(MemoryOrders())
    answers = {"accepted": 0, "stopped": 0}
    for made in form(asked):
        answers["stopped" if made["problems"] else "accepted"] += 1
        if not made["problems"]:
            key = order_key(CUSTOMER, order_id())
            sent = content(key.order_id, address=made["address"])
            result = intake.place(key, sent.order, sent.digest, wholesale_allowed=False)
            assert isinstance(result, Acknowledged), ascii(made["address"])
            assert result.order.order == sent.order
    assert min(answers.values()) > len(asked) / 20, answers
