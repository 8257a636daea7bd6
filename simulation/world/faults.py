"""What can go wrong, how often, and what did go wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from simulation.world.chance import Chance


class Fault(StrEnum):
    """Kinds of fault, by where they are injected."""

    # At a call of a process to the outside
    CRASH_BEFORE = "crash_before"  # the process dies, the call was never made
    CRASH_AFTER = "crash_after"  # the call had its effect, the process dies without the answer
    REQUEST_LOST = "request_lost"  # an error, and no effect
    ANSWER_LOST = "answer_lost"  # the effect, and an error
    LATE = "late"  # an error, and the effect some time after the caller has given up
    TRIED_TWICE = "tried_twice"  # the first answer is lost and the SDK retries
    SLOW = "slow"  # just in time for the caller; several of them outlast a worker
    THROTTLED = "throttled"
    PARTLY_TAKEN = "partly_taken"  # a batch request whose answer lists what was left out
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
    LATENCY = "latency"  # a downstream takes its time for every answer for a while
    MISROUTED = "misrouted"  # a downstream's address answers with something else for a while
    WRONG_KEY = "wrong_key"  # a downstream does not know our key for a while
    POISON_MESSAGE = "poison_message"
    POISON_RECORD = "poison_record"
    PURGED = "purged"  # an operator empties a command queue
    CLOCK_SKEW = "clock_skew"
    CHECK_FORCED = "check_forced"  # an operator sends and announces again what is owed and true
    REDRIVEN = "redriven"  # an operator redrives the dead letters, too early or twice
    # At a customer
    RESENT = "resent"  # the order is sent again although it was answered, or side by side
    CANCELLED = "cancelled"
    REFUNDED = "refunded"  # the payment goes back, and its receipt is used again
    STRANGER = "stranger"  # another customer asks for the order, or somebody for what is no id
    CLASH = "clash"  # other content under the same id
    NAMESAKE = "namesake"  # another customer uses the same id
    FORGED = "forged"  # an order that does not cost what the store says
    PAID_ONCE = "paid_once"  # another customer sends the order too, with its payment
    DECIDED = "decided"  # an approver decides about an order, or somebody who may not
    LATE_ACT = "late_act"  # somebody does something with an order that settled months ago
    # At a call of the express path
    KEY_IN_USE = "key_in_use"  # a downstream answers that it is at work on this key already
    # At the store
    DAMAGED_BOOK = "damaged_book"  # half of a price book, until it is published again
    # At a downstream that decides later
    OUTCOME_NEVER = "outcome_never"  # it forgets what it has taken
    TOLD_NEVER = "told_never"  # its message is lost
    TOLD_LATE = "told_late"  # minutes or hours after it has decided
    TOLD_TWICE = "told_twice"
    TOLD_EARLY = "told_early"  # before it has answered that it takes the command
    MISDIRECTED = "misdirected"  # about another order, or what it was never commanded
    FORGED_OUTCOME = "forged_outcome"  # somebody else's message
    CONTRADICTED = "contradicted"  # other news of the same parcel


_KINDS = tuple(Fault)
_FIRST_AT_DELIVERIES, _FIRST_AT_MOMENTS = map(_KINDS.index, (Fault.DUPLICATED, Fault.OUTAGE))
#: Kinds that are injected into a call, and so have a rate.
AT_CALLS = _KINDS[:_FIRST_AT_DELIVERIES]
#: At a downstream that decides later: each has a rate where a schedule has one.
AT_DECISIONS = _KINDS[_KINDS.index(Fault.OUTCOME_NEVER) : _KINDS.index(Fault.CONTRADICTED)]
#: At fulfilment when it tells of parcels.
AT_NEWS = _KINDS[_KINDS.index(Fault.TOLD_NEVER) :]
#: And into a delivery or an invocation.
AT_DELIVERIES = _KINDS[_FIRST_AT_DELIVERIES:_FIRST_AT_MOMENTS]


@dataclass(frozen=True, slots=True)
class Injected:
    """One injected fault: `place` names it in every run of this seed, `at` is virtual ms."""

    place: str
    kind: Fault
    at: int


@dataclass(frozen=True, slots=True)
class Outage:
    """`service` cannot be reached, or fails, from `begins` up to `ends`. If its `kind` is LATENCY,
    an answer takes `latency_ms`."""

    service: str
    begins: int
    ends: int
    kind: Fault = Fault.OUTAGE
    latency_ms: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Kinds:
    """Kinds of fault that can hit one kind of call."""

    kinds: tuple[Fault, ...]


#: Of every call that changes something on AWS.
WRITE_KINDS = Kinds(
    (
        Fault.CRASH_BEFORE,
        Fault.CRASH_AFTER,
        Fault.REQUEST_LOST,
        Fault.ANSWER_LOST,
        Fault.LATE,
        Fault.TRIED_TWICE,
        Fault.SLOW,
        Fault.THROTTLED,
    )
)
BATCH_WRITE_KINDS = Kinds((*WRITE_KINDS.kinds, Fault.PARTLY_TAKEN))
#: Of a request over HTTP that has an effect.
HTTP_WRITE_KINDS = Kinds(
    (
        Fault.CRASH_BEFORE,
        Fault.CRASH_AFTER,
        Fault.REQUEST_LOST,
        Fault.ANSWER_LOST,
        Fault.LATE,
        Fault.SLOW,
        Fault.ERROR_ANSWER,
    )
)
#: The same of a request of the express path, for which a schedule may have rates of its own.
EXPRESS_KINDS = Kinds((*HTTP_WRITE_KINDS.kinds, Fault.KEY_IN_USE))


class Faults:
    """All that goes wrong in one schedule.

    `rates`: how likely each kind is where it can occur; none after `heal_at`. `express_rates` are
    in place of them at calls of the express path.

    A schedule is shrunk with `only`: of the injected faults, these places are left, and nothing
    else goes wrong. One fault is tried alone with `forced`: by place, with nothing left to chance;
    `visited` then lists each place and what could have been injected there.
    """

    def __init__(
        self,
        seed: int,
        rates: Mapping[Fault, float],
        heal_at: int,
        *,
        express_rates: Mapping[Fault, float] | None = None,
        outages: Iterable[Outage] = (),
        only: Collection[str] | None = None,
        forced: Mapping[str, Fault] | None = None,
    ) -> None:
        self.seed = seed
        self.rates = rates
        self.express_rates = rates if express_rates is None else express_rates
        self.heal_at = heal_at
        self.only = only
        self.forced = forced
        self.injected: list[Injected] = []
        self.visited: list[tuple[str, tuple[Fault, ...]]] = []
        self._odds: dict[Kinds, tuple[float, tuple[tuple[float, Fault], ...]]] = {}
        self._outages: dict[str, list[Outage]] = {}
        self._injected_outages: set[Outage] = set()
        for outage in outages:
            self.add(outage)
        self._quiet = not (rates or express_rates or self._outages) and forced is None

    def add(self, outage: Outage) -> None:
        self._outages.setdefault(outage.service, []).append(outage)
        self._quiet = False

    def at_call(
        self, kinds: Kinds, service: str, name: Callable[[], str], chance: Chance, now: int
    ) -> Fault | None:
        """The fault for a call, if any. `name` makes the place's name, where one is needed."""
        if self._quiet:
            return None
        if self.forced is not None:
            place = name()
            self.visited.append((place, kinds.kinds))
            kind = self.forced.get(place)
        else:
            kind = self.drawn(kinds, chance)
            if self.outage(service, now) is not None:
                return Fault.OUTAGE
            place = "" if kind is None else name()
        return kind if kind is not None and self.injects(kind, place, now) else None

    def drawn(self, kinds: Kinds, chance: Chance) -> Fault | None:
        """Which of these kinds is injected, if any: one number is drawn either way."""
        odds = self._odds.get(kinds)
        if odds is None:
            rates = self.express_rates if kinds is EXPRESS_KINDS else self.rates
            odds = self._odds[kinds] = _cumulated(kinds.kinds, rates)
        number = chance()
        if number >= odds[0]:
            return None
        return next(kind for bound, kind in odds[1] if number < bound)

    def injects(self, kind: Fault, place: str, now: int) -> bool:
        """Whether this fault goes through here; it is remembered if it does."""
        if not self.allows(place):
            return False
        self.injected.append(Injected(place, kind, now))
        return True

    def allows(self, place: str) -> bool:
        return self.only is None or place in self.only

    def injects_at(self, kind: Fault, now: int, *place: str) -> bool:
        """Whether this kind is injected at this place, which has its own stream of numbers. The
        parts of the place's name are put together only where that is needed."""
        if now >= self.heal_at or (self.forced is None and kind not in self.rates):
            return False
        return self._injects_at(kind, now, "".join(place))

    def _injects_at(self, kind: Fault, now: int, place: str) -> bool:
        if self.forced is not None:
            self.visited.append((place, (kind,)))
            return self.forced.get(place) is kind and self.injects(kind, place, now)
        if Chance(self.seed, place)() >= self.rates[kind]:
            return False
        return self.injects(kind, place, now)

    def outage(self, service: str, now: int) -> Outage | None:
        """The outage that this service is in."""
        for outage in self._outages.get(service, ()):
            place = f"{outage.kind} of {service} from {outage.begins}"
            if outage.begins <= now < outage.ends and self.allows(place):
                if outage not in self._injected_outages:
                    self._injected_outages.add(outage)
                    self.injected.append(Injected(place, outage.kind, outage.begins))
                return outage
        return None


def _cumulated(
    kinds: tuple[Fault, ...], rates: Mapping[Fault, float]
) -> tuple[float, tuple[tuple[float, Fault], ...]]:
    bound, bounds = 0.0, []
    for kind in kinds:
        rate = rates.get(kind, 0.0)
        if rate:
            bound += rate
            bounds.append((bound, kind))
    return bound, tuple(bounds)
