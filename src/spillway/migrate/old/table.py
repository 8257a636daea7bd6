"""Reads the old table: by chunks of a snapshot, or by single keys as they are now.

Every reader asks for the same columns and yields whole orders: all rows under one key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import pymysql
from pymysql.connections import Connection

from spillway.errors import SpillwayError
from spillway.migrate.config import Config, Customers
from spillway.migrate.old import expressions, mapping
from spillway.migrate.old.connection import AWAY, LOCKED, code_of, quoted, run
from spillway.migrate.old.description import Described, describe, kinds_of
from spillway.migrate.old.keys import NO_NUMBER, Encoded, Logged, name
from spillway.migrate.old.mapping import (
    Gone,
    Mapper,
    OldLine,
    OldOrder,
    Reading,
    Spellings,
    Subjects,
)
from spillway.migrate.old.payloads import PayloadCursor, Texts, TwoTexts, halves
from spillway.migrate.old.position import NO_LOG, Position, position_now

#: Rows a query; they are streamed, never held together.
CHUNK_ROWS = 2_000
#: Keys a query, and so the rows that one locking read may hold for its instant.
KEYS_MAX = 100
#: Where the first event of a file of the binary log is, behind the four bytes of its kind.
LOG_BEGINS_AT = 4
#: How long the copy waits for transactions in two phases.
PREPARED_SECONDS_MAX = 60.0
PREPARED_PAUSE_SECONDS = 0.2
#: The pause before another try to read a row that a transaction has locked.
LOCK_PAUSE_SECONDS = 0.02
LOCK_WAIT_SECONDS_MAX = 300.0
#: Orders may be five minutes ahead of their reader's clock.
MAPPER_SECONDS_MAX = 60
#: Beside a row's columns: equal for rows whose order numbers the database holds to be equal.
SAMENESS = "spillway_sameness"
#: And where in the index it is.
PLACE = "spillway_place"


def _columns_of_the_order(config: Config) -> list[str]:
    """Those with mostly the same value on all lines of an order; the key comes first."""
    fields = config.order
    names = (fields.key, *mapping.own_columns(config), fields.created_at, fields.settled_at)
    return list(dict.fromkeys(name for name in names if name is not None))


def _of_the_customer(
    connection: Connection[Any], customers: Customers, kind: Described
) -> Iterator[tuple[str, str]]:
    """What another table says of an order's customer: a subject, and how many different ones."""
    if customers.table and customers.key and customers.subject:
        there = kinds_of(connection, customers.table)
        lacking = [name for name in (customers.key, customers.subject) if name not in there]
        if lacking:
            raise SpillwayError(
                f"The old database shows no column {', '.join(lacking)} of {customers.table}: fix"
                " [customers] or grant SELECT on it."
            )
        subject = f"c.{quoted(customers.subject)}"
        own, key = f"o.{quoted(customers.column)}", f"c.{quoted(customers.key)}"
        same = " AND ".join(expressions.same_customer(own, kind, key, there[customers.key]))
        rows = f"FROM {quoted(customers.table)} c WHERE {same}"
        yield mapping.SUBJECT_COLUMN, f"(SELECT MIN({subject}) {rows})"
        yield mapping.SUBJECTS_COLUMN, f"(SELECT COUNT(DISTINCT BINARY {subject}) {rows})"


def _of_the_status(
    connection: Connection[Any], config: Config, kinds: Mapping[str, Described]
) -> Iterator[tuple[str, str]]:
    """Which of the configuration's words the database holds equal to an order's status."""
    column = config.order.status.column
    if column is None or kinds[column].collation is None:
        return
    words = mapping.status_words(config)
    same = expressions.held_equal(connection, f"o.{quoted(column)}", kinds[column], words)
    yield mapping.STATUS_COLUMN, same


