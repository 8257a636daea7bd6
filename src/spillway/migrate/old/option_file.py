"""MySQL's option files, read as its own client reads them: what its users know must work here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spillway.errors import UsageError, why_not

#: The groups that the clients of MySQL and MariaDB read.
_GROUPS = frozenset(("client", "mysql", "mariadb-client", "client-server", "client-mariadb"))
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "s": " ", '"': '"', "'": "'", "\\": "\\"}
#: One file includes another, which may include the first.
_INCLUDES_MAX = 20


def options(path: Path) -> dict[str, str]:
    """The client's options by their names, with underscores; the last one of a name counts.

    UsageError: the file, or one that it includes, is missing or is none.
    """
    found: dict[str, str] = {}
    for group, name, value in _lines(path, 0):
        if group in _GROUPS:
            found[name.removeprefix("loose_")] = value
    return found


def _lines(path: Path, depth: int) -> Iterator[tuple[str, str, str]]:
    """Group, name and value of each option."""
    if depth > _INCLUDES_MAX:
        raise UsageError(f"{path} includes files that include each other.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The MySQL option file {path} cannot be read: {why_not(error)}."
        ) from error
    group = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "!":
            for included in _included(line, path):
                yield from _lines(included, depth + 1)
        elif line[0] == "[":
            group = line[1:].partition("]")[0].strip()
        elif not group:
            raise UsageError(f"{path} is not a MySQL option file: line {number} is in no [group].")
        else:
            name, _, value = _without_comment(line).partition("=")
            yield group, name.strip().replace("-", "_"), _plain(value.strip())


def _included(line: str, path: Path) -> list[Path]:
    directive, _, rest = line.partition(" ")
    target = Path(rest.strip()).expanduser()
    match directive:
        case "!include":
            return [target]
        case "!includedir":
            return sorted(target.glob("*.cnf"))
    raise UsageError(f"{path} is not a MySQL option file: it has the directive {directive}.")


def _without_comment(line: str) -> str:
    """A # begins a comment, but not between quotes; there a backslash protects a quote."""
    quote, escaped = "", False
    for place, char in enumerate(line):
        if char in "'\"" and not escaped:
            quote = "" if char == quote else quote or char
        elif char == "#" and not quote:
            return line[:place]
        escaped = bool(quote) and char == "\\" and not escaped
    return line


def _plain(value: str) -> str:
    """Without the quotes around it, and with its escapes resolved. An unknown one stays."""
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        value = value[1:-1]
    chars, plain = iter(value), ""
    for char in chars:
        if char == "\\":
            escaped = next(chars, "")
            plain += _ESCAPES.get(escaped, f"\\{escaped}")
        else:
            plain += char
    return plain
