"""follow: migrate what changes in the old table, from the position where the copy began.

It reads each order that the binary log reports from the table as it is now, at least once. The
position in the state table is always the end of a transaction with all its orders written.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass, field

from pymysql.err import MySQLError

from spillway.errors import SpillwayError
from spillway.migrate.new.applying import Tally
from spillway.migrate.new.state import Standing
from spillway.migrate.old.binlog import COPY_AGAIN, ConnectionLost, DisplacedError, News, news
from spillway.migrate.old.connection import SourceAway
from spillway.migrate.old.keys import Logged
from spillway.migrate.old.position import Position, position_now
from spillway.migrate.old.table import KEYS_MAX, OldTable
from spillway.migrate.old.watched import watched
from spillway.migrate.running import Parts

#: News that wait for the work; when it is full, the server waits.
NEWS_MAX = 2_000
WAIT_SECONDS = 0.25
SAVE_SECONDS = 1.0
#: The server speaks each second: it is silent when it did not for this long.
SILENT_SECONDS = 5.0
#: How often the end of the log is asked for, and how often the log may say that it ends elsewhere.
PROOF_SECONDS = 10.0
ENDS_SAID_MAX = 15
DISPLACED_MAX = 3
RECONNECT_SECONDS_MIN = 0.5
RECONNECT_SECONDS_MAX = 15.0

Inbox = queue.Queue[News | BaseException]


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind. `seconds` is the age of the last change that was written, 0 at the end.
    `silent`: so long the server has said nothing, and nobody knows. 0 while it speaks."""

    position: Position | None
    seconds: float
    tally: Tally
    problem: str = ""
    silent: float = 0.0


OnLag = Callable[[Lag], None]


@dataclass(slots=True)
class Follow:
    parts: Parts
    on_lag: OnLag
    stop: threading.Event = field(default_factory=threading.Event)
    proof_seconds: float = PROOF_SECONDS
    tally: Tally = field(default_factory=Tally)
    _pause: float = RECONNECT_SECONDS_MIN
    _times_displaced: int = 0

    def run(self, *, until_caught_up: bool = False) -> Tally:
        """Endless, or until all changes from before its start are written."""
        with self.parts.state.lease("follow", ["following"]) as standing:
            standing.check_reads(self.parts.config.reads)
            goal: Position | None = None
            while not self.stop.is_set():
                try:
                    with self.parts.old_table() as old:
                        check_server(standing.server, old.table.server_id)
                        if until_caught_up and goal is None:
                            goal = position_now(old.connection)
                        # From the last complete transaction: an earlier round noted it.
                        standing = self.parts.state.standing()
                        position = self._follow(old, standing, goal)
                        if goal is not None and position.reached(goal):
                            return self.tally
                except (ConnectionLost, SourceAway) as away:
                    if isinstance(away, DisplacedError):
                        self.displaced(away)
                    self.on_lag(Lag(standing.followed, 0.0, self.tally, str(away)))
                    self.stop.wait(self._pause)
                    self._pause = min(RECONNECT_SECONDS_MAX, self._pause * 2)
        return self.tally

    def displaced(self, other: DisplacedError) -> None:
        """By `cutover`, which reads the log behind the switch; or by somebody else, whom we would
        displace in turn, and so on for ever."""
        # Raises `Switched` where it was the former.
        self.parts.state.save(work="follow")
        self._times_displaced += 1
        if self._times_displaced == DISPLACED_MAX:
            raise SpillwayError(str(other)) from other

    def _follow(self, old: OldTable, standing: Standing, goal: Position | None) -> Position:
        """Where it ended: at the goal, by `stop`, or because the table's columns changed."""
        start = standing.followed
        if start is None:
            raise SpillwayError("The copy noted no position in the binary log: run it again.")
        table = watched(old.connection, self.parts.config)
        by_place = standing.described is not None
        work = Work(self, old, table.at, start, standing.log_made, by_place=by_place)
        log = news(
            self.parts.account,
            self.parts.config,
            table,
            start,
            log_made=standing.log_made,
            described=standing.described,
        )
        inbox: Inbox = queue.Queue(NEWS_MAX)
        ended = threading.Event()
        threading.Thread(target=_fetch, args=(log, inbox, ended), daemon=True).start()
        try:
            while not self.stop.is_set():
                try:
                    some = inbox.get(timeout=WAIT_SECONDS if not work.keys else 0)
                except queue.Empty:
                    work.write()
                    continue
                if isinstance(some, BaseException):
                    # The old database may be away for this too: then it is read again.
                    with suppress(SpillwayError, MySQLError):
                        work.write()
                    work.note(force=True)
                    raise some
                self._pause = RECONNECT_SECONDS_MIN
                work.take(some, latest=inbox.empty())
                if some.schema_changed or (goal is not None and work.reached(goal)):
                    break
            work.write()
            work.note(force=True)
        finally:
            ended.set()
        return work.position


