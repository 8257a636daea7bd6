"""What a statement in the binary log means for a followed table.

A log in rows still has statements: those that change a table's form, and whatever a session writes
as a statement. They are split into words, without comments and texts, and judged by a few rules.
This is no SQL parser: only what is known to be harmless passes. A statement that names the table
and has no rule is `lost`: it may have changed rows that the log does not report. (The operator's
own condition is split by `condition`, which must refuse what is left out here: a comment may hide
what follows, and a quote that nothing closes.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

Kind = Literal["begin", "inside", "end", "schema", "moved", "lost", "other"]

#: Bits of `sql_mode`, as an event has it.
ANSI_QUOTES, NO_BACKSLASH_ESCAPES = 1 << 2, 1 << 20


@dataclass(frozen=True, slots=True)
class FollowedTable:
    """A table as statements name it. `columns` are those that matter, in lower case. `folds`: the
    server compares the names of tables without their case. `view`: through which it is read."""

    schema: str
    table: str
    columns: frozenset[str]
    folds: bool = False
    view: str = ""

    def is_schema(self, name: str) -> bool:
        return self._same(name, self.schema)

    def is_table(self, name: str) -> bool:
        return self._same(name, self.table)

    def is_named(self, name: Name, schema: str) -> bool:
        """`schema` is where a name without one is looked for."""
        return self.is_table(name.table) and self.is_schema(name.schema or schema)

    def is_view(self, name: Name, schema: str) -> bool:
        return self._same(name.table, self.view) and self.is_schema(name.schema or schema)

    def _same(self, name: str, own: str) -> bool:
        return name.lower() == own.lower() if self.folds else name == own


class Name(NamedTuple):
    schema: str | None
    table: str

    @property
    def words(self) -> int:
        return 1 if self.schema is None else 3


class Word(NamedTuple):
    """`text` is in upper case where it may be a keyword, and as it is where it was quoted."""

    text: str
    name: str
    quoted: bool = False


def _token(plain: str, escaped: str) -> re.Pattern[str]:
    """`plain`: what is no escape inside of a text."""
    return re.compile(
        rf"""
          (?P<space> \s+ | \#[^\n]* | --(?=[\s\x00-\x1f]|$)[^\n]* )
        | (?P<executed> /\*M?!\d* | \*/ )     # a comment whose content the server executes
        | (?P<comment> /\*.*?(?:\*/|$) )
        | (?P<text> ' (?: [^'{plain}] | '' {escaped} )* '? )
        | (?P<double> " (?: [^"{plain}] | "" {escaped} )* "? )
        | (?P<name> ` (?: [^`] | `` )* `? )
        | (?P<word> [\w$@]+ )
        | (?P<sign> . )
        """,
        re.VERBOSE | re.DOTALL,
    )


_ESCAPING, _NOT_ESCAPING = _token(r"\\", r"| \\."), _token("", "")


def words_of(statement: str, sql_mode: int = 0) -> list[Word]:
    """Without comments. A text is a word without letters: it names nothing."""
    token = _NOT_ESCAPING if sql_mode & NO_BACKSLASH_ESCAPES else _ESCAPING
    return list(_words(token, statement, ansi=bool(sql_mode & ANSI_QUOTES)))


def _words(token: re.Pattern[str], statement: str, *, ansi: bool) -> Iterator[Word]:
    for found in token.finditer(statement):
        text = found.group()
        match found.lastgroup:
            case "word" | "sign":
                yield Word(text.upper(), text)
            case "name":
                yield Word("`", text[1:-1].replace("``", "`"), quoted=True)
            case "double" if ansi:
                yield Word("`", text[1:-1].replace('""', '"'), quoted=True)
            case "text" | "double":
                yield Word("'", "", quoted=True)


