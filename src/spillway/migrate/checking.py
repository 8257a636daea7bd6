"""check: ask the old server, read the old table once, and say what would happen. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pymysql.connections import Connection

from spillway.migrate.connection import connected, run
from spillway.migrate.items import order_item, progress_item
from spillway.migrate.mapping import Mapped, Unmapped, line_columns
from spillway.migrate.source import Reader, Table, describe
from spillway.migrate.state import Entry, index_item
from spillway.migrate.target import Put, size_of, units_of
from spillway.migrate.values import utf8_from_latin1
from spillway.plan.prices import Book, load
from spillway.ui.formatting import age

if TYPE_CHECKING:
    from spillway.migrate.config import Config
    from spillway.migrate.running import Parts

SAMPLES_MAX = 3
SAMPLE_LENGTH_MAX = 70
#: Of texts in Latin-1 columns that hold something beyond ASCII: this share is no coincidence.
MOJIBAKE_SHARE = 0.2
#: What a read unit covers.
READ_UNIT_BYTES = 4_096
#: The binary log must reach back over the copy with room to spare.
RETENTION_FACTOR = 3
#: What one process manages on two cores that it shares with the emulator, measured:
#: docs/migration/README.md.
ORDERS_PER_SECOND_MAX = 900

Level = Literal["good", "warning", "blocker"]


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    subject: str
    detail: str


@dataclass(slots=True)
class ReasonCount:
    """`samples`: old keys and details of the first few orders."""

    orders: int = 0
    samples: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Estimate:
    """For the whole table, from what was read of it."""

    orders: int = 0
    items: int = 0
    write_units: int = 0
    stored_bytes: int = 0
    seconds: float = 0.0
    extrapolated: bool = False
    book: Book = field(default_factory=load)

    @property
    def write_dollars(self) -> float:
        return self.book["dynamodb.write_units"].of(self.write_units)

    @property
    def verify_dollars(self) -> float:
        return self.book["dynamodb.read_units"].of(self.stored_bytes / READ_UNIT_BYTES)

    @property
    def month_dollars(self) -> float:
        return self.book["dynamodb.storage"].of(self.stored_bytes / 1e9)

    def rows(self) -> Iterator[tuple[str, str, str]]:
        yield f"{self.items:,}", "items", "order, progress and index of each order"
        yield f"{self.write_units:,}", "write units", f"${self.write_dollars:,.2f} to copy"
        yield age(self.seconds), "to copy", "within the budget of the configuration"
        size = f"{self.stored_bytes / 1e6:,.1f} MB"
        yield (
            size,
            "stored",
            f"${self.month_dollars:,.2f} a month, ${self.verify_dollars:,.2f} a verify",
        )
        yield "", "", f"list prices of {self.book.region}, {self.book['dynamodb.write_units'].date}"


@dataclass(slots=True)
class Profile:
    server: str
    findings: list[Finding] = field(default_factory=list)
    rows: int = 0
    mapped: int = 0
    unmapped: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
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
        "server": profile.server,
        "findings": [
            {"level": one.level, "subject": one.subject, "detail": one.detail}
            for one in profile.findings
        ],
        "rows": profile.rows,
        "mapped": profile.mapped,
        "unmapped": profile.unmapped,
        "outcomes": dict(profile.outcomes),
        "reasons": {
            rule: {"orders": one.orders, "samples": one.samples}
            for rule, one in profile.reasons_by_count()
        },
        "estimate": {
            "orders": estimate.orders,
            "items": estimate.items,
            "write_units": estimate.write_units,
            "stored_bytes": estimate.stored_bytes,
            "seconds": round(estimate.seconds),
            "dollars": round(estimate.write_dollars, 2),
            "extrapolated": estimate.extrapolated,
        },
    }


@dataclass(slots=True)
class Check:
    parts: Parts
    on_progress: Callable[[int, int], None]
    _non_ascii: Counter[str] = field(default_factory=Counter)
    _mojibake: Counter[str] = field(default_factory=Counter)

    def run(self, rows_max: int | None) -> Profile:
        """`rows_max`: read no more than about so many rows."""
        config = self.parts.config
        with connected(self.parts.account) as connection:
            table = describe(connection, config)
            profile = Profile(f"{config.source.table} on {table.server}")
            reader = Reader(connection, config, table)
            rows_in_all = int(
                run(connection, f"SELECT COUNT(*) FROM `{config.source.table}`")[0][0] or 0  # noqa: S608
            )
            self._read(profile, reader, rows_max or rows_in_all, rows_in_all)
            self._extrapolate(profile, rows_in_all)
            profile.findings += server_findings(connection, config, table, profile.estimate.seconds)
            profile.findings += self._text_findings(table)
            profile.findings += _data_findings(profile)
        return profile

    def _read(self, profile: Profile, reader: Reader, rows_max: int, rows_in_all: int) -> None:
        mapper = self.parts.mapper_for(reader.table.utc_columns)
        latin1 = [name for name, charset in reader.table.charsets.items() if charset == "latin1"]
        of_lines = line_columns(self.parts.config)
        last: str | None = None
        while profile.rows < rows_max:
            rows_before = profile.rows
            for order in reader.after(last):
                last = order.last
                profile.rows += len(order.lines)
                self._note(profile, mapper.order(order))
                if latin1:
                    texts = {**dict(zip(of_lines, order.lines[0], strict=True)), **order.own[0]}
                    for name in latin1:
                        self._note_text(name, texts.get(name))
            self.on_progress(profile.rows, rows_in_all)
            if profile.rows == rows_before:
                break
        keyless = reader.without_key()
        if keyless is not None:
            profile.rows += len(keyless.lines)
            self._note(profile, mapper.order(keyless))

    def _note(self, profile: Profile, reading: Mapped | Unmapped) -> None:
        if isinstance(reading, Unmapped):
            profile.unmapped += 1
            for rule in dict.fromkeys(reason.rule for reason in reading.reasons):
                count = profile.reasons.setdefault(rule, ReasonCount())
                count.orders += 1
                if len(count.samples) < SAMPLES_MAX:
                    detail = next(one.detail for one in reading.reasons if one.rule == rule)
                    count.samples.append((reading.key or "(none)", detail[:SAMPLE_LENGTH_MAX]))
            return
        profile.mapped += 1
        profile.outcomes["open" if reading.open else "settled"] += 1
        puts = [
            Put("", order_item(reading)),
            Put("", progress_item(reading)),
            Put("", index_item(reading.key, Entry(reading.place))),
        ]
        profile.estimate.items += len(puts) + reading.open
        profile.estimate.write_units += sum(map(units_of, puts)) + reading.open
        profile.estimate.stored_bytes += sum(size_of(put.item) + 100 for put in puts)

    def _note_text(self, name: str, text: str | None) -> None:
        if text and not text.isascii():
            self._non_ascii[name] += 1
            self._mojibake[name] += utf8_from_latin1(text) != text

    def _extrapolate(self, profile: Profile, rows_in_all: int) -> None:
        estimate = profile.estimate
        if profile.rows < rows_in_all and profile.rows:
            factor = rows_in_all / profile.rows
            estimate.extrapolated = True
            estimate.items = round(estimate.items * factor)
            estimate.write_units = round(estimate.write_units * factor)
            estimate.stored_bytes = round(estimate.stored_bytes * factor)
            estimate.orders = round(profile.mapped * factor)
        else:
            estimate.orders = profile.mapped
        budget = self.parts.config.target.write_units_per_second_max
        estimate.seconds = max(
            estimate.write_units / budget, estimate.orders / ORDERS_PER_SECOND_MAX
        )

    def _text_findings(self, table: Table) -> Iterator[Finding]:
        named = set(self.parts.config.texts.utf8_in_latin1)
        for name, count in self._mojibake.items():
            if name not in named and count > self._non_ascii[name] * MOJIBAKE_SHARE:
                yield Finding(
                    "warning",
                    "character sets",
                    f"{name} is latin1 and holds UTF-8 in {count:,} of {self._non_ascii[name]:,}"
                    " texts beyond ASCII: add it to texts.utf8_in_latin1",
                )
        sets = sorted({charset for charset in table.charsets.values() if charset})
        yield Finding("good", "character sets", f"{', '.join(sets)}, read as utf8mb4")


def _data_findings(profile: Profile) -> Iterator[Finding]:
    if not profile.mapped:
        yield Finding("blocker", "mapping", "no order maps: fix the configuration")
    elif profile.unmapped > profile.mapped:
        yield Finding("warning", "mapping", "more than half go to quarantine")


def server_findings(
    connection: Connection[Any], config: Config, table: Table, copy_seconds: float
) -> Iterator[Finding]:
    """What the server's own settings mean for the move."""
    names = (
        "log_bin",
        "binlog_format",
        "binlog_row_image",
        "binlog_row_metadata",
        "expire_logs_days",
        "binlog_expire_logs_seconds",
        "system_time_zone",
        "time_zone",
    )
    listed = ", ".join(f"'{name}'" for name in names)
    variables = {
        str(name).lower(): str(value)
        for name, value in run(
            connection,
            f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})",
        )
    }
    yield from _binlog_findings(variables)
    yield _retention(variables, copy_seconds)
    yield from _grants(connection, table)
    yield from _index(connection, config)
    yield from _foreign_keys(connection, config)
    zone = variables.get("time_zone", "")
    server_zone = variables.get("system_time_zone", "") if zone == "SYSTEM" else zone
    yield Finding(
        "good",
        "time zone",
        f"DATETIME columns are read as {config.source.time_zone} (the server: {server_zone});"
        f" TIMESTAMP columns: {', '.join(sorted(table.utc_columns)) or 'none'}",
    )


