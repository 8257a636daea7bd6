"""cutover: the switch as a checklist. The databases' own answers decide about each step.

That the old shop is read-only has three sources, and each says what it is worth: the operator's
word (a command, or a typed confirmation), the server's settings, and the binary log, in which no
order of the old table may change any more. Whatever else is written on that server does not count.

The switch itself is one write. All before it changes nothing, and all after it can be repeated: a
cutover that was killed or failed there goes on when it is run again.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from orders.aws import items
from orders.domain import saga
from orders.domain.order import OrderKey
from spillway.errors import SpillwayError, UsageError
from spillway.migrate.new.quarantine import by_rule
from spillway.migrate.new.state import Standing, place_of, quarantined_of
from spillway.migrate.old.binlog import ConnectionLost, news
from spillway.migrate.old.connection import SourceAway, connected
from spillway.migrate.old.guard import Guard, changes_under_way, guard
from spillway.migrate.old.keys import Logged
from spillway.migrate.old.mapping import Reason
from spillway.migrate.old.position import Position
from spillway.migrate.old.replicating import on_its_way
from spillway.migrate.old.watched import watched
from spillway.migrate.running import Parts
from spillway.operate.orders import resuming

COMMAND_SECONDS_MAX = 300
POLL_SECONDS = 0.2
#: For a second the follower may still hold the log, which the server gives to one reader.
LOG_TRIES_MAX = 4
LOG_PAUSE_SECONDS = 1.0
#: So many orders that came too late are named.
NAMED_MAX = 20

_FOLLOW_IS_BEHIND = "`follow` has ended, or does not keep up: `spillway migrate status` says which"

#: The step, what was found, and whether it is done; None for a step that is left out.
OnStep = Callable[[str, str, bool | None], None]
#: Whether a step is done, and what was found.
Outcome = tuple[bool | None, str]
#: Asks whether this table is read-only now.
Confirmed = Callable[[str], bool]


@dataclass(slots=True)
class Cutover:
    parts: Parts
    on_step: OnStep
    confirmed: Confirmed
    dry_run: bool = False
    hand_over: bool = False
    #: The rules whose orders may stay in quarantine.
    accepted: frozenset[str] = frozenset()
    sample: int | None = None
    #: Since here the table has not changed.
    _quiet_since: Position | None = None
    #: Orders that the old shop took or changed after the switch.
    _late: list[str] = field(default_factory=list)

    def run(self) -> bool:
        """Whether every step is done, or left out by a rehearsal. After a step that fails before
        the switch, all is as it was."""
        if self.hand_over:
            _watchdog_of(self.parts)
        before = (
            ("copy complete", self._copied),
            ("follow is running", self._following),
            ("quarantine", self._quarantine),
            ("old shop read-only", self._read_only),
            ("lag is zero", self._caught_up),
            ("both sides agree", self._verified),
        )
        if self._standing().phase != "switched":
            for name, step in before:
                if not self._done(name, step):
                    return False
        if not self._done("switch", self._switch):
            return False
        after = (("nothing came late", self._nothing_late), ("open orders", self._open_orders))
        # All of them: what came late holds up no other order.
        done = [self._done(name, step) for name, step in after]
        return all(done)

    def _done(self, name: str, step: Callable[[], Outcome]) -> bool:
        """Not refused: done, or left out."""
        done, detail = step()
        self.on_step(name, detail, done)
        return done is not False

    def _standing(self) -> Standing:
        return self.parts.state.standing()

    def _copied(self) -> Outcome:
        standing = self._standing()
        return standing.phase == "following", f"{standing.copied:,} orders"

    def _following(self) -> Outcome:
        standing = self._standing()
        if not standing.at_work("follow"):
            return False, "start `spillway migrate follow` in another terminal"
        return True, f"{standing.lag_ms / 1000:.1f} s behind, by {standing.owner}"

    def _quarantine(self) -> Outcome:
        listed = map(quarantined_of, self.parts.state.listed("quarantine"))
        done, detail = accepted_in_quarantine([reasons for _, reasons in listed], self.accepted)
        if not done:
            detail += f" (see {self.parts.config.quarantine_file})"
        return done, detail

    def _read_only(self) -> Outcome:
        """Somebody's word or the server's settings, and then the log."""
        settings, source = self.parts.config.cutover, self.parts.config.source
        written = " and ".join(source.written)
        if self.dry_run:
            command = " ".join(settings.read_only_command)
            detail = command or f"you would make {written} read-only now. {self._guard().detail}"
            late = self._on_its_way()
            return None, f"{detail}; {late}" if late else detail
        _run(settings.read_only_command, "nothing was switched")
        found = self._guard()
        if settings.read_only_command:
            word = f"{settings.read_only_command[0]} was run"
        elif found.closed:
            word = "proven by the server"
        elif self.confirmed(source.table):
            word = "confirmed by you"
        else:
            return False, (
                f"not confirmed ({found.detail}): make {written} read-only, then type"
                f" {source.table} here, or pass --read-only-confirmed, or name"
                " cutover.read_only_command"
            )
        # Behind the quiet time again: a replica gets the last order when it gets it.
        problem = self._wait_until_arrived() or self._wait_until_quiet() or self._on_its_way()
        if problem:
            return False, problem
        quiet = f"no order changed for {settings.quiet_seconds:g} s"
        return True, f"{word}; {quiet}; {found.detail}"

    def _guard(self) -> Guard:
        with connected(self.parts.account) as connection:
            return guard(connection, self.parts.config.source.written)

    def _on_its_way(self) -> str:
        with connected(self.parts.account) as connection:
            return on_its_way(connection)

    def _wait_until_arrived(self) -> str:
        """Until a replica has what its source has. Returns why not, or nothing."""
        deadline = time.monotonic() + self.parts.config.cutover.wait_seconds_max
        while (problem := self._on_its_way()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return problem

    def _wait_until_quiet(self) -> str:
        """Until `follow` has read so many seconds of the log without a change of the table. Returns
        why not, or nothing."""
        settings = self.parts.config.cutover
        deadline = time.monotonic() + settings.wait_seconds_max
        quiet_since, since, told = self.parts.position(), time.monotonic(), False
        while time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            if (
                time.monotonic() - since >= settings.quiet_seconds
                and self.parts.settle() != "caught up"
            ):
                return _FOLLOW_IS_BEHIND
            changed = self._standing().changed
            if changed is not None and not quiet_since.reached(changed):
                quiet_since, since = changed, time.monotonic()
                if not told:
                    told = True
                    waits = f"waits {settings.wait_seconds_max} s at most until none does"
                    self.on_step("old shop read-only", f"an order still changes: {waits}", None)
            if time.monotonic() - since >= settings.quiet_seconds:
                self._quiet_since = quiet_since
                return self._under_way()
        return (
            f"an order changed in the last {settings.quiet_seconds:g} s, at {quiet_since}, after"
            f" {settings.wait_seconds_max} s: the old shop still writes"
        )

    def _under_way(self) -> str:
        table = self.parts.config.source.table
        with connected(self.parts.account) as connection:
            if not changes_under_way(connection, table):
                return ""
        return f"a transaction that has changed {table} is still open: end the old shop's workers"

    def _caught_up(self) -> Outcome:
        if self.dry_run:
            lag = self._standing().lag_ms / 1000
            return None, f"{lag:.1f} s now; the switch waits for the end of the log"
        goal = self.parts.position()
        if self.parts.settle() != "caught up":
            return False, _FOLLOW_IS_BEHIND
        return True, f"everything up to {goal} is written"

    def _verified(self) -> Outcome:
        work = self.parts.verify(lambda _stage, _count: None)
        verdict = work.compare(self.sample)
        what = "of a sample" if verdict.sampled else "in all"
        if verdict.clean:
            return True, f"{verdict.old_orders:,} orders {what}, no difference"
        return False, f"{verdict.summary}: see `spillway migrate verify`"

    def _switch(self) -> Outcome:
        command = self.parts.config.cutover.switch_command
        if self.dry_run:
            return None, " ".join(command) or "you would send the customers to the new service"
        standing = self._standing()
        if standing.phase != "switched":
            if problem := self._on_its_way():
                return False, problem
            if self.parts.settle() != "caught up":
                return False, _FOLLOW_IS_BEHIND
            changed, quiet_since = self._standing().changed, self._quiet_since
            if changed is not None and quiet_since is not None and not quiet_since.reached(changed):
                return False, f"an order changed at {changed}: the old shop still writes"
            # From here on neither copy nor follow may write: the follower notices and ends.
            self.parts.state.switch()
        made = "was made before" if standing.phase == "switched" else "the migration writes no more"
        if not standing.sent:
            _run(
                command, "the switch is made: mend it, and run `cutover` again, which goes on here"
            )
            self.parts.state.note_sent()
            made += "" if command else "; now send the customers to the new service"
        return True, f"{made}. Next: `spillway migrate back`"

    def _nothing_late(self) -> Outcome:
        """An order that the old shop took after the switch would be in the old table alone."""
        seconds = self.parts.config.cutover.quiet_seconds
        if self.dry_run:
            return None, f"the log would be watched for {seconds:g} s more"
        time.sleep(seconds)
        for _ in range(LOG_TRIES_MAX):
            try:
                self._late = self._changed_since_the_switch()
                break
            except (ConnectionLost, SourceAway) as error:
                problem = str(error)
            time.sleep(LOG_PAUSE_SECONDS)
        else:
            return False, f"the log could not be read ({problem}): run `cutover` again"
        if not self._late and (problem := self._on_its_way()):
            return False, f"{problem}. Then run `cutover` again"
        if not self._late:
            return True, f"no order changed in {seconds:g} s after the switch"
        named = ", ".join(self._late[:NAMED_MAX])
        more = f" and {len(self._late) - NAMED_MAX:,} more" if len(self._late) > NAMED_MAX else ""
        return False, (
            f"the old shop took or changed {named}{more} after the switch: stop it, and do by hand"
            " in the new service what was done there (`spillway migrate verify --back` names them)"
        )

    def _changed_since_the_switch(self) -> list[str]:
        """The numbers of orders that the log names behind the place where `follow` ended."""
        start = self._standing().followed
        goal = self.parts.position()
        if start is None or start.reached(goal):
            return []
        keys: dict[Logged, None] = {}
        with self.parts.old_table() as old:
            table = watched(old.connection, self.parts.config)
            for one in news(self.parts.account, self.parts.config, table, start):
                keys |= dict.fromkeys(one.keys)
                if one.position is not None and one.position.reached(goal):
                    break
            return sorted(old.names(keys))

    def _open_orders(self) -> Outcome:
        still_open = self._still_open()
        count = f"{len(still_open):,}"
        if not still_open:
            return None, "none"
        if not self.hand_over:
            return None, f"{count} are for the saga to finish: --hand-over"
        # Their age is counted from when the old shop took them.
        rings = "the alarm always-settles may ring until those from hours ago have settled"
        if self.dry_run:
            return None, f"{count} would be handed over to the saga; {rings}"
        hand_over(self.parts, still_open)
        return True, f"{count} handed over to the saga; {rings}"

    def _still_open(self) -> list[OrderKey]:
        """Without those that the old shop has changed since: it still works on them."""
        listed = (
            items.progress_key(place_of(item))
            for item in self.parts.state.listed("open")
            if item["sk"]["S"] not in self._late
        )
        progress = self.parts.writer.get(self.parts.place.orders_table, list(listed))
        return [items.key_of(item) for item in progress if saga.owed(items.facts(item))]


def accepted_in_quarantine(
    orders: Sequence[Sequence[Reason]], accepted: Collection[str]
) -> tuple[bool, str]:
    """An order is accepted where each of its reasons is: a known reason hides no new one."""
    if not orders:
        return True, "empty"
    counts = by_rule(orders)
    listed = ", ".join(f"{count:,} {rule}" for rule, count in counts.most_common())
    detail = f"{len(orders):,} orders ({listed})"
    lacking = sorted(counts.keys() - set(accepted))
    if not lacking:
        return True, f"{detail}: accepted"
    options = " ".join(f"--accept-quarantined {rule}" for rule in lacking)
    return False, f"{detail}: fix them, or pass {options}"


def hand_over(parts: Parts, keys: list[OrderKey]) -> None:
    """Have the watchdog send what each order owes. Safe to repeat: every downstream sees one key.

    SpillwayError: the configuration names no watchdog queue, or the queue did not take all.
    """
    resuming.hand_over(parts.place.patient("sqs"), _watchdog_of(parts), keys)


def _watchdog_of(parts: Parts) -> str:
    url = parts.place.watchdog_queue_url
    if url is None:
        raise UsageError("Name the watchdog's queue as target.watchdog_queue_url.")
    return url


def _run(command: tuple[str, ...], if_it_fails: str) -> None:
    """The operator's own command, where there is one."""
    if not command:
        return
    try:
        subprocess.run(command, check=True, timeout=COMMAND_SECONDS_MAX)  # noqa: S603 -- the operator's own
    except (OSError, subprocess.SubprocessError) as error:
        raise SpillwayError(
            f"{command[0]} failed ({type(error).__name__}): {if_it_fails}."
        ) from error
