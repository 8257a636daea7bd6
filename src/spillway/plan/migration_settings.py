"""Every setting of a migration's configuration, read from the source that reads the file.

Read as a text and not imported: `plan` is below `migrate`.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path

from spillway.paths import PROJECT
from spillway.plan.tables import Table

SOURCE = PROJECT / "src" / "spillway" / "migrate" / "config.py"
ROOT = "Config"
#: The sections that are read by a name of the shop's own.
NAMED = {"statuses": "statuses.WORD"}


def settings_part(source: Path = SOURCE) -> str:
    """Markdown: a heading and a table for each section, in the order of the file."""
    text = source.read_text(encoding="utf-8")
    classes = {one.name: one for one in ast.parse(text).body if isinstance(one, ast.ClassDef)}
    lines = text.splitlines()
    return "\n".join(_parts(ROOT, "", classes, lines))


def _parts(
    name: str, place: str, classes: dict[str, ast.ClassDef], lines: Sequence[str]
) -> Iterator[str]:
    """The section itself, and then those in it."""
    fields = list(_fields(classes[name], lines))
    inside = [
        (field, below)
        for field, annotation, _, _ in fields
        for below in classes
        if below != "Field" and below in _names(annotation)
    ]
    rows = [
        (f"`{field}`", _values(annotation), default, note)
        for field, annotation, default, note in fields
        if field not in dict(inside)
    ]
    title = f"### `[{place}]`" if place else "### At the top"
    yield f"{title}\n"
    said = ast.get_docstring(classes[name])
    if said:
        yield f"{_markdown(said)}\n"
    if rows:
        yield Table("", ("setting", "values", "default", ""), rows).markdown()
    for field, below in inside:
        path = NAMED.get(field, field)
        yield from _parts(below, f"{place}.{path}" if place else path, classes, lines)


def _fields(
    section: ast.ClassDef, lines: Sequence[str]
) -> Iterator[tuple[str, ast.expr, str, str]]:
    """Name, annotation, default and the `#:` comment above."""
    for one in section.body:
        if not isinstance(one, ast.AnnAssign) or not isinstance(one.target, ast.Name):
            continue
        comment: list[str] = []
        line = one.lineno - 2
        while lines[line].strip().startswith("#:"):
            comment.insert(0, lines[line].strip().removeprefix("#:").strip())
            line -= 1
        yield _toml_name(one), one.annotation, _default(one.value), " ".join(comment)


def _toml_name(one: ast.AnnAssign) -> str:
    """`is_` is `is` in the file."""
    assert isinstance(one.target, ast.Name)  # noqa: S101 -- checked by the caller
    return one.target.id.removesuffix("_")


def _default(value: ast.expr | None) -> str:
    if value is None or (isinstance(value, ast.Call) and "name=" in ast.unparse(value)):
        return "needed"
    if isinstance(value, ast.Constant):
        return "" if value.value in (None, "") else f"`{_literal(value.value)}`"
    if isinstance(value, ast.Tuple):
        shown = ", ".join(f'"{_word(item)}"' for item in value.elts)
        return f"`[{shown}]`" if shown else ""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "date":
        year, month, day = (ast.literal_eval(argument) for argument in value.args)
        return f"`{year}-{month:02}-{day:02}`"
    return ""


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:_}" if isinstance(value, int) else f'"{value}"'


def _word(item: ast.expr) -> str:
    """A text, or an enumeration's member, whose value is its name in small letters."""
    if isinstance(item, ast.Attribute):
        return item.attr.lower()
    return str(ast.literal_eval(item))


def _values(annotation: ast.expr) -> str:
    text = ast.unparse(annotation).removesuffix(" | None")
    if "Literal[" in text:
        inside = text.partition("Literal[")[2].partition("]")[0]
        return ", ".join(f"`{word.strip()}`" for word in inside.replace("'", '"').split(","))
    bounds = {
        keyword.arg: ast.literal_eval(keyword.value)
        for call in ast.walk(annotation)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
    }
    if "ge" in bounds:
        highest = f" to {bounds['le']:,}" if "le" in bounds else " or more"
        return f"{bounds['ge']:,}{highest}"
    if "tuple[Field" in text:
        return "a list of fields"
    if "tuple[" in text:
        return "a list"
    return _KINDS.get(text, "a table" if "dict[" in text else "text")


#: By annotation, in the words of the page.
_KINDS = {
    "Name": "a name",
    "Field": "a field",
    "str": "text",
    "date": "a date",
    "Outcome": '`"confirmed"`, `"rejected"`, `"cancelled"`, `"open"`',
}


def _names(annotation: ast.expr) -> set[str]:
    return {one.id for one in ast.walk(annotation) if isinstance(one, ast.Name)}


def _markdown(docstring: str) -> str:
    """Paragraphs on one line each; aligned lines stay as they are, as code."""
    parts = []
    for paragraph in inspect.cleandoc(docstring).split("\n\n"):
        aligned = all("  " in line.strip() for line in paragraph.splitlines())
        parts.append(f"```\n{paragraph}\n```" if aligned else " ".join(paragraph.split()))
    return "\n\n".join(parts)