def _binlog_findings(variables: dict[str, str]) -> Iterator[Finding]:
    wanted = (
        ("log_bin", ("ON",), "restart the server with log_bin"),
        ("binlog_format", ("ROW",), "SET GLOBAL binlog_format = 'ROW', and reconnect the shop"),
        ("binlog_row_image", ("FULL", "NOBLOB"), "SET GLOBAL binlog_row_image = 'FULL'"),
        ("binlog_row_metadata", ("FULL",), "SET GLOBAL binlog_row_metadata = 'FULL'"),
    )
    wrong = [
        Finding(
            "blocker", "binary log", f"{name} is {variables.get(name) or 'unknown here'}: {remedy}"
        )
        for name, good, remedy in wanted
        if variables.get(name, "").upper() not in good
    ]
    yield from wrong or [Finding("good", "binary log", "ROW, with column names and whole rows")]


def _retention(variables: dict[str, str], copy_seconds: float) -> Finding:
    days = float(variables.get("expire_logs_days", "0") or 0)
    seconds = float(variables.get("binlog_expire_logs_seconds", "0") or 0) or days * 86_400
    if not seconds:
        return Finding("good", "binary log kept", "until it is purged by hand")
    kept = age(seconds)
    if seconds < copy_seconds * RETENTION_FACTOR:
        return Finding(
            "blocker",
            "binary log kept",
            f"{kept}, and the copy takes {age(copy_seconds)}: keep it"
            f" {RETENTION_FACTOR} times as long",
        )
    return Finding("good", "binary log kept", f"{kept}: `follow` must never stand still longer")


