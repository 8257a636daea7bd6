"""What becomes of a change, for each setting of a server, kind of statement and make of a table.

Every case runs on a real server: check, copy, the change, follow and verify, and then the old table
is held against the orders table by a look of its own. A change must arrive, or check or follow must
say that it cannot. One that is missing without a word is silent, and a fault, as is a verify that
does not find what is missing. As a table in Markdown:

    python -m tests.spillway.migrate.matrix
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import pymysql
from pymysql.converters import encoders

from spillway.errors import SpillwayError
from spillway.migrate.checking import Check
from spillway.migrate.config import Config
from spillway.migrate.copying import Copy
from spillway.migrate.following import Follow, Lag
from spillway.migrate.running import Parts, Place, assembled
from spillway.run.stack.aws import client
from spillway.run.stack.emulator import emulator
from tests.spillway.archived import no_archive
from tests.spillway.migrate.scan import Scanned, scanned, set_aside
from tests.spillway.migrate.servers import Make, Server, private, server
from tests.spillway.migrate.tables import make_orders_table, verified

#: A follower that has not come to the end by then waits for something that does not come.
FOLLOWS_WITHIN_SECONDS = 60
SENTENCE_MAX = 150
#: Of a server of a case's own, whose options name it.
OWN_DATABASE = "shop"

Group = Literal["server", "session", "statement", "key", "table"]
Statements = tuple[str, ...]

TABLE = (
    "CREATE TABLE $t (id INT AUTO_INCREMENT PRIMARY KEY, no VARCHAR(20), sku VARCHAR(20), qty INT,"
    " price DECIMAL(9,2), at DATETIME, cust VARCHAR(60), st VARCHAR(12), KEY k (no))"
)
COLUMNS = "(no, sku, qty, price, at, cust, st)"
#: Two lines each, before the copy.
FILL = tuple(
    f"INSERT INTO $w {COLUMNS} VALUES ($%d, '%s', 1, '2.50', '2024-02-03 10:00:00', 'ann',"
    " 'SHIPPED')" % (number, sku)
    for number in (1, 2, 3, 4)
    for sku in ("MUG", "POT")
)
INSERTED = (
    f"INSERT INTO $w {COLUMNS} VALUES ($5, 'MUG', 3, '2.50', '2024-02-04 10:00:00', 'bob',"
    " 'SHIPPED'), ($5, 'JAR', 1, '7.25', '2024-02-04 10:00:00', 'bob', 'SHIPPED')"
)
#: A new order, a changed one, one that goes, one with a new number, and two in one transaction.
CHANGES = (
    INSERTED,
    "UPDATE $w SET qty = qty + 5 WHERE no = $1",
    "DELETE FROM $w WHERE no = $2",
    "UPDATE $w SET no = $6 WHERE no = $3",
    "BEGIN",
    "UPDATE $w SET st = 'CANCELLED' WHERE no = $4",
    "UPDATE $w SET cust = 'cy' WHERE no = $1",
    "COMMIT",
)
#: After a case's own statements, so that follow must read on behind them.
LAST = "UPDATE $w SET qty = qty + 1 WHERE no = $4"

CONFIG = """
currencies = ["GBP"]
[source]
url_variable = "OLD"
table = "-"
shape = "row_per_line"
time_zone = "UTC"
tls = "off"
[target]
region = "us-east-1"
orders_table = "-"
write_units_per_second_max = 1_000_000
[order]
key = "no"
created_at = "at"
status = { column = "st" }
channel = { value = "retail" }
currency = { value = "GBP" }
payment_reference = { value = "inv-{key}" }
[order.address]
name = { value = "-" }
lines = [{ value = "-" }]
city = { value = "-" }
postal_code = { value = "-" }
country = { value = "GB" }
[lines]
sku = "sku"
quantity = "qty"
unit_price = "price"
[customers]
column = "cust"
[rules]
tolerated = ["sku_price_conflict"]
[statuses]
SHIPPED = { is = "confirmed" }
NEW = { is = "open" }
CANCELLED = { is = "cancelled" }
"""


@dataclass(frozen=True)
class Case:
    """In statements, $t is the table as it is made, $w the one that the shop writes to, $db and
    $other are databases, and $1 to $6 are order numbers as literals."""

    group: Group
    name: str
    makes: tuple[Make, ...] = get_args(Make)
    #: Of a server of its own.
    options: Statements = ()
    #: By the administrator, before the tool sees the server. `undo` is for a server that is shared.
    before: Statements = ()
    #: The same, after the copy.
    later: Statements = ()
    undo: Statements = ()
    #: First in the shop's session, which begins after the copy.
    session: Statements = ()
    table: str = TABLE
    #: Further statements beside the table, and what fills it.
    beside: Statements = ()
    fill: Statements = FILL
    changes: Statements = CHANGES
    #: After the changes, and before follow.
    after: Statements = ()
    numbers: Statements = ("'A1'", "'A2'", "'A3'", "'A4'", "'A5'", "'A6'")
    #: The name of the table in the configuration, and of the one that the shop writes to.
    source: str = "t"
    written: str = "t"
    #: Changes of the configuration's text.
    config: tuple[tuple[str, str], ...] = ()
    #: It changes no order, or in a way that a tool has to live with: it has to arrive.
    harmless: bool = False
    #: No reader of the log can know of it: only verify finds what is missing.
    unseen: bool = False
    #: What statements cannot say: runs the change on the server that is the shop's.
    act: Callable[[Stage], None] | None = None
    #: The source is a replica of the server that the shop writes to.
    replica: Statements | None = None
    #: The server ends between the changes and follow, and comes back with these options.
    restart: Statements | None = None
    gently: bool = True

    @property
    def own_server(self) -> bool:
        return bool(self.options or self.replica is not None or self.restart is not None)


@dataclass(frozen=True)
class Stage:
    """A case that is set up: the source, and the server that the shop writes to."""

    case: Case
    source: Server
    shop: Server
    database: str
    folder: Path

    def text(self, statement: str) -> str:
        for number, literal in enumerate(self.case.numbers, start=1):
            statement = statement.replace(f"${number}", literal)
        names = {
            "$db": self.database,
            "$file": str(self.folder / "dumped.txt"),
            "$other": f"{self.database}_b",
            "$t": _quoted(self.case.source),
            "$w": _quoted(self.case.written),
        }
        for name, value in names.items():
            statement = statement.replace(name, value)
        return statement

    def run(self, statements: Sequence[str], at: Server | None = None) -> None:
        """In one session of its own."""
        if statements:
            with self.session(at) as run:
                for statement in statements:
                    run(statement)

    @contextmanager
    def session(self, at: Server | None = None) -> Iterator[Callable[[str], None]]:
        connection = (at or self.shop).connect(self.database, local_infile=True)

        def run(statement: str) -> None:
            with connection.cursor() as cursor:
                cursor.execute(self.text(statement))

        try:
            yield run
        finally:
            connection.close()


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


Kind = Literal["arrives", "set aside", "stops", "waits", "SILENT", "CRASH"]


@dataclass
class Outcome:
    """`check`: its blockers, or the sentence with which it ended. `warns`: what it says beyond what
    it says of an ordinary table. `verify`: what it found, or its sentence."""

    check: str = ""
    copied: bool = False
    warns: str = ""
    follow: Kind = "arrives"
    said: str = ""
    missing: list[str] = field(default_factory=list)
    verify: str = ""
    verified: bool = True
    faults: list[str] = field(default_factory=list)

    @property
    def cell(self) -> str:
        """For the matrix."""
        if self.check:
            forced = f" (forced: {self.follow})" if self.copied else ""
            return f"check: {_short(self.check)}{forced}"
        said = f": {_short(self.said)}" if self.said else ""
        warned = f" (check warns: {_short(self.warns)})" if self.warns else ""
        return f"{self.follow}{said}{warned}"


def _short(text: str) -> str:
    plain = " ".join(text.split()).replace("|", "\\|")
    return plain if len(plain) <= SENTENCE_MAX else plain[: SENTENCE_MAX - 3] + "..."


def run(case: Case, make: Make, shared: Callable[[Make], Server], endpoint: str) -> Outcome:
    """The case from its beginning to its end. A statement of its own that the server refuses raises
    pymysql's error."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        if not case.own_server:
            old = shared(make)
            database = stack.enter_context(old.database())
            return _staged(Stage(case, old, old, database, folder), endpoint, lambda: None)
        shop_folder = folder / "shop"
        shop_folder.mkdir()
        keys = folder / "keys.txt"
        keys.write_text(f"1;{'0f' * 32}\n")
        options = [option.replace("$keys", str(keys)) for option in case.options]
        running = ExitStack()
        stack.callback(lambda: running.close())
        old = running.enter_context(private(shop_folder, make, *options, gently=case.gently))
        old.run(f"CREATE DATABASE {OWN_DATABASE} CHARACTER SET utf8mb4")
        source = old
        if case.replica is not None:
            (folder / "replica").mkdir()
            source = stack.enter_context(_replica(folder / "replica", make, case.replica, old))

        def restart() -> None:
            nonlocal running
            running.close()
            running = ExitStack()
            more = case.restart or ()
            running.enter_context(private(shop_folder, make, *options, *more, port=old.port))

        again = restart if case.restart is not None else lambda: None
        return _staged(Stage(case, source, old, OWN_DATABASE, folder), endpoint, again)