_TRANSACTION: dict[tuple[str, ...], Kind] = {
    ("BEGIN",): "begin",
    ("START", "TRANSACTION"): "begin",
    ("XA", "START"): "begin",
    ("XA", "BEGIN"): "begin",
    ("SAVEPOINT",): "inside",
    ("RELEASE", "SAVEPOINT"): "inside",
    ("ROLLBACK", "TO"): "inside",
    ("ROLLBACK", "WORK", "TO"): "inside",
    ("COMMIT",): "end",
    ("ROLLBACK",): "end",
    ("XA",): "end",
}
#: They change neither rows nor columns, whatever they name.
_HARMLESS = frozenset(
    (
        *("ANALYZE", "OPTIMIZE", "CHECK", "CHECKSUM", "GRANT", "REVOKE", "FLUSH", "SET", "USE"),
        *("LOCK", "UNLOCK", "SHOW", "PURGE", "RESET"),
    )
)
#: The log has them where a session writes by statement. What a function, a trigger or a view does
#: is not in the statement that calls it, fires it, or names it.
_WRITERS = frozenset(("CALL", "DO", "SELECT", "UPDATE", "DELETE", "LOAD", "WITH"))


def kind_of(statement: str, followed: FollowedTable, schema: str, sql_mode: int = 0) -> Kind:
    """What a statement means for the table, from a session whose default schema this is.

    lost    its rows may have changed, and the log does not say which
    moved   its columns may have changed, and their order
    schema  its columns may have changed, but those that were there have kept their places
    """
    words = _without_settings(words_of(statement, sql_mode))
    keywords = [word.text for word in words[:3]]
    for length in (3, 2, 1):
        kind = _TRANSACTION.get(tuple(keywords[:length]))
        if kind is not None:
            return kind
    return _Judge(words, followed, schema).kind()


def _without_settings(words: list[Word]) -> list[Word]:
    """MariaDB: SET STATEMENT name = value, ... FOR statement."""
    if [word.text for word in words[:2]] == ["SET", "STATEMENT"]:
        texts = [word.text for word in words]
        if "FOR" in texts:
            return _without_settings(words[texts.index("FOR") + 1 :])
    return words