@dataclass(slots=True)
class Work:
    """What the log has reported and is not written yet."""

    follow: Follow
    old: OldTable
    described: Position
    position: Position
    log_made: int | None
    #: Rows were read by their columns' places, and not by their names.
    by_place: bool = False
    began: float = field(default_factory=time.time)
    keys: dict[Logged, None] = field(default_factory=dict)
    _ahead: Position | None = None
    _ahead_made: int | None = None
    #: The end of the last transaction that changed the table, and whether one is under way.
    _changed: Position | None = None
    _changed_at: int = 0
    _changing: bool = False
    _heard_at: float | None = None
    #: Where the log must come to, because it ends there, and how often it said since then that it
    #: has nothing more.
    _end: Position | None = None
    _ends_said: int = 0
    _asked: float = field(default_factory=time.monotonic)
    _at: int = 0
    _idle: bool = False
    _saved: float = 0.0

    def take(self, news: News, *, latest: bool = True) -> None:
        """`latest`: nothing was heard since, so that this says what the server says now."""
        self.keys |= dict.fromkeys(news.keys)
        self._idle = news.idle
        self.by_place = news.by_place
        self._heard_at = time.time()
        self._changing = self._changing or bool(news.keys)
        if not news.idle:
            self._at = news.at
            self._ends_said = 0
        if news.position is not None:
            self._ahead, self._ahead_made = news.position, news.log_made
            if self._changing:
                self._changed, self._changing = news.position, False
                self._changed_at = _ms(self._heard_at)
            if news.idle and latest:
                self._prove_heard(news.position)
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
            self.log_made = self._ahead_made
        self.note()

    def _prove_heard(self, heard: Position) -> None:
        """Silence is no proof that nothing changed: a server whose log was reset may go on saying
        that the old one has nothing more. So now and then another connection asks where it ends.
        """
        if self._end is not None:
            self._ends_said += 1
            if heard.reached(self._end):
                self._end = None
            elif self._ends_said >= ENDS_SAID_MAX:
                raise ConnectionLost(f"its log goes on to {self._end}, and says it ends at {heard}")
        elif time.monotonic() - self._asked >= self.follow.proof_seconds:
            self._asked, self._ends_said = time.monotonic(), 0
            self._end = position_now(self.old.connection)
            if not self._end.reached(heard):
                raise SpillwayError(
                    f"The old database's log was reset (it ends at {self._end}, before {heard}):"
                    f" {COPY_AGAIN}"
                )

    def note(self, *, force: bool = False) -> None:
        if not force and time.monotonic() - self._saved < SAVE_SECONDS:
            return
        seconds = 0.0 if self._idle or not self._at else max(0.0, time.time() - self._at)
        silent = time.time() - (self._heard_at or self.began)
        if silent < SILENT_SECONDS:
            silent = 0.0
        values: dict[str, object] = {
            "followed": self.position,
            "log_made": self.log_made,
            "described": self.described if self.by_place else None,
            "lag_ms": _ms(max(seconds, silent)),
        }
        if self._heard_at is not None:
            values["heard_at"] = _ms(self._heard_at)
        if self._changed is not None:
            values |= {"changed": self._changed, "changed_at": self._changed_at}
        self.follow.parts.state.save(**values)
        self._saved = time.monotonic()
        self.follow.on_lag(Lag(self.position, seconds, self.follow.tally, silent=silent))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def check_server(noted: str | None, server_id: str) -> None:
    """By its UUID, which stays when its number is set to another one. MariaDB has none, nor has a
    state of before this version."""
    if noted is None:
        return
    (number, _, uuid), (former, _, former_uuid) = server_id.partition("/"), noted.partition("/")
    same = uuid == former_uuid if uuid and former_uuid else number == former
    if not same:
        raise SpillwayError(
            f"This is another server (id {server_id}, not {noted}), with another binary log:"
            f" {COPY_AGAIN}"
        )


def _fetch(log: Generator[News], inbox: Inbox, ended: threading.Event) -> None:
    """Put news into the inbox until `ended`; and a failure, which the other thread handles."""

    def put(what: News | BaseException) -> None:
        while not ended.is_set():
            with suppress(queue.Full):
                inbox.put(what, timeout=1)
                return

    try:
        with closing(log):
            for some in log:
                put(some)
                if ended.is_set():
                    return
    except BaseException as error:  # noqa: BLE001 -- raised again by the other thread
        put(error)
