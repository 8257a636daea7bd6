"""What can go wrong, how often, and what did go wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from simulation.world.chance import Chance


class Fault(StrEnum):
    """Kinds of fault, each with where it strikes.

    At a call to the outside: */
    """

    # At a call of a process to the outside
    CRASH_BEFORE = "crash_before"  # the process dies, the call was never made
    CRASH_AFTER = "crash_after"  # the call had its effect, the process dies without the answer
    REQUEST_LOST = "request_lost"  # an error, and no effect
    ANSWER_LOST = "answer_lost"  # the effect, and an error
    LATE = "late"  # an error, and the effect some time after the caller has given up
    TRIED_TWICE = "tried_twice"  # the first answer is lost and the SDK tries again by itself
    SLOW = "slow"  # just in time for the caller; several of them outlast a worker
    THROTTLED = "throttled"
    PARTLY_TAKEN = "partly_taken"  # a batch request whose answer lists what it did not take
    STALE_READ = "stale_read"  # an eventually consistent read of some seconds ago
    STALE_COUNT = "stale_count"  # a queue's count that lags behind
    ERROR_ANSWER = "error_answer"  # a downstream answers 5xx, 429 or 408, before or after it acted
    # At a delivery
    DUPLICATED = "duplicated"  # a message is received again while its first receiver works on it
    DELAYED = "delayed"  # a message is not found for a while, and others overtake it
    DELETE_LOST = "delete_lost"  # a message that was finished with comes again
    STREAM_REPEATED = "stream_repeated"  # a batch that was relayed comes again
    # At an invocation
    RESULT_LOST = "result_lost"  # the work is done, and the caller hears of an error
    COLD_START = "cold_start"  # another environment: what the module kept is gone
    # At a moment
    OUTAGE = "outage"  # something is down from one moment to another
    MISROUTED = "misrouted"  # a downstream's address answers with something else for a while
    POISON_MESSAGE = "poison_message"
    POISON_RECORD = "poison_record"
    PURGED = "purged"  # somebody empties a command queue
    CLOCK_SKEW = "clock_skew"
    REDRIVEN = "redriven"  # an operator redrives the dead letters, too early or twice
    # At a customer
    RESENT = "resent"  # the order is sent again although it was answered, or side by side
    CANCELLED = "cancelled"
    STRANGER = "stranger"  # another customer asks for the order, or for its cancellation
    CLASH = "clash"  # other content under the same id
    NAMESAKE = "namesake"  # another customer uses the same id


#: Kinds that strike a call, and so have a rate.
AT_CALLS = (
    Fault.CRASH_BEFORE,
    Fault.CRASH_AFTER,
    Fault.REQUEST_LOST,
    Fault.ANSWER_LOST,
    Fault.LATE,
    Fault.TRIED_TWICE,
    Fault.SLOW,
    Fault.THROTTLED,
    Fault.PARTLY_TAKEN,
    Fault.STALE_READ,
    Fault.STALE_COUNT,
    Fault.ERROR_ANSWER,
)
AT_DELIVERIES = (
    Fault.DUPLICATED,
    Fault.DELAYED,
    Fault.DELETE_LOST,
    Fault.STREAM_REPEATED,
    Fault.RESULT_LOST,
    Fault.COLD_START,
)


@dataclass(frozen=True, slots=True)
class Injected:
    """One fault that struck: `place` names it in every run of this seed, `at` is virtual ms."""

    place: str
    kind: Fault
    at: int


@dataclass(frozen=True, slots=True)
class Outage:
    """`service` cannot be reached, or fails, from `begins` up to `ends`."""

    service: str
    begins: int
    ends: int
    kind: Fault = Fault.OUTAGE


@dataclass(frozen=True, eq=False, slots=True)
class Kinds:
    """Kinds of fault that can strike one kind of call."""

    kinds: tuple[Fault, ...]


class Faults:
    """All that goes wrong in one schedule.

    `rates`: how likely each kind is where it can strike; after `heal_at` none does. `muted` names
    places where nothing goes wrong although it would: that is how a schedule is shrunk. `forced`
    names the only places where something does, with what: that is how one fault is tried alone.
    """

    def __init__(
        self,
        seed: int,
        rates: dict[Fault, float],
        heal_at: int,
        *,
        outages: Iterable[Outage] = (),
        muted: Collection[str] = frozenset(),
        forced: dict[str, Fault] | None = None,
    ) -> None:
        self.seed = seed
        self.rates = rates
        self.heal_at = heal_at
        self.muted = muted
        self.forced = forced
        self.injected: list[Injected] = []
        self._odds: dict[Kinds, tuple[float, tuple[tuple[float, Fault], ...]]] = {}
        self._outages: dict[str, list[Outage]] = {}
        self._has_outages = False
        for outage in outages:
            self._outages.setdefault(outage.service, []).append(outage)
            self._has_outages = True
        self._struck_outages: set[Outage] = set()

    def drawn(self, kinds: Kinds, chance: Chance) -> Fault | None:
        """Which of these kinds strikes, if any: one number is drawn either way."""
        odds = self._odds.get(kinds)
        if odds is None:
            odds = self._odds[kinds] = self._cumulated(kinds.kinds)
        number = chance()
        if number >= odds[0]:
            return None
        return next(kind for bound, kind in odds[1] if number < bound)

    def strikes(self, kind: Fault, place: str, now: int) -> bool:
        """Whether this fault goes through here; it is remembered if it does."""
        if place in self.muted:
            return False
        self._remember(Injected(place, kind, now))
        return True

    def strikes_at(self, kind: Fault, place: str, now: int) -> bool:
        """Whether this kind strikes at this place, which has a stream of numbers of its own."""
        rate = self.rates.get(kind)
        if now >= self.heal_at:
            return False
        if self.forced is not None:
            return self.forced.get(place) is kind and self.strikes(kind, place, now)
        if not rate or Chance(self.seed, place)() >= rate:
            return False
        return self.strikes(kind, place, now)

    def outage(self, service: str, now: int) -> Outage | None:
        """The outage that this service is in."""
        if not self._has_outages:
            return None
        for outage in self._outages.get(service, ()):
            place = f"{outage.kind} of {service} from {outage.begins}"
            if outage.begins <= now < outage.ends and place not in self.muted:
                if outage not in self._struck_outages:
                    self._struck_outages.add(outage)
                    self._remember(Injected(place, outage.kind, outage.begins))
                return outage
        return None

    def _remember(self, fault: Injected) -> None:
        self.injected.append(fault)

    def _cumulated(self, kinds: tuple[Fault, ...]) -> tuple[float, tuple[tuple[float, Fault], ...]]:
        bound, bounds = 0.0, []
        for kind in kinds:
            rate = self.rates.get(kind, 0.0)
            if rate:
                bound += rate
                bounds.append((bound, kind))
        return bound, tuple(bounds)