@contextmanager
def _replica(folder: Path, make: Make, options: Statements, of: Server) -> Iterator[Server]:
    with private(folder, make, "--server-id=2", *options) as started:
        (file, offset, *_), *_ = of.run("SHOW MASTER STATUS")
        started.run(
            f"CHANGE MASTER TO MASTER_HOST='{of.host}', MASTER_PORT={of.port},"
            f" MASTER_USER='root', MASTER_PASSWORD='', MASTER_LOG_FILE='{file}',"
            f" MASTER_LOG_POS={offset}"
        )
        started.run(f"CREATE DATABASE {OWN_DATABASE} CHARACTER SET utf8mb4")
        started.run("START SLAVE")
        yield started


def _arrived_at(replica: Server, of: Server) -> None:
    (file, offset, *_), *_ = of.run("SHOW MASTER STATUS")
    (reached,), *_ = replica.run(f"SELECT MASTER_POS_WAIT('{file}', {offset}, 60)")
    assert reached is not None, "the replica does not follow"
    assert reached >= 0, "the replica does not follow"


def _staged(stage: Stage, endpoint: str, restart: Callable[[], None]) -> Outcome:
    case = stage.case
    stage.shop.run(f"CREATE DATABASE IF NOT EXISTS {stage.text('$other')} CHARACTER SET utf8mb4")
    try:
        stage.run(case.before, stage.source)
        stage.run((case.table, *case.beside, *case.fill))
        if case.replica is not None:
            _arrived_at(stage.source, stage.shop)
        dynamodb = client(endpoint, "dynamodb")
        try:
            config = config_of(case, make_orders_table(dynamodb), stage.folder)
        except msgspec.ValidationError as error:
            return Outcome(check=f"(configuration) {error}")
        return _moved(stage, dynamodb, config, restart)
    finally:
        stage.run(case.undo, stage.source)
        stage.shop.run(f"DROP DATABASE IF EXISTS {stage.text('$other')}")


