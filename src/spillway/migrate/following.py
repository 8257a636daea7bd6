"""follow: migrate what has changed in the old table, from the place where the copy began.

At least once, and idempotent: what the binary log reports is read from the table as it is now. The
place noted in the state table is always the end of a transaction all of whose orders are written.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from spillway.errors import SpillwayError
from spillway.migrate.applying import Applier, Tally
from spillway.migrate.binlog import ConnectionLost, News, news
from spillway.migrate.config import Config
from spillway.migrate.connection import Account, SourceAway, connected
from spillway.migrate.copying import MapperFor, readings_of
from spillway.migrate.mapping import Mapper
from spillway.migrate.source import KEYS_MAX, Position, Reader, Table, describe, position_now
from spillway.migrate.state import State

#: News that wait to be worked on; the server waits when it is full.
NEWS_MAX = 2_000
WAIT_SECONDS = 0.25
SAVE_SECONDS = 1.0
RECONNECT_SECONDS_MAX = 15.0


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind. `seconds` is the age of the last change that was written, 0 at the end."""

    position: Position
    seconds: float
    tally: Tally
    problem: str = ""


OnLag = Callable[[Lag], None]


@dataclass(slots=True)
class Follow:
    config: Config
    account: Account
    state: State
    applier: Applier
    mapper_for: MapperFor
    on_lag: OnLag
    stop: threading.Event = field(default_factory=threading.Event)
    tally: Tally = field(default_factory=Tally)
    _pause: float = 0.5

    def run(self, *, until_caught_up: bool = False) -> Tally:
        """Endless, or until all that had happened when it began is written."""
        with self.state.lease("follow", ["following"]) as standing:
            position = standing.followed
            if position is None:
                raise SpillwayError("The copy noted no place in the binary log: run it again.")
            goal: Position | None = None
            while not self.stop.is_set():
                try:
                    with connected(self.account) as connection:
                        table = describe(connection, self.config)
                        self._same_server(standing.server, table)
                        if until_caught_up and goal is None:
                            goal = position_now(connection)
                        reader = Reader(connection, self.config, table)
                        position = self._follow(reader, position, goal)
                        if goal is not None and position.reached(goal):
                            return self.tally
                except (ConnectionLost, SourceAway) as away:
                    # From the last complete transaction: `_follow` noted it.
                    position = self.state.standing().followed or position
                    self._wait(position, str(away))
        return self.tally

    def _same_server(self, noted: str | None, table: Table) -> None:
        if noted is not None and noted != table.server_id:
            raise SpillwayError(
                f"This is another server (id {table.server_id}, not {noted}), with a binary log of"
                " its own: run `spillway migrate copy --again`; nothing is lost by it."
            )

    def _follow(self, reader: Reader, start: Position, goal: Position | None) -> Position:
        """Where it ended: told to stop, at the goal, or because the table's columns changed."""
        work = _Work(self, reader, self.mapper_for(reader.table.utc_columns), start)
        inbox: queue.Queue[News | BaseException] = queue.Queue(NEWS_MAX)
        ended = threading.Event()
        thread = threading.Thread(
            target=_fetch,
            args=(self.account, self.config, reader.table, start, inbox, ended),
            daemon=True,
        )
        thread.start()
        try:
            while not self.stop.is_set():
                try:
                    news = inbox.get(timeout=WAIT_SECONDS if not work.keys else 0)
                except queue.Empty:
                    work.write()
                    continue
                if isinstance(news, BaseException):
                    raise news
                self._pause = 0.5
                work.take(news)
                if news.schema_changed or (goal is not None and work.reached(goal)):
                    break
            work.write()
            work.note(force=True)
        finally:
            ended.set()
        return work.position

    def _wait(self, position: Position, problem: str) -> None:
        self.on_lag(Lag(position, 0.0, self.tally, problem))
        self.stop.wait(self._pause)
        self._pause = min(RECONNECT_SECONDS_MAX, self._pause * 2)


@dataclass(slots=True)
class _Work:
    """What has been told and not yet been written."""

    follow: Follow
    reader: Reader
    mapper: Mapper
    position: Position
    keys: dict[str, None] = field(default_factory=dict)
    _ahead: Position | None = None
    _at: int = 0
    _idle: bool = False
    _saved: float = 0.0

    def take(self, news: News) -> None:
        self.keys |= dict.fromkeys(news.keys)
        self._idle = news.idle
        if not news.idle:
            self._at = news.at
        if news.position is not None:
            self._ahead = news.position
        if len(self.keys) >= KEYS_MAX:
            self.write()
        elif not self.keys:
            self._complete()

    def reached(self, goal: Position) -> bool:
        if self._ahead is not None and self._ahead.reached(goal):
            self.write()
        return self.position.reached(goal)

    def write(self) -> None:
        keys = list(self.keys)
        for start in range(0, len(keys), KEYS_MAX):
            some = [key for key in keys[start : start + KEYS_MAX] if key]
            readings = readings_of(self.reader, self.mapper, some, settled=True)
            self.follow.tally += self.follow.applier.apply(readings)
        if "" in self.keys:
            self._keyless()
        self.keys.clear()
        self._complete()

    def _keyless(self) -> None:
        order = self.reader.without_key()
        if order is not None:
            reading = self.mapper.order(order)
            self.follow.tally += self.follow.applier.apply([reading])

    def _complete(self) -> None:
        """All that was told is written: so is every transaction that has ended by then."""
        if self._ahead is not None:
            self.position, self._ahead = self._ahead, None
        self.note()

    def note(self, *, force: bool = False) -> None:
        follow = self.follow
        if not force and time.monotonic() - self._saved < SAVE_SECONDS:
            return
        seconds = 0.0 if self._idle or not self._at else max(0.0, time.time() - self._at)
        follow.state.save(
            followed=self.position,
            lag_ms=round(seconds * 1000),
        )
        self._saved = time.monotonic()
        follow.on_lag(Lag(self.position, seconds, replace(follow.tally)))


def _fetch(
    account: Account,
    config: Config,
    table: Table,
    start: Position,
    inbox: queue.Queue[News | BaseException],
    ended: threading.Event,
) -> None:
    """Put news into the inbox until told to end; a failure goes the same way."""

    def put(what: News | BaseException) -> bool:
        while not ended.is_set():
            try:
                inbox.put(what, timeout=1)
            except queue.Full:
                continue
            return True
        return False

    try:
        for some in news(account, config, table, start):
            if not put(some):
                return
    except BaseException as error:  # noqa: BLE001 -- handed to the thread that can act on it
        put(error)
