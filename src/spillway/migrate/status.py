"""status: how far the migration is, by its own table, and what needs a person."""

from __future__ import annotations

from dataclasses import dataclass, field

from spillway.migrate.new.quarantine import by_rule
from spillway.migrate.new.state import Standing, State, Verified, now_ms, quarantined_of
from spillway.migrate.running import SETTLE_SECONDS_MAX
from spillway.ui.formatting import age, counted

#: `verify` waits no longer for `follow` either.
LAG_SECONDS_MAX = SETTLE_SECONDS_MAX
#: The server speaks each second, and `follow` asks it where its log ends.
SILENT_SECONDS_MAX = 120
#: A nightly `verify` that was left out once.
UNVERIFIED_SECONDS_MAX = 2 * 86_400

#: By phase, the command that must run then.
_AT_WORK = {"copying": "copy", "following": "follow", "switched": "back"}


@dataclass(frozen=True, slots=True)
class Status:
    """Times are Unix ms."""

    table: str
    now: int
    standing: Standing
    verified: Verified | None
    #: Orders in quarantine, and by rule: an order may break several.
    quarantined: int = 0
    rules: dict[str, int] = field(default_factory=dict)
    #: Migrated orders whose saga has steps left.
    open: int = 0

    @property
    def work(self) -> str:
        """The command that must run in this phase; empty before the copy."""
        if self.standing.phase == "following" and self.at_work("copy"):
            return "copy"
        return _AT_WORK.get(self.standing.phase, "")

    def at_work(self, work: str) -> bool:
        return self.standing.work == work and self.standing.until >= self.now

    @property
    def needs(self) -> list[str]:
        """What needs a person, each with the next step."""
        return [*self._not_running(), *self._waiting(), *self._not_proven()]

    @property
    def next(self) -> str:
        """The next step where nothing is wrong."""
        match self.standing.phase:
            case "new":
                return "`spillway migrate check`, and when it finds nothing to fix, `copy`."
            case "copying":
                return "When the copy is complete, start `spillway migrate follow`."
            case "switched":
                return "`spillway migrate verify --back` each night, for a week without problems."
        if self.verified is None or self.verified.back:
            return "`spillway migrate verify`, now and each night."
        if self.quarantined:
            return "Look at the quarantine; then `spillway migrate cutover --dry-run`."
        return "`spillway migrate cutover --dry-run` the day before the switch."

    def _not_running(self) -> list[str]:
        work, standing = self.work, self.standing
        if not work:
            return []
        if not self.at_work(work):
            also = ": it must not rest for more than 24 hours" if work == "back" else ""
            why = "If it ends again, its last line says why"
            return [f"`spillway migrate {work}` does not run: start it{also}. {why}."]
        if work != "follow":
            return []
        silent = (self.now - max(standing.heard_at, standing.since)) / 1000
        if silent > SILENT_SECONDS_MAX:
            heard = f"The old database's log was last heard {age(silent)} ago"
            return [f"{heard}: `follow` waits for it, and prints why."]
        if standing.lag_ms > LAG_SECONDS_MAX * 1000:
            behind = age(standing.lag_ms / 1000)
            faster = "raise target.write_units_per_second_max, or run it nearer to AWS"
            return [f"`follow` is {behind} behind: {faster}."]
        return []

    def _waiting(self) -> list[str]:
        if not self.standing.waiting:
            return []
        wait = counted(self.standing.waiting, "new or changed order")
        return [f"`back` could not write {wait}: the quarantine's file says why."]

    def _not_proven(self) -> list[str]:
        """`follow` can't know of a change that the log does not have: only `verify` can."""
        if self.work not in ("follow", "back"):
            return []
        command = "verify --back" if self.work == "back" else "verify"
        found = self.verified
        if found is not None and found.back != (self.work == "back"):
            found = None
        if found is not None and found.result != "equal":
            names = (
                f"; `spillway migrate {command}` names each" if found.result == "differs" else ""
            )
            return [f"The last `{command}`: {found.summary}{names}."]
        last = self.standing.since if found is None else found.at
        unproven = (self.now - last) / 1000
        if last and unproven > UNVERIFIED_SECONDS_MAX:
            return [
                f"No `{command}` for {age(unproven)}: run `spillway migrate {command}` each night."
            ]
        return []


def read_status(state: State) -> Status:
    """SpillwayError: no migration has begun."""
    standing, verified = state.standing(), state.verified()
    aside = [quarantined_of(item)[1] for item in state.listed("quarantine")]
    return Status(
        table=state.table,
        now=now_ms(),
        standing=standing,
        verified=verified,
        quarantined=len(aside),
        rules=dict(by_rule(aside).most_common()),
        open=sum(1 for _ in state.listed("open")),
    )
