"""The first configuration as a text: settings, each with the reason why it was chosen."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass, field
from typing import Any

from spillway.migrate.config import TODO

WIDTH = 100
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(slots=True)
class Notes:
    """`todos` are the places of the settings that nobody but the shop's own people can know."""

    lines: list[str] = field(default_factory=list)
    todos: list[str] = field(default_factory=list)
    #: The places of the settings that name a column.
    of_columns: set[str] = field(default_factory=set)
    _section: str = ""

    def section(self, name: str, note: str = "") -> None:
        self._section = name
        self.lines += ["", f"[{name}]"]
        if note:
            self.note(note)

    def note(self, text: str) -> None:
        self.lines += [f"# {line}" for line in textwrap.wrap(_one_line(text), WIDTH - 2)]

    def paste(self, text: str) -> None:
        """Something to run or to uncomment, line by line."""
        self.lines += [f"#     {line}".rstrip() for line in text.splitlines()]

    def set(self, name: str, value: Any, note: str = "") -> None:
        if note:
            self.note(note)
        self.lines.append(f"{_key(name)} = {toml(value)}")
        place = f"{self._section}.{name}" if self._section else name
        self.todos += [f"{place}{more}" for more in _todos(value)]
        fields = value if isinstance(value, list) else [value]
        if any(isinstance(one, dict) and "column" in one for one in fields):
            self.of_columns.add(place)

    def todo(self, name: str, note: str) -> None:
        self.set(name, TODO, note)

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip() + "\n"


def toml(value: Any) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(name)} = {toml(one)}" for name, one in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else toml(name)


def _one_line(text: str) -> str:
    """A table's own comments may have line breaks: behind one, TOML would read a setting."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _todos(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f".{name}{more}" for name, one in value.items() for more in _todos(one)]
    if isinstance(value, list | tuple):
        return [more for one in value for more in _todos(one)]
    return [""] if value == TODO else []