def _grants(connection: Connection[Any], table: Table) -> Iterator[Finding]:
    granted = " ".join(str(row[0]).upper() for row in run(connection, "SHOW GRANTS"))
    everything = "ALL PRIVILEGES ON *.*" in granted
    replica = everything or "REPLICATION SLAVE" in granted or "REPLICATION REPLICA" in granted
    status = everything or any(
        name in granted for name in ("REPLICATION CLIENT", "BINLOG MONITOR", "SUPER")
    )
    lock = everything or table.is_mariadb or "RELOAD" in granted or "FLUSH_TABLES" in granted
    lacking = [
        name
        for name, there in (
            ("REPLICATION SLAVE", replica),
            ("REPLICATION CLIENT", status),
            ("RELOAD", lock),
        )
        if not there
    ]
    if lacking:
        yield Finding("blocker", "grants", f"lacks {', '.join(lacking)} ON *.*")
        return
    spare = "; it may also write, which this tool never does" if _may_write(granted) else ""
    yield Finding("good", "grants", f"enough to read and to follow{spare}")


def _may_write(grants: str) -> bool:
    return any(word in grants for word in ("ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE"))


def _index(connection: Connection[Any], config: Config) -> Iterator[Finding]:
    found = run(
        connection,
        "SELECT index_name FROM information_schema.statistics WHERE table_schema = DATABASE()"
        " AND table_name = %s AND column_name = %s AND seq_in_index = 1",
        (config.source.table, config.order.key),
    )
    if found:
        yield Finding("good", "index", f"{config.order.key} has one")
    else:
        yield Finding(
            "blocker",
            "index",
            f"{config.order.key} has none: each chunk would read the whole table. CREATE INDEX"
            f" ... ON {config.source.table} ({config.order.key})",
        )


def _foreign_keys(connection: Connection[Any], config: Config) -> Iterator[Finding]:
    """A cascade changes rows inside the storage engine: the binary log does not report them."""
    found = run(
        connection,
        "SELECT constraint_name, delete_rule, update_rule"
        " FROM information_schema.referential_constraints"
        " WHERE constraint_schema = DATABASE() AND table_name = %s",
        (config.source.table,),
    )
    for name, on_delete, on_update in found:
        acts = [
            f"ON {event} {rule}"
            for event, rule in (("DELETE", on_delete), ("UPDATE", on_update))
            if rule not in ("RESTRICT", "NO ACTION")
        ]
        if acts:
            yield Finding(
                "warning",
                "foreign key",
                f"{name} ({', '.join(acts)}) changes rows that the binary log does not report:"
                " run `copy --again` after such a change",
            )