def config_of(case: Case, table: str, folder: Path) -> Config:
    text = CONFIG.replace('table = "-"', f"table = {msgspec.json.encode(case.source).decode()}", 1)
    text = text.replace('orders_table = "-"', f'orders_table = "{table}"')
    for old, new in case.config:
        assert old in text, old
        text = text.replace(old, new)
    text = f'quarantine_file = "{folder / "quarantine.jsonl"}"\n{text}'
    return msgspec.convert(tomllib.loads(text), Config)


def _moved(stage: Stage, dynamodb: Any, config: Config, restart: Callable[[], None]) -> Outcome:
    case, outcome = stage.case, Outcome()
    table = config.target.orders_table or ""
    clients = {"dynamodb": dynamodb}
    place = Place(
        lambda service, _: clients[service], table, f"{table}-migration", None, no_archive()
    )
    with assembled(config, place, {"OLD": stage.source.url(stage.database)}) as parts:
        parts.state.make_table()
        _check(parts, outcome)
        outcome.copied = _copied(parts, outcome)
        stage.run(case.later, stage.source)
        _changed(stage)
        restart()
        if outcome.copied:
            _follow(parts, outcome)
        wanted = expected(stage)
        aside = set_aside(dynamodb, place.state_table)
        found = scanned(dynamodb, table)
        _judge(outcome, wanted, found, aside)
        _verify(parts, outcome)
    _faults(case, outcome)
    return outcome


