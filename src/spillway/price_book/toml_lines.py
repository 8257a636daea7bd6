"""Where in a TOML file something is: Python's reader gives values without their lines.

A scan for headings and keys at the beginning of a line. A value that spans lines is found at its
key; what looks like a key inside a text of several lines may be taken for one, and then a fault
has a wrong line and still the right sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

#: The way to a value: names, and after the name of a list of tables the number in it, from 0.
Place = tuple[str | int, ...]

_HEADING = re.compile(r"\s*(\[\[?)\s*([\w.\- \"']+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*[\"']?([\w-]+)[\"']?\s*(?:\.|=)")


def lines_of(text: str) -> Mapping[Place, int]:
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), start=1):
        heading = _HEADING.match(line)
        if heading:
            table = _table(heading[2], counts, new=heading[1] == "[[")
            lines[table] = number
        elif key := _KEY.match(line):
            lines.setdefault((*table, key[1]), number)
    return lines


def _table(heading: str, counts: dict[Place, int], *, new: bool) -> Place:
    place: Place = ()
    names = [name.strip(" \"'") for name in heading.split(".")]
    for depth, name in enumerate(names, start=1):
        place = (*place, name)
        if new and depth == len(names):
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place


def line_of(place: Place, lines: Mapping[Place, int]) -> int | None:
    """The line of a value, else of the table that it is in."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place)