class OldTable:
    """Reads and maps orders through one connection, by the table's columns as they are now."""

    def __init__(
        self,
        connection: Connection[Any],
        config: Config,
        subjects: Subjects,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.connection, self.config = connection, config
        self.table = table = describe(connection, config)
        self._subjects, self._now = subjects, now
        self._mapper = self._mapper_of_now()
        self._own = _columns_of_the_order(config)
        self._of_lines = mapping.line_columns(config)
        self._key = f"o.{quoted(config.order.key)}"
        wanted = [
            expressions.every_digit(f"o.{quoted(column)}", table.kinds[column])
            for column in (*self._own, *self._of_lines)
        ]
        wanted[0] = table.key.shown(self._key)
        sameness = table.key.sameness(self._key)
        if sameness is not None:
            wanted.insert(len(self._own), sameness)
            self._own.append(SAMENESS)
        self._same = itemgetter(0 if sameness is None else len(self._own) - 1)
        exactness, place = table.key.exactness(self._key), table.key.place(self._key)
        if exactness is not None and place is not None:
            wanted[len(self._own) : len(self._own)] = [exactness, place]
            self._own += [mapping.EXACTNESS_COLUMN, PLACE]
        self._place = itemgetter(0 if place is None else len(self._own) - 1)
        self._by_place = place is not None
        # Not by a join: two rows of one customer would double the order's lines.
        customer = table.kinds[config.customers.column]
        for column, expression in (
            *_of_the_customer(connection, config.customers, customer),
            *_of_the_status(connection, config, table.kinds),
        ):
            wanted.insert(len(self._own), expression)
            self._own.append(column)
        self._rows_of = f"FROM {quoted(config.source.table)} o WHERE {config.source.condition}"
        self._select = f"SELECT {', '.join(wanted)} {self._rows_of}"
        self._lacking = table.key.is_lacking(self._key)
        # First the key, then the primary key, so that lines keep their order; see `_order`.
        columns = dict.fromkeys((config.order.key, *table.primary))
        self._by_key = "ORDER BY " + ", ".join(f"o.{quoted(column)}" for column in columns)

    def counted(self) -> tuple[int, int]:
        """How many rows there are, and how many of them are of orders."""
        wanted = f"COALESCE(SUM({self.config.source.condition} AND NOT {self._lacking}), 0)"
        statement = f"SELECT COUNT(*), {wanted} FROM {quoted(self.config.source.table)} o"  # noqa: S608 -- names, quoted
        there, of_orders = run(self.connection, statement)[0]
        return int(there or 0), int(of_orders or 0)

    @property
    def mapper(self) -> Mapper:
        """It takes no order of the future for true, and `follow` reads for weeks."""
        if self._now() - self._made_at > MAPPER_SECONDS_MAX:
            self._mapper = self._mapper_of_now()
        return self._mapper

    def _mapper_of_now(self) -> Mapper:
        self._made_at = self._now()
        now_ms = int(self._made_at * 1000)
        return Mapper(self.config, self._subjects, now_ms, self.table.utc_columns)

    def one_order(self) -> str | None:
        """The statement that reads one order, some that is there; None where there is none."""
        number = self._number_of_row(0, None)
        return f"{self._select} AND {self._key} = {self._literal(number)}" if number else None

    def after(self, last: str | None) -> Generator[OldOrder]:
        """Every order behind this key, read chunk by chunk. Rows without a number are none."""
        while True:
            bound = self._number_of_row(CHUNK_ROWS - 1, last)
            until = "" if bound is None else f" AND {self._key} <= {self._literal(bound)}"
            yield from self._read(
                f"{self._select} AND {self._behind(self._key, last)}{until} AND NOT {self._lacking}"
                f" {self._by_key}"
            )
            if bound is None:
                return
            last = bound

    def _number_of_row(self, place: int, last: str | None) -> str | None:
        """The number of the row at this place, counted from 0, behind `last`; None behind the end.

        All rows of the table count, or of the first one behind a view, also those that are no
        orders: a chunk is bounded by what the server has to look at, and not by what it finds. A
        number's rows are never cut in two.
        """
        table, key = next(iter(self.table.followed.items()))
        number = f"o.{quoted(key.column)}"
        found = run(
            self.connection,
            f"SELECT {key.place(number) or key.shown(number)} FROM {quoted(table)} o"  # noqa: S608 -- names, quoted
            f" WHERE {self._behind(number, last)} ORDER BY {number} LIMIT {place}, 1",
        )
        return found[0][0] if found else None

    def _behind(self, number: str, last: str | None) -> str:
        return f"{number} {'IS NOT NULL' if last is None else f'> {self._literal(last)}'}"

    def _literal(self, last: str) -> str:
        # A copy that an older version began noted the number itself.
        if self._by_place and last.startswith("0x"):
            return self.table.key.literal(last)
        if not self.table.key.may_be(last):
            raise SpillwayError(
                f"The copy has come to {last}, which {self.table.key.column} cannot be any more."
                " Its type was changed. Begin with an empty orders table, and without that state."
            )
        return str(self.connection.escape(self.table.key.value(last)))

    def of(self, numbers: Sequence[str], *, settled: bool = False) -> Iterator[OldOrder]:
        """The orders that exist now under these numbers, and under whatever the database holds to
        be the same number.

        `settled`: only what is committed and visible to all, see `_with_locks_passed`.
        """
        possible = self._possible(numbers)
        at_once = KEYS_MAX if self.table.has_nowait or not settled else 1
        for start in range(0, len(possible), at_once):
            some = map(self.table.key.value, possible[start : start + at_once])
            asked = ", ".join(map(self.connection.escape, some))
            statement = f"{self._select} AND {self._key} IN ({asked}) {self._by_key}"
            yield from self._read(statement, settled=settled)

    def _possible(self, numbers: Sequence[str]) -> list[str]:
        """Without those that the column cannot have: the log and the index may tell numbers of
        before it was changed, and the server refuses to look for them."""
        key = self.table.key
        possible = [one for one in numbers if key.may_be(one)]
        asked = [one for one in possible if not key.has_characters_of(one)]
        if asked:
            shown = (
                f"CONVERT(CONVERT({self.connection.escape(one)} USING {key.charset}) USING utf8mb4)"
                for one in asked
            )
            found = run(self.connection, f"SELECT {', '.join(shown)}")[0]
            lost = {one for one, back in zip(asked, found, strict=True) if one != back}
            possible = [one for one in possible if one not in lost]
        return possible

    def readings(self, names: Iterable[str], *, settled: bool = False) -> Iterator[list[Reading]]:
        """What the table says now of the orders of these names, some at a time.

        An order is `Gone` where nothing has its exact name any more. An order that is spelled in
        another way, and the same to the database, is read too: what changes under one of two
        spellings changes what the other is.
        """
        wanted = list(dict.fromkeys(names))
        for start in range(0, len(wanted), KEYS_MAX):
            some = wanted[start : start + KEYS_MAX]
            numbers = [one for one in some if one != NO_NUMBER]
            orders = list(self.of(numbers, settled=settled)) if numbers else []
            if NO_NUMBER in some:
                orders += self.without_number(settled=settled)
            keys = {order.key for order in orders}
            orders += self._shown_as([one for one in numbers if one not in keys])
            found: dict[str, Reading] = {order.key: self.mapper.order(order) for order in orders}
            yield [*found.values(), *(Gone(one) for one in some if one not in found)]

    def _shown_as(self, names: Sequence[str]) -> Iterator[OldOrder]:
        """Rows that are shown by these names, and not found by them: they can only be quarantined.
        It reads every number, for names that hardly any shop has."""
        shown = [self.connection.escape(one) for one in names if self.table.key.may_show(one)]
        if shown:
            number = f"BINARY CONVERT({self._key} USING utf8mb4)"
            wanted = ", ".join(f"BINARY {one}" for one in shown)
            yield from self._read(f"{self._select} AND {number} IN ({wanted}) {self._by_key}")

    def without_number(self, *, settled: bool = False) -> Iterator[OldOrder]:
        """A row without an order number, where there is one: they can only be quarantined, and one
        stands for all."""
        yield from self._read(f"{self._select} AND {self._lacking} LIMIT 1", settled=settled)

    def names(self, logged: Iterable[Logged]) -> list[str]:
        """The names of the orders that the log reports; the server reads its character sets."""
        wanted = list(logged)
        unread = [one for one in wanted if isinstance(one, Encoded)]
        read: dict[Logged, str] = {}
        for start in range(0, len(unread), KEYS_MAX):
            some = unread[start : start + KEYS_MAX]
            texts = (f"CONVERT({one.literal} USING utf8mb4)" for one in some)
            found = run(self.connection, f"SELECT {', '.join(texts)}")[0]
            read |= zip(some, map(name, found), strict=True)
        return [read[one] if isinstance(one, Encoded) else one for one in wanted]

    @contextmanager
    def snapshot(self, patience: float = PREPARED_SECONDS_MAX) -> Iterator[Position]:
        """A consistent view of the whole database, and a position in the binary log before it, from
        which it lacks nothing.

        The end of the log a moment earlier is no such position: a transaction is in the log before
        others see it, so the snapshot may lack one that the log has behind it. MariaDB reports what
        place a snapshot is of; that of an earlier snapshot is safe. And MySQL begins a new file of
        its log only when all transactions of the former ones are visible: a new one is begun, and
        its start is the position. Nothing is locked.

        A transaction that is prepared (XA) is in the log, and nothing tells its rows again when it
        is committed: those that were prepared before the position must have ended.
        """
        run(self.connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        begun = self._log_place()
        _await_prepared(self.connection, patience)
        run(self.connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        try:
            yield begun
        finally:
            if self.connection.open:
                self.connection.rollback()

    def _log_place(self) -> Position:
        """All transactions before it are visible."""
        if not self.table.is_mariadb:
            run(self.connection, "FLUSH BINARY LOGS")
            return Position(position_now(self.connection).file, LOG_BEGINS_AT)
        run(self.connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        status = run(self.connection, "SHOW STATUS LIKE 'binlog_snapshot_%'")
        self.connection.rollback()
        found = {str(name): value for name, value in status}
        file, offset = found.get("Binlog_snapshot_file"), found.get("Binlog_snapshot_position")
        if not file:
            raise SpillwayError(NO_LOG)
        return Position(file, int(offset or 0))

    def _with_locks_passed(self, statement: str) -> Iterator[TwoTexts]:
        """Read rows that the binary log has just reported.

        The server writes the log before others see the transaction, so a plain read may still get
        the old row, and nothing would ever report the new one again. The transaction locks its rows
        until others see it: a locking read cannot overtake it. The read does not wait for the lock
        (NOWAIT), so it can never be part of a deadlock with the shop; it tries again.

        MySQL before 8.0 knows no NOWAIT: there it waits for a second at most, and `of` reads one
        order at a time, so that it holds nothing else meanwhile. A transaction that writes two rows
        of that one order in another sequence can deadlock with it. InnoDB then ends the one that
        has changed less, which is the reading.
        """
        locking = f"{statement} {self.table.share_lock}"
        if not self.table.has_nowait:
            run(self.connection, "SET SESSION innodb_lock_wait_timeout = 1")
        deadline = time.monotonic() + LOCK_WAIT_SECONDS_MAX
        while True:
            try:
                return iter(list(self._rows(locking)))
            except pymysql.err.MySQLError as error:
                if code_of(error) not in LOCKED or time.monotonic() > deadline:
                    raise
            time.sleep(LOCK_PAUSE_SECONDS)

    def _read(self, statement: str, *, settled: bool = False) -> Iterator[OldOrder]:
        read = self._with_locks_passed if settled else self._rows
        yield from chain.from_iterable(self._numbers(read(statement)))

    def _rows(self, statement: str) -> Iterator[TwoTexts]:
        with self.connection.cursor(PayloadCursor) as cursor:
            # Without values nothing is formatted: a % in a name or a condition stays one.
            cursor.execute(statement)
            payloads: Iterator[Any] = iter(cursor.read_next, None)
            yield from halves(payloads, len(self._own), len(self._of_lines))

    def _numbers(self, rows: Iterator[TwoTexts]) -> Iterator[list[OldOrder]]:
        """The orders under each number: one, or one for each of its spellings."""
        alike = ((own, [line for _, line in same]) for own, same in groupby(rows, itemgetter(0)))
        for _, some in groupby(alike, lambda of_one: self._same(of_one[0])):
            rows_of_number = list(some)
            spellings = dict.fromkeys(own[0] for own, _ in rows_of_number)
            yield [
                self._order(
                    [row for row in rows_of_number if row[0][0] == spelling], tuple(spellings)
                )
                for spelling in spellings
            ]

    def _order(self, rows: Sequence[tuple[Texts, list[OldLine]]], same: Spellings) -> OldOrder:
        number = rows[0][0][0]
        own = [dict(zip(self._own, values, strict=True)) for values, _ in rows]
        lines = [line for _, of_one in rows for line in of_one]
        if not self.table.primary:
            # The server may give them in another order each time.
            lines.sort(key=_sortable)
        return OldOrder(name(number), self._place(rows[0][0]), own, lines, same)


def _sortable(line: OldLine) -> tuple[str, ...]:
    return tuple(text or "" for text in line)


def _await_prepared(connection: Connection[Any], patience: float) -> None:
    """Wait until every transaction that is prepared now has ended, where the account sees them."""
    deadline = time.monotonic() + patience
    waited_for = _prepared(connection)
    while waited_for & _prepared(connection):
        if time.monotonic() > deadline:
            raise SpillwayError(
                f"{len(waited_for)} transactions of the old database are prepared and wait for"
                " their end (XA RECOVER lists them): the copy would miss their rows. XA COMMIT or"
                " XA ROLLBACK them, and run this again."
            )
        time.sleep(PREPARED_PAUSE_SECONDS)


def _prepared(connection: Connection[Any]) -> set[tuple[str | None, ...]]:
    try:
        return set(run(connection, "XA RECOVER"))
    except pymysql.err.MySQLError as error:
        if code_of(error) in AWAY:
            raise
        return set()