def _check(parts: Parts, outcome: Outcome) -> None:
    try:
        profile = Check(parts, _unseen).run(None)
    except SpillwayError as error:
        outcome.check = str(error)
        return
    except Exception as error:  # noqa: BLE001 -- any other is a fault, and what the case looks for
        outcome.faults.append(f"check crashes: {error!r}")
        return
    blockers = [f"{one.subject}: {one.detail}" for one in profile.blockers]
    outcome.check = "; ".join(blockers)
    warnings = [one for one in profile.findings if one.level == "warning"]
    outcome.warns = "; ".join(f"{one.subject}: {one.detail}" for one in warnings)


def _copied(parts: Parts, outcome: Outcome) -> bool:
    """Whether there is anything to follow. What check has refused is forced past it."""
    try:
        Copy(parts, _unseen).run()
    except SpillwayError as error:
        if not outcome.check:
            outcome.check = f"(copy) {error}"
        return False
    except Exception as error:  # noqa: BLE001
        outcome.faults.append(f"copy crashes: {error!r}")
        return False
    return True


def _changed(stage: Stage) -> None:
    case = stage.case
    if case.act is not None:
        case.act(stage)
    else:
        stage.run((*case.session, *case.changes))
    stage.run(case.after)
    if case.replica is not None:
        _arrived_at(stage.source, stage.shop)


def _follow(parts: Parts, outcome: Outcome) -> None:
    problems: list[str] = []

    def on_lag(lag: Lag) -> None:
        if lag.problem:
            problems.append(lag.problem)

    follow = Follow(parts, on_lag)
    timer = threading.Timer(FOLLOWS_WITHIN_SECONDS, follow.stop.set)
    timer.start()
    try:
        follow.run(until_caught_up=True)
        if follow.stop.is_set():
            outcome.follow, outcome.said = "waits", problems[-1] if problems else ""
    except SpillwayError as error:
        outcome.follow, outcome.said = "stops", str(error)
    except Exception as error:  # noqa: BLE001
        outcome.follow, outcome.said = "CRASH", repr(error)
    finally:
        timer.cancel()
        timer.join()


def expected(stage: Stage) -> dict[str, Scanned]:
    """What the old table has now, read as texts and put together here."""
    columns = ", ".join(_quoted(_column(stage.case, name)) for name in _OWN)
    try:
        # Without decoders: what is read is text, as the server writes it.
        connection = stage.source.connect(stage.database, conv={**encoders})
    except pymysql.err.MySQLError:
        return {}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET sql_mode = ''")
            cursor.execute(f"SELECT {columns} FROM {_quoted(stage.case.source)}")
            rows = list(cursor.fetchall())
    except pymysql.err.MySQLError:
        return {}  # the case took the table away
    finally:
        connection.close()
    orders: dict[str, list[Any]] = {}
    for number, *row in rows:
        text = number.hex() if isinstance(number, bytes) else number
        if text is not None and text.strip(" "):
            orders.setdefault(text, []).append(row)
    return {number: _order(lines) for number, lines in orders.items()}


_OWN = ("no", "sku", "qty", "price", "at", "cust", "st")
_OUTCOMES = {"SHIPPED": "confirmed", "NEW": "open", "CANCELLED": "cancelled"}


def _column(case: Case, name: str) -> str:
    """What the configuration calls a column."""
    wanted = {"no": "key", "sku": "sku", "qty": "quantity", "price": "unit_price"}
    wanted |= {"at": "created_at", "cust": "column", "st": "status"}
    for old, new in case.config:
        if old == f'{wanted[name]} = "{name}"' or old == f'column = "{name}"':
            return str(tomllib.loads(f"x = {new.partition('= ')[2]}")["x"])
    return name


def _order(rows: list[Any]) -> Scanned:
    lines = tuple(
        sorted((sku, int(qty), int(Decimal(price) * 100)) for sku, qty, price, *_ in rows)
    )
    first = rows[0]
    when = min(str(row[3]) for row in rows)
    return Scanned(
        customer=first[4],
        accepted_at=_millis(when),
        outcome=_OUTCOMES[first[5]],
        lines=lines,
        total=sum(quantity * price for _, quantity, price in lines),
        country="GB",
    )


def _millis(when: str) -> int:
    from datetime import UTC, datetime

    at = datetime.fromisoformat(when).replace(tzinfo=UTC)
    return round(at.timestamp() * 1000)


