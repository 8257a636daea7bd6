"""Templates: Jinja2, every value escaped, and an undefined name is an error."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from spillway.ui.formatting import age, clock, date_and_clock, rfc3339

FOLDER = Path(__file__).parent


def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "age": age,
        "clock": clock,
        "moment": date_and_clock,
        "rfc3339": rfc3339,
        "count": lambda number: f"{number:,}",
        "money": _money,
        "words": lambda name: str(name).replace("_", " "),
    }
    return made


def _money(amount: int, currency: str) -> str:
    """Minor units, as people write them. The accepted currencies have two decimals."""
    return f"{amount / 100:,.2f} {currency}"
