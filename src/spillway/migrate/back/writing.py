"""Writes one order into the old table, reads it as the copy would, and only then commits."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pymysql
from pymysql.connections import Connection

from orders.aws import items
from orders.aws.items import IMPORTED, Item
from orders.domain.order import AcceptedOrder, OrderKey
from orders.domain.saga import Facts
from orders.domain.status import status
from spillway.errors import SpillwayError
from spillway.migrate.back.beforehand import READ_ONLY, why_refused
from spillway.migrate.back.faithful import fields_of, lost
from spillway.migrate.back.inverse import Inverse, Unwritable, Values
from spillway.migrate.new.items import touched
from spillway.migrate.old.connection import (
    ACCESS_DENIED,
    AWAY,
    LOCKED,
    NO_SUCH,
    code_of,
    quoted,
    run,
)
from spillway.migrate.old.mapping import Reason, Said, Unmapped
from spillway.migrate.old.table import OldTable

#: Errors that say nothing of the order, but of the server: disk and memory are full, and so on.
OF_THE_SERVER = ACCESS_DENIED | NO_SUCH | AWAY | READ_ONLY | {1021, 1030, 1037, 1038, 1041, 1114}
#: The warning of a ROLLBACK that left something: ER_WARNING_NOT_COMPLETE_ROLLBACK.
NOT_UNDONE = "1196"
LOCKED_TRIES_MAX = 10
LOCKED_PAUSE_SECONDS = 0.2
REASON_MAX = 250

_MINE = "WHERE customer = %s AND order_id = %s"

#: A key of MySQL before 5.7 has 767 bytes of a column, which are 191 characters.
ORDERS = """CREATE TABLE IF NOT EXISTS spillway_back (
    seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE,
    customer VARCHAR(256) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    order_id CHAR(36) CHARACTER SET ascii NOT NULL,
    old_key VARCHAR(64) NULL,
    reason VARCHAR(250) CHARACTER SET utf8mb4 NULL,
    PRIMARY KEY (order_id, customer(191))
) ENGINE = InnoDB"""
SHARDS = """CREATE TABLE IF NOT EXISTS spillway_back_shards (
    shard VARCHAR(128) CHARACTER SET ascii PRIMARY KEY,
    place VARCHAR(64) CHARACTER SET ascii NOT NULL
) ENGINE = InnoDB"""


@dataclass(frozen=True, slots=True)
class Done:
    """`wrote`: something had to be written, and was. `waited`: it was refused before. `is_news`: it
    was not, or for another reason."""

    reason: Reason | None = None
    wrote: bool = False
    waited: bool = False
    is_news: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """What `spillway_back` has of an order."""

    seq: int
    old_key: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Session:
    connection: Connection[Any]
    inverse: Inverse
    old: OldTable
    #: By shard its place, and what else is noted there.
    noted: dict[str, str] = field(default_factory=dict)

    def write(self, order: Item, progress: Item | None) -> Done:
        for attempt in range(1, LOCKED_TRIES_MAX + 1):
            try:
                return self._write(order, progress)
            except pymysql.err.MySQLError as error:
                self._undo()
                if code_of(error) not in LOCKED or attempt == LOCKED_TRIES_MAX:
                    raise
            time.sleep(LOCKED_PAUSE_SECONDS * attempt)
        raise AssertionError

    def _write(self, order: Item, progress: Item | None) -> Done:
        key = items.key_of(order)
        self.connection.begin()
        known = self._known(key)
        waited = known is not None and known.reason is not None
        try:
            if IMPORTED in order:
                wrote = self._update_old(order[IMPORTED]["S"], progress)
            else:
                wrote = self._upsert_new(items.accepted_order(order), items.facts(progress), known)
            if waited:
                self.run(f"UPDATE spillway_back SET reason = NULL {_MINE}", *_names(key))  # noqa: S608 -- constant
        except (Unwritable, pymysql.err.MySQLError) as error:
            if isinstance(error, Unwritable):
                reason = error.reason
            elif code_of(error) in OF_THE_SERVER | LOCKED:
                raise
            else:
                reason = Reason("back_refused", f"{code_of(error)}: {error.args[-1]}")
            self._undo()
            text = f"{reason.rule}: {reason.detail}"[:REASON_MAX]
            is_news = known is None or known.reason != text
            if is_news:
                self.run(
                    "INSERT INTO spillway_back (customer, order_id, reason) VALUES (%s, %s, %s)"
                    " ON DUPLICATE KEY UPDATE reason = VALUES(reason)",
                    *_names(key),
                    text,
                )
            return Done(reason, is_news=is_news)
        self.connection.commit()
        return Done(wrote=wrote, waited=waited)

    def _undo(self) -> None:
        """SpillwayError: the server could not, because the table lost its transactions meanwhile.
        At the start of `back` it had them."""
        self.connection.rollback()
        if any(code == NOT_UNDONE for _, code, _ in self.run("SHOW WARNINGS")):
            table = self.inverse.config.source.table
            raise SpillwayError(
                f"{table} has no transactions any more, and keeps rows of an order that could not"
                f" be written: ALTER TABLE {quoted(table)} ENGINE = InnoDB, delete what `spillway"
                " migrate verify --back` shows as only in the old table, and run `back` again."
            )

    def _known(self, key: OrderKey) -> _Known | None:
        found = self.run(
            f"SELECT seq, old_key, reason FROM spillway_back {_MINE} FOR UPDATE",  # noqa: S608 -- constant
            *_names(key),
        )
        return _Known(int(found[0][0] or 0), *found[0][1:]) if found else None

    def _update_old(self, old_key: str, progress: Item | None) -> bool:
        """An order from the old table: only what the new service has done to it since."""
        if progress is None or IMPORTED not in progress or not touched(progress):
            return False
        self._update(old_key, items.facts(progress))
        return True

    def _upsert_new(self, accepted: AcceptedOrder, facts: Facts, known: _Known | None) -> bool:
        if known is not None and known.old_key is not None:
            self._update(known.old_key, facts)
            return True
        rows = self.inverse.rows(accepted, facts)
        names = _names(accepted.key)
        if known is None:
            self.run("INSERT INTO spillway_back (customer, order_id) VALUES (%s, %s)", *names)
        seq = int(self._made()) if known is None else known.seq
        old_key = self._insert(rows, self._number(accepted.key, seq))
        self.run(f"UPDATE spillway_back SET old_key = %s {_MINE}", old_key, *names)  # noqa: S608 -- constant
        said, customer = self._said(old_key), accepted.key.customer_id
        ours = fields_of(customer, accepted.accepted_at, self._word_for(facts), accepted.order)
        different = list(lost(ours, said, self.inverse.back.may_lose))
        if different:
            raise Unwritable("back_would_differ", "; ".join(different))
        return True

    def _said(self, old_key: str) -> Said:
        """What the old table says of an order now, this transaction included."""
        there = [order for order in self.old.of([old_key]) if order.key == old_key]
        if not there:
            raise Unwritable("back_not_found", f"{old_key} would be no order, by source.where")
        said = self.old.mapper.read(there[0])
        if isinstance(said, Unmapped):
            why = "; ".join(f"{reason.rule} {reason.detail}" for reason in said.reasons)
            raise Unwritable("back_would_differ", f"{old_key} would not be readable: {why}")
        return said

    def _word_for(self, facts: Facts) -> str:
        """What the order has come to, as the mapping says it of an old status."""
        return self.inverse.config.statuses[self.inverse.back.statuses[status(facts)]].is_

    def _number(self, key: OrderKey, seq: int) -> str | None:
        """The order number to write; None where MySQL makes it."""
        back = self.inverse.back
        if back.key == "auto_increment":
            return None
        return key.order_id if back.key == "order_id" else str((back.first_key or 0) + seq)

    def _insert(self, rows: Iterable[Values], number: str | None) -> str:
        source, order = self.inverse.config.source, self.inverse.config.order
        find = (
            f"SELECT {quoted(order.key)} FROM {quoted(source.table)}"  # noqa: S608 -- names, quoted
            f" WHERE {quoted(order.key)} = %s LIMIT 1"
        )
        if number is not None and self.run(find, self.old.table.key.value(number)):
            raise Unwritable(
                "back_number_taken", f"the old table has an order {number}: raise back.first_key"
            )
        for row in rows:
            values = row if number is None else {order.key: number, **row}
            names = ", ".join(map(quoted, values))
            marks = ", ".join(["%s"] * len(values))
            self.run(
                f"INSERT INTO {quoted(source.table)} ({names}) VALUES ({marks})",  # noqa: S608 -- names, quoted
                *values.values(),
            )
        # As the table spells it: with the zeros of a ZEROFILL, for example.
        found = self.run(find, self.old.table.key.value(number or self._made()))
        if not found:
            raise Unwritable("back_not_found", "the order's number is not in the old table")
        return str(found[0][0])

    def _made(self) -> str:
        """The number that MySQL has just made."""
        return str(self.run("SELECT LAST_INSERT_ID()")[0][0])

    def _update(self, old_key: str, facts: Facts) -> None:
        values = self.inverse.status_values(facts)
        if values:
            config = self.inverse.config
            table, number = quoted(config.source.table), self.old.table.key.value(old_key)
            # Of one number, those that `source.where` takes for an order's.
            condition = config.source.condition.replace("%", "%%")
            rows = f"WHERE {condition} AND {quoted(config.order.key)} = %s"
            assignments = ", ".join(f"{quoted(name)} = %s" for name in values)
            count = f"SELECT COUNT(*) FROM {table} {rows}"  # noqa: S608 -- names, quoted
            before = self.run(count, number)
            self.run(f"UPDATE {table} SET {assignments} {rows}", *values.values(), number)  # noqa: S608 -- names, quoted
            if self.run(count, number) != before:
                raise Unwritable("back_not_found", f"{old_key} would be no order, by source.where")
        says, wanted = self._said(old_key).meaning.is_, self._word_for(facts)
        if says != wanted:
            raise Unwritable("back_would_differ", f"status would be {says!r}, not {wanted!r}")

    def run(self, statement: str, *values: object) -> list[tuple[str | None, ...]]:
        return run(self.connection, statement, values)

    def note(self, name: str, place: str) -> None:
        statement = "REPLACE INTO spillway_back_shards (shard, place) VALUES (%s, %s)"
        self.run(statement, name, place)

    def waiting(self) -> dict[str, int]:
        """How many orders, by rule."""
        found = self.run(
            "SELECT SUBSTRING_INDEX(reason, ':', 1) AS rule, COUNT(*) FROM spillway_back"
            " WHERE reason IS NOT NULL GROUP BY rule ORDER BY rule"
        )
        return {str(rule): int(count or 0) for rule, count in found}


def _names(key: OrderKey) -> tuple[str, str]:
    return key.customer_id, key.order_id


def make_tables(connection: Connection[Any]) -> None:
    rights, problems = "SELECT, INSERT, UPDATE, DELETE, CREATE", []
    for statement, table in ((ORDERS, "spillway_back"), (SHARDS, "spillway_back_shards")):
        try:
            run(connection, statement)
        except pymysql.err.MySQLError as error:
            if code_of(error) in AWAY:
                raise
            problems.append(why_refused(connection, error, rights, quoted(table)))
    if problems:
        raise SpillwayError(f"`back` cannot begin: {'; '.join(problems)}.")