@dataclass(frozen=True, slots=True)
class _Judge:
    words: Sequence[Word]
    followed: FollowedTable
    schema: str

    def kind(self) -> Kind:
        verb = self.words[0].text if self.words else ""
        match verb:
            case "" | ";":
                return "other"
            case _ if verb in _HARMLESS:
                return "other"
            case "ALTER" | "CREATE" | "DROP" | "RENAME":
                return self._definition(verb)
            case "INSERT" | "REPLACE":
                # What it reads does not matter: a tool that compares replicas reads all tables so.
                return self._lost_if(
                    self.followed.is_schema(self._first_name(1).schema or self.schema)
                )
            case "DELETE" if self._empties_one():
                return self._lost_if(self._mentions(self.words))
            case _ if verb in _WRITERS:
                ours = self.followed.is_schema(self.schema) or any(
                    self.followed.is_schema(word.name) for word in self.words
                )
                return self._lost_if(ours)
        return self._lost_if(self._mentions(self.words))

    def _empties_one(self) -> bool:
        """DELETE FROM `a`.`b`: the server writes it for each table of the engine MEMORY when it was
        started again."""
        texts = [word.text for word in self.words if word.text != ";"]
        return len(texts) == 5 and texts[1] == "FROM" and texts[3] == "."

    def _lost_if(self, condition: bool) -> Kind:
        return "lost" if condition else "other"

    def _mentions(self, words: Sequence[Word]) -> bool:
        """The table is named somewhere, by itself or before one of its columns."""
        return any(
            self.followed.is_named(name, self.schema)
            or (
                name.schema is not None
                and self.followed.is_named(Name(None, name.schema), self.schema)
            )
            for name in _names(words)
        )

    def _is_first_name(self, start: int) -> bool:
        """The first name behind the keywords is the table's."""
        return self.followed.is_named(self._first_name(start), self.schema)

    def _first_name(self, start: int) -> Name:
        for place in range(start, len(self.words)):
            if self.words[place].text not in _BEFORE_A_NAME:
                return _name_at(self.words, place)
        return Name(None, "")

    def _definition(self, verb: str) -> Kind:
        words = self.words
        texts = [word.text for word in words]
        place = next((place for place, text in enumerate(texts) if text in _DEFINED), None)
        if place is None:
            return self._lost_if(self._mentions(words))
        what, start = texts[place], place + 1
        if "TEMPORARY" in texts[:place]:
            return "other"
        if what in ("DATABASE", "SCHEMA"):
            ours = any(self.followed.is_schema(word.name) for word in words[start:])
            return self._lost_if(verb == "DROP" and ours)
        if what == "INDEX":
            return "schema" if self._mentions(words[start:]) else "other"
        if what == "VIEW":
            return self._lost_if(self._names_view(words[start:], all_of_them=verb == "DROP"))
        if what not in ("TABLE", "TABLES"):
            return "other"
        if verb == "ALTER":
            return self._alter(start, ignore="IGNORE" in texts[:place])
        if verb == "CREATE":
            exists = texts[start : start + 3] == ["IF", "NOT", "EXISTS"]
            return self._lost_if(not exists and self._is_first_name(start))
        renamed = verb == "RENAME" and self._names_view(words[start:], all_of_them=True)
        return self._lost_if(renamed or self._mentions(words[start:]))

    def _names_view(self, words: Sequence[Word], *, all_of_them: bool) -> bool:
        """Behind the names of CREATE and ALTER VIEW is a query, which may name the table."""
        names = _names([word for word in words if word.text not in _BEFORE_A_NAME])
        return bool(self.followed.view) and any(
            self.followed.is_view(name, self.schema)
            for name in (names if all_of_them else islice(names, 1))
        )

    def _alter(self, start: int, *, ignore: bool) -> Kind:
        place = start
        while place < len(self.words) and self.words[place].text in ("IF", "EXISTS"):
            place += 1
        name = _name_at(self.words, place)
        rest = self.words[place + name.words :]
        if not self.followed.is_named(name, self.schema):
            # Another table takes its name, or exchanges rows with it.
            takes = any(word.text in ("RENAME", "EXCHANGE", "CONVERT") for word in rest)
            return self._lost_if(takes and self._mentions(rest))
        kinds = {_kind_of_change(change, self.followed.columns) for change in _changes(rest)}
        if ignore or "lost" in kinds:
            return "lost"
        return "moved" if "moved" in kinds else "schema"


_BEFORE_A_NAME = frozenset(
    ("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO", "IF", "NOT", "EXISTS")
)
_DEFINED = frozenset(
    (
        *("TABLE", "TABLES", "DATABASE", "SCHEMA", "INDEX", "VIEW", "TRIGGER"),
        *("PROCEDURE", "FUNCTION"),
        *("EVENT", "USER", "ROLE", "SERVER", "SEQUENCE", "TABLESPACE", "LOGFILE", "PACKAGE"),
        *("RESOURCE", "INSTANCE", "UNDO", "SPATIAL_REFERENCE"),
    )
)


def _name_at(words: Sequence[Word], place: int) -> Name:
    if [word.text for word in words[place + 1 : place + 2]] == ["."] and len(words) > place + 2:
        return Name(words[place].name, words[place + 2].name)
    return Name(None, words[place].name) if place < len(words) else Name(None, "")


def _names(words: Sequence[Word]) -> Iterator[Name]:
    """Whatever may be the name of a table."""
    place = 0
    while place < len(words):
        name = _name_at(words, place)
        yield name
        place += name.words


