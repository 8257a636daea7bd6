"""cutover: the switch as a checklist. The databases' own answers decide about each step."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from orders.aws import items
from orders.domain import saga
from orders.domain.order import OrderKey
from spillway.errors import SpillwayError, UsageError
from spillway.migrate.new.state import place_of
from spillway.migrate.old.connection import connected, run
from spillway.migrate.running import Parts
from spillway.operate.orders import resuming

COMMAND_SECONDS_MAX = 300
POLL_SECONDS = 0.5

#: The step, what was found, and whether it is done; None for a step that a rehearsal leaves out.
OnStep = Callable[[str, str, bool | None], None]
#: Whether a step is done, and what was found.
Outcome = tuple[bool | None, str]


@dataclass(frozen=True, slots=True)
class Cutover:
    parts: Parts
    on_step: OnStep
    dry_run: bool = False
    hand_over: bool = False
    accept_quarantined: bool = False
    sample: int | None = None

    def run(self) -> bool:
        """Whether the switch is made. After a step that fails, all is as it was before."""
        steps = (
            ("copy complete", self._copied),
            ("follow is running", self._following),
            ("quarantine", self._quarantine),
            ("old service read-only", self._read_only),
            ("lag is zero", self._caught_up),
            ("both sides agree", self._verified),
            ("switch", self._switch),
            ("open orders", self._open_orders),
        )
        for name, step in steps:
            done, detail = step()
            self.on_step(name, detail, done)
            if done is False:
                return False
        return not self.dry_run

    def _copied(self) -> Outcome:
        standing = self.parts.state.standing()
        if standing.phase == "switched":
            return False, "the switch was made before"
        return standing.phase == "following", f"{standing.copied:,} orders"

    def _following(self) -> Outcome:
        standing = self.parts.state.standing()
        if not standing.at_work("follow"):
            return False, "start `spillway migrate follow` in another terminal"
        return True, f"{standing.lag_ms / 1000:.1f} s behind, by {standing.owner}"

    def _quarantine(self) -> Outcome:
        count = len(self.parts.quarantined())
        if count == 0:
            return True, "empty"
        detail = f"{count:,} orders, see {self.parts.config.quarantine_file}"
        if self.accept_quarantined:
            return True, f"{detail}: accepted"
        return self.dry_run, f"{detail}: fix them, or pass --accept-quarantined"

    def _read_only(self) -> Outcome:
        """Read-only by the server's own setting, or at least no change for a while."""
        settings = self.parts.config.cutover
        if self.dry_run:
            return None, " ".join(settings.read_only_command) or "you would make it read-only now"
        _run(settings.read_only_command, "nothing was switched")
        deadline = time.monotonic() + settings.wait_seconds_max
        seen, since = self.parts.position(), time.monotonic()
        while time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            now = self.parts.position()
            if now != seen:
                seen, since = now, time.monotonic()
            if time.monotonic() - since >= settings.quiet_seconds:
                if self._server_is_read_only():
                    return True, f"read_only is on, and nothing was written since {seen}"
                quiet = f"nothing was written for {settings.quiet_seconds} s"
                return True, f"{quiet} (read_only is off)"
        return False, f"still written to after {settings.wait_seconds_max} s: make it read-only"

    def _caught_up(self) -> Outcome:
        if self.dry_run:
            lag = self.parts.state.standing().lag_ms / 1000
            return None, f"{lag:.1f} s now; the switch waits for the end of the log"
        goal = self.parts.position()
        if not self.parts.settle():
            return False, f"`follow` did not reach {goal}"
        return True, f"everything up to {goal} is written"

    def _verified(self) -> Outcome:
        work = self.parts.verify(lambda _stage, _count: None)
        verdict = work.compare(self.sample)
        what = "of a sample" if verdict.sampled else "in all"
        if verdict.clean:
            return True, f"{verdict.old_orders:,} orders {what}, no difference"
        return False, f"{len(verdict.differences):,} differ: see `spillway migrate verify`"

    def _switch(self) -> Outcome:
        command = self.parts.config.cutover.switch_command
        if self.dry_run:
            return None, " ".join(command) or "you would send the customers to the new service"
        if (
            self.parts.position() != self.parts.state.standing().followed
            and not self.parts.settle()
        ):
            return False, "the old service was written to again"
        # From here on neither copy nor follow may write: the follower notices and ends.
        self.parts.state.switch()
        _run(
            command, "the migration has switched, so run it yourself, then `spillway migrate back`"
        )
        detail = "" if command else "; now send the customers to the new service"
        return True, f"the migration writes no more{detail}. Next: `spillway migrate back`"

    def _open_orders(self) -> Outcome:
        still_open = self._still_open()
        count = f"{len(still_open):,}"
        if self.dry_run or not self.hand_over:
            detail = f"{count} are for the saga to finish: --hand-over"
            return None, detail if still_open else "none"
        hand_over(self.parts, still_open)
        return True, f"{count} handed over to the saga"

    def _still_open(self) -> list[OrderKey]:
        keys = [items.progress_key(place_of(item)) for item in self.parts.state.listed("open")]
        progress = self.parts.writer.get(self.parts.place.orders_table, keys)
        return [items.key_of(item) for item in progress if saga.owed(items.facts(item))]

    def _server_is_read_only(self) -> bool:
        with connected(self.parts.account) as connection:
            return run(connection, "SELECT @@global.read_only")[0][0] == "1"


def hand_over(parts: Parts, keys: list[OrderKey]) -> None:
    """Have the watchdog send what each order owes. Safe to repeat: every downstream sees one key.

    SpillwayError: the configuration names no watchdog queue, or the queue did not take all.
    """
    url = parts.place.watchdog_queue_url
    if url is None:
        raise UsageError("Name the watchdog's queue as target.watchdog_queue_url.")
    resuming.hand_over(parts.place.patient("sqs"), url, keys)


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