def _judge(
    outcome: Outcome,
    wanted: dict[str, Scanned],
    found: dict[str, Scanned],
    aside: dict[str, tuple[str, ...]],
) -> None:
    in_order = {
        number: replace(one, lines=tuple(sorted(one.lines))) for number, one in found.items()
    }
    for number in sorted(wanted.keys() | in_order.keys()):
        if wanted.get(number) != in_order.get(number) and number not in aside:
            outcome.missing.append(number)
        if number in aside and number in in_order:
            outcome.faults.append(f"{number} is in quarantine and an order")
    if outcome.follow != "arrives":
        return
    if outcome.missing:
        outcome.follow = "SILENT"
        outcome.said = f"wrong or missing: {', '.join(outcome.missing)}"
    elif any(number in aside for number in wanted):
        outcome.follow = "set aside"
        outcome.said = ", ".join(sorted({rule for rules in aside.values() for rule in rules}))


def _verify(parts: Parts, outcome: Outcome) -> None:
    try:
        verdict = verified(parts)
    except SpillwayError as error:
        outcome.verify = str(error)
        outcome.verified = False
        return
    except Exception as error:  # noqa: BLE001
        outcome.faults.append(f"verify crashes: {error!r}")
        outcome.verified = False
        return
    keys = sorted(difference.key for difference in verdict.differences)
    outcome.verify = ", ".join(keys) if keys else "clean"
    outcome.verified = verdict.clean


def _faults(case: Case, outcome: Outcome) -> None:
    """All that must not be, whatever the case."""
    faults = outcome.faults
    if outcome.follow == "CRASH":
        faults.append(f"follow crashes: {outcome.said}")
    if outcome.follow == "waits" and not outcome.said:
        faults.append("follow waits without a word")
    if outcome.follow == "SILENT" and not (outcome.check or outcome.warns or case.unseen):
        faults.append(f"silent: {outcome.said}")
    if case.harmless and (outcome.check or outcome.follow != "arrives"):
        faults.append(f"a false alarm: {outcome.cell}")
    if outcome.missing and outcome.verified:
        faults.append(f"verify does not find {', '.join(outcome.missing)}")
    arrived = outcome.copied and outcome.follow in ("arrives", "set aside")
    if arrived and not outcome.missing and not outcome.verified:
        faults.append(f"verify finds what is not: {outcome.verify}")


def _unseen(*_: Any) -> None:
    pass


@contextmanager
def servers(folder: Path) -> Iterator[Callable[[Make], Server]]:
    """Each make's server for the cases that need none of their own, from when it is first asked
    for."""
    with ExitStack() as running:

        @cache
        def started(make: Make) -> Server:
            (folder / make).mkdir()
            return running.enter_context(server(folder / make, make))

        yield started


def main() -> None:
    from tests.spillway.migrate.matrix_cases import CASES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--make", choices=get_args(Make), action="append")
    parser.add_argument("--only", default="", help="cases whose group or name has this")
    asked = parser.parse_args()
    makes = asked.make or get_args(Make)
    wanted = [case for case in CASES if asked.only in f"{case.group}: {case.name}"]
    group = ""
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        (Path(name) / "emulator").mkdir()
        shared = stack.enter_context(servers(Path(name)))
        endpoint = stack.enter_context(emulator(Path(name) / "emulator")).url
        for case in wanted:
            if case.group != group:
                group = case.group
                _say(f"\n| {group} | {' | '.join(makes)} |\n|{' --- |' * (len(makes) + 1)}")
            cells = []
            for make in makes:
                cell = "-"
                if make in case.makes:
                    try:
                        outcome = run(case, make, shared, endpoint)
                    except pymysql.err.MySQLError as error:
                        cell = f"(the server refuses: {_short(str(error))})"
                    except Exception as error:  # noqa: BLE001 -- the others still run
                        cell = f"(the case itself fails: {_short(repr(error))})"
                        faults.append(f"{case.group}: {case.name}, {make}: {error!r}")
                    else:
                        cell = outcome.cell + "".join(f" **{one}**" for one in outcome.faults)
                        faults += [
                            f"{case.group}: {case.name}, {make}: {one}" for one in outcome.faults
                        ]
                cells.append(cell)
            _say(f"| {case.name} | {' | '.join(cells)} |")
    _say(f"\n{len(faults)} faults")
    for fault in faults:
        _say(f"- {fault}")
    sys.exit(bool(faults))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
