"""check: ask the old server, read the old table once, report what would happen. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from math import inf
from typing import Any

from msgspec.structs import replace
from pymysql.connections import Connection

from spillway.errors import SpillwayError
from spillway.migrate.back.beforehand import hindrances
from spillway.migrate.config import Config
from spillway.migrate.new.items import order_item, progress_item
from spillway.migrate.new.state import Entry, index_item, now_ms
from spillway.migrate.new.target import Put, units_of
from spillway.migrate.old.connection import account, connected, quoted, run
from spillway.migrate.old.description import Table
from spillway.migrate.old.keys import NO_NUMBER
from spillway.migrate.old.mapping import (
    Mapped,
    Mapper,
    OldOrder,
    Unmapped,
    line_columns,
    status_words,
)
from spillway.migrate.old.readiness import (
    Finding,
    back_findings,
    blocker,
    findings,
    good,
    warning,
)
from spillway.migrate.old.server import Answers, ask_of, grants_of
from spillway.migrate.old.table import CHUNK_ROWS, OldTable
from spillway.migrate.old.values import utf8_from_latin1
from spillway.migrate.running import Parts
from spillway.plan.price_list import load
from spillway.run.proxy.units import READ_UNIT_BYTES, item_bytes

SAMPLES_MAX = 3
SAMPLE_LENGTH_MAX = 70
#: A shop has few words for a status. More are a column of another kind.
WORDS_MAX = 50
#: Of texts in a Latin-1 column that have more than ASCII: this share is no coincidence.
MOJIBAKE_SHARE = 0.2
ITEM_OVERHEAD_BYTES = 100
#: Measured, for one process on two cores that it shares with the emulator:
#: docs/migration/README.md.
ORDERS_PER_SECOND_MAX = 900


@dataclass(slots=True)
class ReasonCount:
    """`samples`: old keys and details of the first few orders."""

    orders: int = 0
    samples: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Estimate:
    """For what was read, and in the end for the whole table."""

    orders: int = 0
    items: int = 0
    write_units: int = 0
    stored_bytes: int = 0
    seconds: float = 0.0
    extrapolated: bool = False

    def dollars(self) -> dict[str, float]:
        """What the copy, one `verify`, and a month of storage cost."""
        book = load()
        return {
            "copy": book["dynamodb.write_units"].of(self.write_units),
            "verify": book["dynamodb.read_units"].of(self.stored_bytes / READ_UNIT_BYTES),
            "month": book["dynamodb.storage"].of(self.stored_bytes / 1e9),
        }


@dataclass(slots=True)
class Profile:
    server: str
    findings: list[Finding] = field(default_factory=list)
    rows: int = 0
    mapped: int = 0
    unmapped: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, ReasonCount] = field(default_factory=dict)
    estimate: Estimate = field(default_factory=Estimate)

    @property
    def blockers(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "blocker"]

    def reasons_by_count(self) -> list[tuple[str, ReasonCount]]:
        return sorted(self.reasons.items(), key=lambda item: -item[1].orders)


def document(profile: Profile) -> dict[str, Any]:
    """As one JSON object."""
    estimate = profile.estimate
    return {
        "ready": not profile.blockers,
        **asdict(profile),
        "reasons": {rule: asdict(one) for rule, one in profile.reasons_by_count()},
        "estimate": {
            **asdict(estimate),
            "seconds": round(estimate.seconds),
            "dollars": round(estimate.dollars()["copy"], 2),
        },
    }


@dataclass(slots=True)
class Check:
    parts: Parts
    on_progress: Callable[[int, int], None]
    _non_ascii: Counter[str] = field(default_factory=Counter)
    _mojibake: Counter[str] = field(default_factory=Counter)
    _unknown_words: Counter[str] = field(default_factory=Counter)
    _alike_words: Counter[str] = field(default_factory=Counter)
    #: Numbers of orders with an amount that was rounded, some of them, and how many there are.
    _rounded: list[str] = field(default_factory=list)
    _rounded_count: int = 0

    def run(self, rows_max: int | None) -> Profile:
        """`rows_max`: read about so many rows at most."""
        config = self.parts.config
        with self.parts.old_table() as old:
            connection, table = old.connection, old.table
            profile = Profile(f"{config.source.table} on {table.server}")
            # First what ends with a sentence where it is wrong: to read all may take an hour.
            answers = ask_of(old)
            profile.findings += _customers(connection, config, table)
            profile.findings += self._back_findings(answers, table)
            rows_there, rows_in_all = old.counted()
            self._read(profile, old, rows_max or _rows_to_read(answers, config), rows_in_all)
            self._extrapolate(profile, rows_in_all)
            profile.findings += _rows_left(config, rows_there, rows_in_all)
            profile.findings += findings(answers, config, profile.estimate.seconds)
            profile.findings.append(_time_zone(answers, config, table))
            profile.findings += self._text_findings(table)
            profile.findings += self._status_findings()
            profile.findings += self._rounding_findings()
            profile.findings += _data_findings(profile)
        return profile

    def _read(self, profile: Profile, old: OldTable, rows_max: float, rows_in_all: int) -> None:
        charsets = {name: kind.charset for name, kind in old.table.kinds.items()}
        texts = [name for name, charset in charsets.items() if charset]
        exact = self._exact(old)
        for order in _orders(old, lambda: profile.rows < rows_max):
            profile.rows += len(order.lines)
            reading = old.mapper.order(order)
            self._note(profile, reading)
            self._note_texts(order, texts)
            self._note_status(order, reading)
            if exact is not None and isinstance(reading, Mapped):
                self._note_rounding(order, exact)
            self.on_progress(profile.rows, rows_in_all)

    def _note(self, profile: Profile, reading: Mapped | Unmapped) -> None:
        if isinstance(reading, Unmapped):
            profile.unmapped += 1
            first = {reason.rule: reason.detail for reason in reversed(reading.reasons)}
            for rule, detail in first.items():
                count = profile.reasons.setdefault(rule, ReasonCount())
                count.orders += 1
                if len(count.samples) < SAMPLES_MAX:
                    count.samples.append((reading.key or "(none)", detail[:SAMPLE_LENGTH_MAX]))
            return
        outcome = "open" if reading.open else "settled"
        profile.mapped += 1
        profile.outcomes[outcome] = profile.outcomes.get(outcome, 0) + 1
        index = index_item(reading.key, Entry(reading.place))
        puts = [Put("", item) for item in (order_item(reading), progress_item(reading), index)]
        profile.estimate.items += len(puts) + reading.open
        profile.estimate.write_units += sum(map(units_of, puts)) + reading.open
        profile.estimate.stored_bytes += sum(
            item_bytes(put.item) + ITEM_OVERHEAD_BYTES for put in puts
        )

    def _note_texts(self, order: OldOrder, columns: list[str]) -> None:
        """How often a column has more than ASCII, and how often that is UTF-8 as Latin-1."""
        if not columns:
            return
        of_line = dict(zip(line_columns(self.parts.config), order.lines[0], strict=True))
        for name in columns:
            text = order.own[0].get(name, of_line.get(name))
            if text and not text.isascii():
                self._non_ascii[name] += 1
                self._mojibake[name] += utf8_from_latin1(text) != text

    def _note_status(self, order: OldOrder, reading: Mapped | Unmapped) -> None:
        """Words without a meaning, and those that the database alone holds equal to one with it."""
        column, known = self.parts.config.order.status.column, status_words(self.parts.config)
        word = (order.own[0][column] or "").strip() if column and order.key != NO_NUMBER else None
        if word is None or word in known:
            return
        words = self._alike_words
        if isinstance(reading, Unmapped):
            if all(reason.rule != "status_unknown" for reason in reading.reasons):
                return
            words = self._unknown_words
        if word in words or len(words) < WORDS_MAX:
            words[word] += 1

    def _exact(self, old: OldTable) -> Mapper | None:
        """One that rounds nothing, where the configuration lets amounts be rounded."""
        config = self.parts.config
        if config.money.fractions != "round":
            return None
        config = replace(config, money=replace(config.money, fractions="quarantine"))
        return Mapper(config, self.parts.subject, now_ms(), old.table.utc_columns)

    def _note_rounding(self, order: OldOrder, exact: Mapper) -> None:
        if isinstance(exact.read(order), Unmapped):
            self._rounded_count += 1
            if len(self._rounded) < SAMPLES_MAX:
                self._rounded.append(order.key)

    def _rounding_findings(self) -> Iterator[Finding]:
        if self._rounded_count:
            # Each line may be half a minor unit off, and only a total of its own would show it.
            unseen = "" if self.parts.config.order.total else "; no order.total holds them together"
            yield warning(
                "rounding",
                f"an amount of {self._rounded_count:,} orders was rounded, of"
                f" {', '.join(self._rounded)} for example{unseen}",
            )

    def _status_findings(self) -> Iterator[Finding]:
        if self._unknown_words:
            detail = f"without a meaning in [statuses]: {_counted_words(self._unknown_words)}"
            yield warning("statuses", detail)
        if self._alike_words:
            alike = _counted_words(self._alike_words)
            yield good("statuses", f"read as the word that the database holds equal: {alike}")

    def _extrapolate(self, profile: Profile, rows_in_all: int) -> None:
        estimate = profile.estimate
        estimate.extrapolated = 0 < profile.rows < rows_in_all
        factor = rows_in_all / profile.rows if estimate.extrapolated else 1
        estimate.orders = round(profile.mapped * factor)
        estimate.items = round(estimate.items * factor)
        estimate.write_units = round(estimate.write_units * factor)
        estimate.stored_bytes = round(estimate.stored_bytes * factor)
        budget = self.parts.config.target.write_units_per_second_max
        estimate.seconds = max(
            estimate.write_units / budget, estimate.orders / ORDERS_PER_SECOND_MAX
        )

    def _back_findings(self, answers: Answers, table: Table) -> Iterator[Finding]:
        config, back = self.parts.config, self.parts.config.back
        if back is None:
            return
        variable = back.url_variable
        if variable is not None and not self.parts.environment.get(variable):
            yield warning("grants of back", f"{variable} is not set: not looked at")
            return
        try:
            writer = account(config.source, self.parts.environment, variable)
            # Its statements change nothing, but a read-only session refuses them by their kind.
            with connected(writer, write=True) as connection:
                known, grants = grants_of(connection)
                found = list(back_findings(known, grants, answers.schema, config))
                yield from found
                if all(one.level == "good" for one in found):
                    run(connection, "SET SESSION sql_mode = 'STRICT_ALL_TABLES'")
                    for problem in hindrances(connection, config, back, table):
                        yield warning("way back", f"`back` could not begin: {problem}")
        except SpillwayError as error:
            yield warning("grants of back", str(error))

    def _text_findings(self, table: Table) -> Iterator[Finding]:
        named = self.parts.config.texts.utf8_in_latin1
        for name, count in self._mojibake.items():
            if name not in named and count > self._non_ascii[name] * MOJIBAKE_SHARE:
                yield warning(
                    "character sets",
                    f"{name} has UTF-8 that was stored as Latin-1 in {count:,} of its"
                    f" {self._non_ascii[name]:,} texts beyond ASCII: texts.utf8_in_latin1 mends it",
                )
        sets = sorted({kind.charset for kind in table.kinds.values() if kind.charset})
        yield good("character sets", f"{', '.join(sets)}, read as utf8mb4")


def _counted_words(words: Counter[str]) -> str:
    return ", ".join(
        f"{word or 'NULL or empty'!r} ({count:,})" for word, count in words.most_common()
    )


def _orders(old: OldTable, wanted: Callable[[], bool]) -> Iterator[OldOrder]:
    # Closed where it is left early: the connection has the rest of an answer.
    with closing(old.after(None)) as orders:
        yield from takewhile(lambda _: wanted(), orders)
    yield from old.without_number()


def _rows_to_read(answers: Answers, config: Config) -> float:
    """All. Without an index each chunk is a look at the whole table: then one is enough."""
    blocked = (one.subject for one in findings(answers, config) if one.level == "blocker")
    return CHUNK_ROWS if "index" in blocked else inf


def _data_findings(profile: Profile) -> Iterator[Finding]:
    if not profile.mapped:
        yield blocker("mapping", "no order maps: fix the configuration")
    elif profile.unmapped > profile.mapped:
        yield warning("mapping", "more than half go to quarantine")


def _rows_left(config: Config, there: int, wanted: int) -> Iterator[Finding]:
    if config.source.where is None:
        return
    left = f"{wanted:,} of {there:,} rows are of orders, {there - wanted:,} stay behind"
    yield (good if wanted else blocker)("source.where", left)


def _time_zone(answers: Answers, config: Config, table: Table) -> Finding:
    server = answers.server
    zone = server("time_zone")
    server_zone = server("system_time_zone") if zone == "SYSTEM" else zone
    return good(
        "time zone",
        f"DATETIME columns are read as {config.source.time_zone} (the server: {server_zone});"
        f" TIMESTAMP columns: {', '.join(sorted(table.utc_columns)) or 'none'}",
    )


def _customers(connection: Connection[Any], config: Config, table: Table) -> Iterator[Finding]:
    """One customer must not become two: by two subjects in another table, or by two spellings."""
    customers = config.customers
    if customers.table is None or customers.key is None or customers.subject is None:
        column, source = quoted(customers.column), config.source
        if table.kinds[customers.column].collation is None:
            return
        spelling = f"BINARY CONVERT({column} USING utf8mb4)"
        spelled = run(
            connection,
            f"SELECT CONVERT(MIN({spelling}) USING utf8mb4), CONVERT(MAX({spelling}) USING utf8mb4)"  # noqa: S608 -- names, quoted
            f" FROM {quoted(source.table)} o WHERE {source.condition} GROUP BY {column}"
            f" HAVING COUNT(DISTINCT BINARY TRIM({column})) > 1 LIMIT {SAMPLES_MAX}",
        )
        if spelled:
            named = ", ".join(f"{one!r} and {two!r}" for one, two in spelled)
            yield warning(
                "customers",
                f"one to the database and two customers here: {named}; spell each in one way",
            )
        return
    key, subject, people = map(quoted, (customers.key, customers.subject, customers.table))
    found = run(
        connection,
        f"SELECT {key} FROM {people} WHERE {key} IS NOT NULL GROUP BY {key}"  # noqa: S608 -- names, quoted
        f" HAVING COUNT(DISTINCT BINARY {subject}) > 1 LIMIT {SAMPLES_MAX}",
    )
    if found:
        named = ", ".join(repr(row[0]) for row in found)
        yield blocker(
            "customers",
            f"{customers.table} has more than one {customers.subject} for {named}: keep the right"
            " one, or name a view that has one row a customer",
        )
