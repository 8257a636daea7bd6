"""An old table of another make than the examples': latin1, in its own words, with an ENUM, a column
that MySQL computes and one that it touches; somebody who changes it in every way that a shop does;
and what must have come of it, worked out here from the rows alone."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pymysql
from pymysql.converters import encoders

from spillway.run.stack.processes import REGION
from tests.spillway.migrate.legacy import Values, lines, real_lines
from tests.spillway.migrate.scan import Scanned
from tests.spillway.migrate.servers import Make, Server

TABLE = """
CREATE TABLE belegpositionen (
    pos          INT UNSIGNED NOT NULL AUTO_INCREMENT,
    belegnr      CHAR(14) NOT NULL,
    artikel      VARCHAR(24) NOT NULL,
    bezeichnung  VARCHAR(100) NULL,
    menge        INT NOT NULL,
    einzelpreis  DECIMAL(10,2) NOT NULL,
    {computed}
    gebucht      DATETIME NOT NULL,
    kunde        VARCHAR(40) NULL,
    land         VARCHAR(40) NULL,
    zustand      ENUM('offen','versandt','storniert','abgelehnt') NOT NULL DEFAULT 'versandt',
    lager        TINYINT NULL,
    notiz        VARCHAR(60) NULL,
    geaendert    TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (pos),
    KEY beleg (belegnr)
) ENGINE = InnoDB DEFAULT CHARACTER SET latin1
"""
#: MySQL 5.6 has no such column.
COMPUTED: dict[Make, str] = {
    "mariadb": "betrag       DECIMAL(14,2) AS (menge * einzelpreis) VIRTUAL,",
    "mysql": "",
}
CONFIG = """
quarantine_file = "{folder}/quarantine.jsonl"
currencies = ["GBP"]
[source]
url_variable = "OLD_SHOP"
table = "belegpositionen"
shape = "row_per_line"
time_zone = "Europe/London"
tls = "off"
[target]
region = "{region}"
orders_table = "{table}"
write_units_per_second_max = 1_000_000
[order]
key = "belegnr"
created_at = "gebucht"
status = {{ column = "zustand" }}
channel = {{ value = "retail" }}
currency = {{ value = "GBP" }}
payment_reference = {{ value = "beleg-{{key}}" }}
[order.address]
name = {{ value = "-" }}
lines = [{{ value = "-" }}]
city = {{ value = "-" }}
country = {{ column = "land", map = {{ {countries} }} }}
[lines]
sku = "artikel"
quantity = "menge"
unit_price = "einzelpreis"
shipping_skus = ["POST", "DOT", "C2"]
[customers]
column = "kunde"
prefix = "alt|"
guests = "one_each"
[rules]
tolerated = ["sku_price_conflict"]
[statuses]
offen = {{ is = "open" }}
versandt = {{ is = "confirmed" }}
storniert = {{ is = "cancelled" }}
abgelehnt = {{ is = "rejected", reason = "out_of_stock" }}
"""
OUTCOMES = {
    "offen": "open",
    "versandt": "confirmed",
    "storniert": "cancelled",
    "abgelehnt": "rejected",
}
COUNTRIES = {"United Kingdom": "GB", "EIRE": "IE", "France": "FR", "Germany": "DE", "Norway": "NO"}
POSTAGE = {"POST", "DOT", "C2"}
#: A lock is held by another for too long, and a deadlock.
LOCKED = {1205, 1213}
XA = "a name"
LONDON = ZoneInfo("Europe/London")
COLUMNS = (
    "belegnr",
    "artikel",
    "bezeichnung",
    "menge",
    "einzelpreis",
    "gebucht",
    "kunde",
    "land",
    "zustand",
)
INSERT = (
    f"INSERT INTO belegpositionen ({', '.join(COLUMNS)})"
    f" VALUES ({', '.join(['%s'] * len(COLUMNS))})"
)


def config_file(table: str, folder: Path) -> Path:
    path = folder / "third.toml"
    countries = ", ".join(f'"{name}" = "{code}"' for name, code in COUNTRIES.items())
    path.write_text(CONFIG.format(folder=folder, region=REGION, table=table, countries=countries))
    return path


def made_up(count: int) -> Iterator[Values]:
    """Lines of so many orders, some of which are no orders."""
    rng = random.Random(29)
    for number in range(count):
        yield from lines(rng, f"{536_000 + number}")


def _values(line: Values) -> list[Any]:
    """A line as this shop has it."""
    return [
        f"Rö-{line['invoice']}",
        line["stock_code"],
        line["description"],
        line["quantity"],
        line["unit_price"],
        line["invoiced_at"],
        line["customer_id"],
        line["country"],
        "versandt",
    ]


def fill(server: Server, database: str, sales: Path | None, count: int) -> None:
    connection = server.connect(database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(TABLE.format(computed=COMPUTED[server.make]))
            cursor.execute("CREATE TABLE korrektur (belegnr CHAR(14), menge INT)")
            many = [_values(line) for line in (real_lines(sales) if sales else made_up(count))]
            connection.begin()
            cursor.executemany(INSERT, many)
            connection.commit()
            # Nobody writes these two later: their names change.
            cursor.execute("UPDATE belegpositionen SET lager = 3, notiz = '§ 19 geprüft'")
            # The words of the shop: by the number, so that they are the same in each run.
            for word, rest in (("storniert", 3), ("abgelehnt", 5), ("offen", 7)):
                cursor.execute(
                    "UPDATE belegpositionen SET zustand = %s WHERE CRC32(belegnr) %% 20 = %s",
                    (word, rest),
                )
    finally:
        connection.close()


@dataclass
class Expected:
    """`aside`: the numbers whose rows are no order that the new service could have."""

    orders: dict[str, Scanned] = field(default_factory=dict)
    aside: set[str] = field(default_factory=set)


def expected(server: Server, database: str) -> Expected:
    connection = server.connect(database, conv={**encoders})
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT belegnr, artikel, menge, einzelpreis, gebucht, kunde, land, zustand"
                " FROM belegpositionen ORDER BY pos"
            )
            rows = list(cursor.fetchall())
    finally:
        connection.close()
    grouped: dict[str, list[Any]] = {}
    for number, *row in rows:
        grouped.setdefault(number, []).append(row)
    found = Expected()
    for number, of_one in grouped.items():
        order = _order(number, of_one)
        if order is None:
            found.aside.add(number)
        else:
            found.orders[number] = order
    return found


def _order(number: str, rows: list[Any]) -> Scanned | None:
    if any(len({row[place] for row in rows}) > 1 for place in (4, 5, 6)):
        return None  # a customer, a country or a state too many
    *_, customer, country, state = rows[0]
    sold = [(row[0].strip(), int(row[1]), int(Decimal(row[2]) * 100)) for row in rows]
    goods = tuple(line for line in sold if line[0] not in POSTAGE)
    postage = sum(quantity * price for sku, quantity, price in sold if sku in POSTAGE)
    total = postage + sum(quantity * price for _, quantity, price in goods)
    when = min(datetime.fromisoformat(row[3]) for row in rows).replace(tzinfo=LONDON)
    prices: dict[str, set[int]] = {}
    for sku, _, price in goods:
        prices.setdefault(sku, set()).add(price)
    if (
        not goods
        or any(not 1 <= quantity <= 1_000_000 or price < 0 for _, quantity, price in goods)
        or postage < 0
        or total < 0
        or country not in COUNTRIES
        # One that is open must keep all of the rules.
        or (state == "offen" and any(len(some) > 1 for some in prices.values()))
    ):
        return None
    return Scanned(
        customer=f"alt|{customer}" if customer else f"guest-{number}",
        accepted_at=round(when.timestamp() * 1000),
        outcome=OUTCOMES[state],
        lines=tuple(sorted(goods)),
        total=total,
        shipping=postage,
        country=COUNTRIES[country],
    )


def faults(wanted: Expected, found: dict[str, Scanned], aside: set[str]) -> list[str]:
    """All that differs, in words."""
    seen = {number: replace(one, lines=tuple(sorted(one.lines))) for number, one in found.items()}
    return [
        *(f"{one}: missing" for one in sorted(wanted.orders.keys() - seen.keys())),
        *(f"{one}: should not be" for one in sorted(seen.keys() - wanted.orders.keys())),
        *(
            f"{one}: {seen[one]}, not {wanted.orders[one]}"
            for one in sorted(seen.keys() & wanted.orders.keys())
            if seen[one] != wanted.orders[one]
        ),
        *(f"{one}: not in quarantine" for one in sorted(wanted.aside - aside)),
        *(f"{one}: in quarantine for nothing" for one in sorted(aside - wanted.aside)),
    ]


class Traffic:
    """One who changes the table in every way that a shop does, in one thread; and a transaction
    that stays open for long, in a session of its own."""

    def __init__(self, server: Server, database: str, seed: int, pause: float) -> None:
        self.server, self.database, self.pause = server, database, pause
        self.rng = random.Random(seed)
        self.done: dict[str, int] = {}
        self._count = 0
        self._busy = threading.Lock()
        self._sessions: list[Any] = []
        self._long_until = 0.0
        self._failure: BaseException | None = None

    @contextmanager
    def going_on(self) -> Iterator[None]:
        ended = threading.Event()
        thread = threading.Thread(target=self._work, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            if self._failure is not None:
                raise self._failure
            self._rest()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """No statement is under way, and no transaction open."""
        with self._busy:
            if self._failure is not None:
                raise self._failure
            self._rest()
            yield

    def _work(self, ended: threading.Event) -> None:
        kinds: list[Callable[[], None]] = [
            self._new,
            self._new,
            self._state,
            self._state,
            self._line_goes,
            self._goes,
            self._renumbered,
            self._customer,
            self._replaced,
            self._joined,
            self._xa,
            self._savepoint,
            self._rolled_back,
            self._several,
            self._long,
        ]
        try:
            while not ended.wait(self.pause * self.rng.random() * 2):
                with self._busy:
                    self._once(self.rng.choice(kinds))
        except BaseException as error:  # noqa: BLE001 -- raised again by the other thread
            self._failure = error

    def _once(self, change: Callable[[], None]) -> None:
        name = change.__name__.strip("_")
        try:
            change()
        except pymysql.err.OperationalError as error:
            if error.args[0] not in LOCKED:
                raise
            name = "gave up"
            for undone in (f"XA END '{XA}'", f"XA ROLLBACK '{XA}'", "ROLLBACK"):
                with suppress(pymysql.err.MySQLError):
                    self._run(undone)
        self.done[name] = self.done.get(name, 0) + 1

    def _rest(self) -> None:
        """Commit what is open, and let the sessions go: the next statement opens them again."""
        for session in self._sessions:
            session.commit()
            session.close()
        self._sessions.clear()
        self._long_until = 0.0

    def _session(self, which: int = 0) -> Any:
        while len(self._sessions) <= which:
            self._sessions.append(self.server.connect(self.database))
            # A statement that meets the long transaction gives up soon.
            self._run("SET SESSION innodb_lock_wait_timeout = 1", which=which)
        return self._sessions[which]

    def _run(self, statement: str, *values: Any, which: int = 0) -> Any:
        with self._session(which).cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def _some(self) -> str:
        """An order's number that exists, by any chance."""
        (low, high), *_ = self._run("SELECT MIN(pos), MAX(pos) FROM belegpositionen")
        place = self.rng.randint(low, high)
        return str(
            self._run(
                "SELECT belegnr FROM belegpositionen WHERE pos >= %s ORDER BY pos LIMIT 1", place
            )[0][0]
        )

    def _order(self) -> None:
        self._count += 1
        for line in lines(self.rng, f"N{self._count}"):
            self._run(INSERT, *_values(line))

    def _new(self) -> None:
        self._run("BEGIN")
        self._order()
        self._run("COMMIT")

    def _state(self) -> None:
        word = self.rng.choice(tuple(OUTCOMES))
        self._set("zustand", word, self._some())

    def _customer(self) -> None:
        self._set("kunde", f"K{self.rng.randint(1, 99)}", self._some())

    def _set(self, column: str, value: Any, number: str, which: int = 0) -> None:
        statement = f"UPDATE belegpositionen SET {column} = %s WHERE belegnr = %s"
        self._run(statement, value, number, which=which)

    def _line_goes(self) -> None:
        self._run("DELETE FROM belegpositionen WHERE belegnr = %s LIMIT 1", self._some())

    def _goes(self) -> None:
        self._run("DELETE FROM belegpositionen WHERE belegnr = %s", self._some())

    def _renumbered(self) -> None:
        self._count += 1
        self._set("belegnr", f"Ümb-{self._count}", self._some())

    def _replaced(self) -> None:
        self._run(
            "REPLACE INTO belegpositionen (pos, belegnr, artikel, menge, einzelpreis, gebucht,"
            " kunde, land, zustand) SELECT pos, belegnr, artikel, menge + 1, einzelpreis,"
            " gebucht, kunde, land, zustand FROM belegpositionen WHERE belegnr = %s LIMIT 1",
            self._some(),
        )

    def _joined(self) -> None:
        """An UPDATE of two tables."""
        number = self._some()
        self._run("DELETE FROM korrektur")
        self._run("INSERT INTO korrektur VALUES (%s, %s)", number, self.rng.randint(1, 9))
        self._run(
            "UPDATE belegpositionen p JOIN korrektur k ON k.belegnr = p.belegnr"
            " SET p.menge = k.menge, k.menge = 0"
        )

    def _xa(self) -> None:
        way = "COMMIT" if self.rng.random() < 0.7 else "ROLLBACK"
        self._run(f"XA START '{XA}'")
        self._order()
        for step in ("END", "PREPARE", way):
            self._run(f"XA {step} '{XA}'")

    def _savepoint(self) -> None:
        self._run("BEGIN")
        self._order()
        self._run("SAVEPOINT belegpositionen")
        self._run("DELETE FROM belegpositionen WHERE belegnr LIKE %s", "Rö-N%")
        self._order()
        self._run("ROLLBACK TO belegpositionen")
        self._order()
        self._run("COMMIT")

    def _rolled_back(self) -> None:
        self._run("BEGIN")
        self._order()
        self._run("UPDATE korrektur SET menge = 77")
        self._run("ROLLBACK")

    def _several(self) -> None:
        """Many orders in one transaction."""
        self._run("BEGIN")
        for _ in range(self.rng.randint(2, 12)):
            self._set("zustand", self.rng.choice(tuple(OUTCOMES)), self._some())
        self._order()
        self._run("COMMIT")

    def _long(self) -> None:
        """One transaction goes on while others come and go."""
        session = self._session(1)
        if not self._long_until:
            session.begin()
            self._long_until = time.monotonic() + self.rng.uniform(0.5, 4)
        if time.monotonic() > self._long_until:
            session.commit()
            self._long_until = 0.0
            return
        self._count += 1
        for line in lines(self.rng, f"L{self._count}"):
            self._run(INSERT, *_values(line), which=1)
        self._set("kunde", "lang", f"Rö-N{self.rng.randint(1, self._count)}", which=1)


#: The owner's changes of the table, and what happens to a server's log. Each under traffic.
SCHEMA_CHANGES = (
    "ALTER TABLE belegpositionen ADD COLUMN kanal VARCHAR(10) DEFAULT 'web' AFTER pos",
    "ALTER TABLE belegpositionen DROP COLUMN lager, DROP COLUMN kanal, ADD lager TINYINT",
    "ALTER TABLE belegpositionen MODIFY notiz TEXT CHARACTER SET utf8",
    "ALTER TABLE belegpositionen CHANGE notiz bemerkung TEXT CHARACTER SET utf8",
    "ALTER TABLE belegpositionen CHANGE bemerkung notiz VARCHAR(99) CHARACTER SET latin1",
)
