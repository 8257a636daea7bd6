"""The rule for what people write, against the vectors that the storefront is tested with too."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.domain.text import TEXT_MAX, is_text, normalised

VECTORS = json.loads(
    (Path(__file__).parents[3] / "docs" / "contracts" / "vectors" / "text.json").read_text()
)


def because(vector: Any) -> str:
    return str(vector["because"])


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=because)
def test_what_people_write_is_stored_in_its_normal_form(vector: dict[str, str]) -> None:
    assert normalised(vector["written"]) == vector["stored"]
    assert is_text(vector["stored"])


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=because)
def test_what_no_label_can_hold_is_refused(vector: dict[str, str]) -> None:
    assert not is_text(normalised(vector["written"]))


def test_the_limit_is_that_of_the_vectors() -> None:
    assert VECTORS["characters_max"] == TEXT_MAX


def accepted_by_0_2_0(text: str) -> bool:
    return 0 < len(text) <= TEXT_MAX and text.isprintable() and not text.isspace()


def test_no_character_that_0_2_0_accepted_is_refused() -> None:
    """A stored order's retry stays a retry: each of them alone, and between others."""
    for char in filter(accepted_by_0_2_0, map(chr, range(sys.maxunicode + 1))):
        assert is_text(normalised(char)), hex(ord(char))
        assert is_text(normalised(f"a{char}b")), hex(ord(char))


PRINTABLE = st.characters(exclude_categories=["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"])


@given(st.text(PRINTABLE | st.just(" "), min_size=1, max_size=TEXT_MAX))
def test_no_text_that_0_2_0_accepted_is_refused(text: str) -> None:
    assert accepted_by_0_2_0(text) or text.isspace()
    assert is_text(normalised(text)) or text.isspace()


@given(st.text(st.characters(categories=["Zs", "Cf", "Lu", "Cc", "Cn"]), max_size=9))
def test_a_normal_form_is_its_own(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once
    assert len(once) <= len(text)
