"""What a gateway or an engine signs: a line for each fact, its name first.

The first line says what is signed, so that a key that signs other things too signs nothing else
with the same text.
"""

from __future__ import annotations

from collections.abc import Iterable


def one_fact_a_line(facts: Iterable[str]) -> str:
    """Raises ValueError for a fact with a line break: another could begin inside it."""
    lines = list(facts)
    text = "\n".join(lines)
    if text.count("\n") != len(lines) - 1:
        raise ValueError("a line break in what is signed")
    return text
