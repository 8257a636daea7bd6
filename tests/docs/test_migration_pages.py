"""The migration's pages: every setting, command, part and file of the wing is on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.main import get_command

from spillway.cli import app
from spillway.migrate.config import Config, Field
from spillway.plan.docs import MIGRATION_SETTINGS
from spillway.plan.migration_settings import settings_part

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "migration"
GUIDE = (DOCS / "README.md").read_text()
INSIDE = (DOCS / "inside.md").read_text()
SETTINGS = MIGRATION_SETTINGS.read_text()
WING = ROOT / "src" / "spillway" / "migrate"

COMMANDS = get_command(app).commands["migrate"].commands  # type: ignore[attr-defined]


def settings(section: type[msgspec.Struct], place: str = "") -> Iterator[tuple[str, str]]:
    """Every setting's section and name, as msgspec reads them."""
    for field in msgspec.structs.fields(section):
        below = [one for one in _sections(field.type) if one is not Field]
        if not below:
            yield place, field.encode_name
        for one in below:
            word = ".WORD" if field.encode_name == "statuses" else ""
            path = f"{place}.{field.encode_name}{word}".removeprefix(".")
            yield from settings(one, path)


def _sections(kind: object) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for inner in getattr(kind, "__args__", ()):
        yield from _sections(inner)


def test_every_setting_that_is_read_is_on_the_page_under_its_section() -> None:
    sections = dict(re.findall(r"^### `\[(.+?)\]`\n(.*?)(?=^### |\Z)", SETTINGS, re.M | re.S))
    sections[""] = SETTINGS.partition("### At the top")[2].partition("\n### ")[0]
    expected = set(settings(Config))
    assert len(expected) > 60
    for place, name in expected:
        assert f"| `{name}` |" in sections[place], (place, name)


def test_the_page_of_settings_is_what_config_py_says_now() -> None:
    assert settings_part() in SETTINGS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_and_is_in_the_guide(name: str) -> None:
    example = re.search(r"Example: spillway migrate (\w+)", COMMANDS[name].help or "")
    assert example is not None
    assert example[1] == name
    assert re.search(rf"`(?:spillway migrate )?{name}[` ]", GUIDE)


def test_the_drawing_names_every_module_once_and_no_other() -> None:
    modules = [
        str(path.relative_to(WING)) for path in WING.rglob("*.py") if path.name != "__init__.py"
    ]
    named = re.findall(r"^\| `([\w/]+\.py)` \|", INSIDE, re.MULTILINE)
    assert sorted(named) == sorted(modules)


def test_the_guide_shows_every_worked_example() -> None:
    for path in (*DOCS.glob("*.toml"), *DOCS.glob("*.sql")):
        assert f"({path.name})" in GUIDE, path.name


def test_every_exit_code_is_explained() -> None:
    codes = set(re.findall(r"^\| (\d+) \|", GUIDE.partition("## Exit codes")[2], re.MULTILINE))
    assert codes == {"0", "1", "2", "3", "130"}
