"""follow: migrate what changes in the old table, from the position where the copy began.

It reads each order that the binary log reports from the table as it is now, at least once. The
position in the state table is always the end of a transaction with all its orders written.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from spillway.errors import SpillwayError
from spillway.migrate.new.applying import Tally
from spillway.migrate.old.binlog import ConnectionLost, News, news
from spillway.migrate.old.connection import SourceAway
from spillway.migrate.old.keys import Logged
from spillway.migrate.old.table import KEYS_MAX, OldTable, Position, Table, position_now
from spillway.migrate.running import Parts

#: News that wait for the work; when it is full, the server waits.
NEWS_MAX = 2_000
WAIT_SECONDS = 0.25
SAVE_SECONDS = 1.0
RECONNECT_SECONDS_MIN = 0.5
RECONNECT_SECONDS_MAX = 15.0

Inbox = queue.Queue[News | BaseException]


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
    parts: Parts
    on_lag: OnLag
    stop: threading.Event = field(default_factory=threading.Event)
    tally: Tally = field(default_factory=Tally)
    _pause: float = RECONNECT_SECONDS_MIN

    def run(self, *, until_caught_up: bool = False) -> Tally:
        """Endless, or until all changes from before its start are written."""
        with self.parts.state.lease("follow", ["following"]) as standing:
            position = standing.followed
            if position is None:
                raise SpillwayError("The copy noted no position in the binary log: run it again.")
            goal: Position | None = None
            while not self.stop.is_set():
                try:
                    with self.parts.old_table() as old:
                        _check_server(standing.server, old.table)
                        if until_caught_up and goal is None:
                            goal = position_now(old.connection)
                        position = self._follow(old, position, goal)
                        if goal is not None and position.reached(goal):
                            return self.tally
                except (ConnectionLost, SourceAway) as away:
                    # From the last complete transaction: `_follow` noted it.
                    position = self.parts.state.standing().followed or position
                    self.on_lag(Lag(position, 0.0, self.tally, str(away)))
                    self.stop.wait(self._pause)
                    self._pause = min(RECONNECT_SECONDS_MAX, self._pause * 2)
        return self.tally

    def _follow(self, old: OldTable, start: Position, goal: Position | None) -> Position:
        """Where it ended: at the goal, by `stop`, or because the table's columns changed."""
        work = _Work(self, old, start)
        inbox: Inbox = queue.Queue(NEWS_MAX)
        ended = threading.Event()
        fetched = (self.parts, old.table, start, inbox, ended)
        threading.Thread(target=_fetch, args=fetched, daemon=True).start()
        try:
            while not self.stop.is_set():
                try:
                    news = inbox.get(timeout=WAIT_SECONDS if not work.keys else 0)
                except queue.Empty:
                    work.write()
                    continue
                if isinstance(news, BaseException):
                    raise news
                self._pause = RECONNECT_SECONDS_MIN
                work.take(news)
                if news.schema_changed or (goal is not None and work.reached(goal)):
                    break
            work.write()
            work.note(force=True)
        finally:
            ended.set()
        return work.position


@dataclass(slots=True)
class _Work:
    """What the log has reported and is not written yet."""

    follow: Follow
    old: OldTable
    position: Position
    keys: dict[Logged, None] = field(default_factory=dict)
    _ahead: Position | None = None
    #: The end of the last transaction that changed the table, and whether one is under way.
    _changed: Position | None = None
    _changing: bool = False
    _at: int = 0
    _idle: bool = False
    _saved: float = 0.0

    def take(self, news: News) -> None:
        self.keys |= dict.fromkeys(news.keys)
        self._idle = news.idle
        self._changing = self._changing or bool(news.keys)
        if not news.idle:
            self._at = news.at
        if news.position is not None:
            self._ahead = news.position
            if self._changing:
                self._changed, self._changing = news.position, False
        if len(self.keys) >= KEYS_MAX:
            self.write()
        elif not self.keys:
            self._complete()

    def reached(self, goal: Position) -> bool:
        if self._ahead is not None and self._ahead.reached(goal):
            self.write()
        return self.position.reached(goal)

    def write(self) -> None:
        apply = self.follow.parts.applier.apply
        for readings in self.old.readings(self.old.names(self.keys), settled=True):
            self.follow.tally += apply(readings)
        self.keys.clear()
        self._complete()

    def _complete(self) -> None:
        """All that was reported is written, and so is every transaction that has ended by then."""
        if self._ahead is not None:
            self.position, self._ahead = self._ahead, None
        self.note()

    def note(self, *, force: bool = False) -> None:
        if not force and time.monotonic() - self._saved < SAVE_SECONDS:
            return
        seconds = 0.0 if self._idle or not self._at else max(0.0, time.time() - self._at)
        changed = {} if self._changed is None else {"changed": self._changed}
        lag_ms = round(seconds * 1000)
        self.follow.parts.state.save(followed=self.position, lag_ms=lag_ms, **changed)
        self._saved = time.monotonic()
        self.follow.on_lag(Lag(self.position, seconds, self.follow.tally))


def _check_server(noted: str | None, table: Table) -> None:
    if noted is not None and noted != table.server_id:
        raise SpillwayError(
            f"This is another server (id {table.server_id}, not {noted}), with another binary log:"
            " run `spillway migrate copy --again`. Nothing is lost."
        )


def _fetch(
    parts: Parts, table: Table, start: Position, inbox: Inbox, ended: threading.Event
) -> None:
    """Put news into the inbox until `ended`; and a failure, which the other thread handles."""

    def put(what: News | BaseException) -> None:
        while not ended.is_set():
            with suppress(queue.Full):
                inbox.put(what, timeout=1)
                return

    try:
        for some in news(parts.account, parts.config, table, start):
            put(some)
            if ended.is_set():
                return
    except BaseException as error:  # noqa: BLE001 -- raised again by the other thread
        put(error)