def _changes(words: Sequence[Word]) -> Iterator[list[Word]]:
    """The parts of an ALTER TABLE, between commas outside of brackets."""
    if [word.text for word in words[1:2]] == ["PARTITION"]:
        # It is the only change, and its commas are between partitions.
        yield list(words)
        return
    depth = 0
    change: list[Word] = []
    # MariaDB: how long to wait for the table.
    waiting = {"NOWAIT": 1, "WAIT": 2}.get(words[0].text, 0) if words else 0
    for word in words[waiting:]:
        depth += (word.text == "(") - (word.text == ")")
        if word.text == "," and depth == 0:
            yield change
            change = []
        elif word.text != ";":
            change.append(word)
    yield change


_PARTS = frozenset(
    (
        *("INDEX", "KEY", "KEYS", "UNIQUE", "FULLTEXT", "SPATIAL", "PRIMARY", "CONSTRAINT"),
        *("FOREIGN", "CHECK", "PERIOD", "SYSTEM"),
    )
)
_KEEPS_ROWS = frozenset(("REORGANIZE", "REBUILD", "OPTIMIZE", "ANALYZE", "CHECK", "COALESCE"))
_OPTIONS = frozenset(
    (
        *("ALGORITHM", "LOCK", "AUTO_INCREMENT", "COMMENT", "ROW_FORMAT", "KEY_BLOCK_SIZE"),
        *("STATS_PERSISTENT", "STATS_AUTO_RECALC", "STATS_SAMPLE_PAGES", "CHECKSUM", "PACK_KEYS"),
        *("AVG_ROW_LENGTH", "MAX_ROWS", "MIN_ROWS", "DELAY_KEY_WRITE", "ENABLE", "DISABLE"),
        *("DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "COMPRESSION", "ENCRYPTION", "ENCRYPTED"),
        *("PAGE_COMPRESSED", "PAGE_CHECKSUM", "PAGE_COMPRESSION_LEVEL", "ENCRYPTION_KEY_ID"),
        *("TABLE_CHECKSUM", "TRANSACTIONAL", "WITH", "WITHOUT", "ORDER", "PARTITION", "FORCE"),
        "ENGINE",
    )
)
_ENGINES = frozenset(("INNODB", "MYISAM", "ARIA", "ROCKSDB", "TOKUDB"))


#: Where the names of columns stand that a change gives another form, or another name.
_NAMES = {"ADD": (1, 2), "MODIFY": (1, 2), "CHANGE": (1, 3)}


def _kind_of_change(change: Sequence[Word], columns: frozenset[str]) -> Kind:
    words = [word for word in change if word.text not in ("IF", "NOT", "EXISTS", "COLUMN")]
    texts = [word.text for word in words]
    verb, what = (*texts, "", "")[:2]
    of_part = what in _PARTS

    def unless_named(kind: Kind, start: int, end: int | None) -> Kind:
        named = {word.name.lower() for word in words[start:end]}
        return "lost" if named & columns else kind

    match verb:
        case "" | "ALTER" | "REMOVE":
            return "schema"
        case "ADD" | "DROP" | "RENAME" if of_part or (verb == "ADD" and what == "PARTITION"):
            return "schema"
        case "ADD" | "MODIFY" | "CHANGE":
            start, end = _NAMES[verb]
            placed: Kind = "moved" if {"FIRST", "AFTER"} & set(texts) else "schema"
            return unless_named(placed, start, None if what == "(" else end)
        case "DROP" if what != "PARTITION":
            return "moved"
        case "RENAME" if any(word.text == "COLUMN" for word in change[:2]):
            return unless_named("schema", 1, 4)
    keeps = what == "PARTITION" and verb in _KEEPS_ROWS
    option = verb in _OPTIONS and _engines(texts) <= _ENGINES
    return "schema" if keeps or option else "lost"


def _engines(texts: Sequence[str]) -> set[str]:
    behind = [texts[place + 1 : place + 3] for place, text in enumerate(texts) if text == "ENGINE"]
    return {some[-1] if some[:1] == ["="] else some[0] for some in behind if some}
