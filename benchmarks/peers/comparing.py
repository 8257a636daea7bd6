"""In what each system is better, alike and worse, figure by figure. No verdict is written by hand,
so none outlives its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.pricing import VOLUMES, Priced
from spillway.plan.price_list import Bill
from spillway.plan.tables import UNCONFIRMED
from spillway.ui.formatting import duration

#: As `make peers` writes them.
Results = Mapping[str, Any]

OURS = "spillway"
NAMES = {
    OURS: "Spillway",
    "dbos": "DBOS",
    "temporal": "Temporal",
    "restate": "Restate",
    "durable_functions": "Lambda durable functions",
    "step_functions": "Step Functions",
}
#: What of a system stands for something that its users would not run.
STAND_IN = "stand_in"
#: Two figures are alike unless one is more than so many times the other: less may be the machine's.
ALIKE = 1.25


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure by which systems are compared; less is better unless `more`. `by_emulator`: ours
    is an emulator's, so that it may not be held against another."""

    name: str
    value: Callable[[Results, str], float | None]
    shown: Callable[[float], str]
    more: bool = False
    by_emulator: bool = False


def trial_of(results: Results, system: str, name: str) -> Mapping[str, Any]:
    """Empty where it was not run."""
    found: Mapping[str, Any] = results["systems"].get(system, {}).get("tests", {}).get(name, {})
    return found


def judged(results: Results, system: str, kind: str) -> Mapping[str, Mapping[str, Any]]:
    """The tests of this kind that came to a verdict, by name."""
    return {
        name: one
        for name, one in results["systems"].get(system, {}).get("tests", {}).items()
        if name.partition(":")[0] == kind and "audit" in one
    }


def open_(audit: Mapping[str, int]) -> int:
    """Neither done nor undone, or held open by their system all the same."""
    return audit["lost"] + audit["half_done"] + max(audit["stuck"], audit["unfinished"])


def waited(test: Mapping[str, Any]) -> int:
    """So many orders rested unfinished until a person did something, or still do."""
    return open_(test.get("before_a_person_came", test["audit"]))


#: The kinds of figures about another system, as they are told of.
KINDS = {
    "better": "Better",
    "perhaps": "Perhaps better, as a part of it could not be measured",
    "alike": "Alike",
    "worse": "Worse",
    "not_told": "Not better here, where Spillway's data stays in memory",
}


def compared(
    results: Results, prices: Sequence[Priced], system: str
) -> Mapping[str, Sequence[str]]:
    """By kind: in what it is better, alike and worse than Spillway, each with both figures."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for metric in METRICS:
        theirs, ours = metric.value(results, system), metric.value(results, OURS)
        if theirs is not None and ours is not None:
            kind = _verdict(theirs, ours, more=metric.more)
            if metric.by_emulator and kind != "better":
                kind = "not_told"
            said = f"{metric.name} ({metric.shown(theirs)}, Spillway {metric.shown(ours)})"
            found[kind].append(said)
    for one in prices:
        if one.offer.system == system:
            for kind, ones in _by_price(one, prices[0]).items():
                on = "" if one.offer.name == NAMES[system] else f" on {one.offer.name}"
                found[kind].append(f"the price of a month{on}, for {', '.join(ones)}")
    return found


def _by_price(one: Priced, ours: Priced) -> Mapping[str, Sequence[str]]:
    """The numbers of orders by kind, each with both prices. One that is `at least` so high may be
    higher than ours all the same."""
    found: dict[str, list[str]] = {}
    for orders in VOLUMES:
        price, own = month(one, orders), month(ours, orders)
        if price is not None and own is not None:
            kind = _verdict(price.dollars, own.dollars, more=False)
            if price.at_least and kind != "worse":
                kind = "perhaps"
            found.setdefault(kind, []).append(f"{orders:,} orders ({price}, Spillway {own})")
    return found


def cheaper(prices: Sequence[Priced], orders: int) -> Iterator[Priced]:
    """Those that cost less than Spillway, by more than it takes to differ."""
    ours, *others = prices
    own = ours.bills[orders]
    for one in others:
        bill = one.bills[orders]
        if bill is not None and own is not None and bill.dollars * ALIKE < own.dollars:
            yield one


@dataclass(frozen=True, slots=True)
class Month:
    """A month's price as it is shown."""

    at_least: bool
    bill: Bill

    @property
    def dollars(self) -> float:
        return self.bill.dollars

    def __str__(self) -> str:
        mark = "" if self.bill.confirmed else UNCONFIRMED
        amount = f"{self.dollars:,.2f}" if self.dollars < 100 else f"{self.dollars:,.0f}"
        return f"{'≥ ' if self.at_least else ''}${amount}{mark}"


def month(one: Priced, orders: int) -> Month | None:
    bill = one.bills[orders]
    return None if bill is None else Month(one.offer.at_least, bill)


def _verdict(theirs: float, ours: float, *, more: bool) -> str:
    best, other = (ours, theirs) if more else (theirs, ours)
    if best * ALIKE < other:
        return "better"
    return "worse" if other * ALIKE < best else "alike"


def _healthy(part: str, figure: str, share: str = "") -> Callable[[Results, str], float | None]:
    def value(results: Results, system: str) -> float | None:
        found = trial_of(results, system, "healthy").get(part, {}).get(figure)
        figures: float | None = found[share] if found and share else found
        return figures

    return value


def _of_one_side(test: str) -> bool:
    """It has nothing to stand against: what stands for AWS is not killed, and Spillway's code was
    never changed carelessly."""
    return test.endswith((": server", ": careless"))


def slowest(kind: str) -> Callable[[Results, str], float | None]:
    """Of the tests of a kind, if all was well again after each of them."""

    def value(results: Results, system: str) -> float | None:
        tests = judged(results, system, kind).items()
        found = [one["seconds_until_whole"] for name, one in tests if not _of_one_side(name)]
        return max(found) if found and None not in found else None

    return value


def _waiting(results: Results, system: str) -> float | None:
    """In the best of its ways."""
    found = [waited(test) for test in judged(results, system, "changed code").values()]
    return float(min(found)) if found else None


def _found(results: Results, system: str) -> float | None:
    """Orders with which something is wrong at the end of any test that all were put through; of a
    system that was only counted, nothing is known."""
    if not judged(results, system, "killed"):
        return None
    tests = results["systems"][system]["tests"].items()
    audits = [one["audit"] for name, one in tests if "audit" in one and not _of_one_side(name)]
    return float(sum(open_(audit) + audit["doubled"] + audit["wrong"] for audit in audits))


settled = _healthy("paced", "settle_seconds", "p50")

METRICS = (
    Metric(
        "orders lost, half done, stuck, open, doubled or wrong at the end of all common tests",
        _found,
        lambda count: f"{count:.0f}",
    ),
    Metric(
        "answers at a steady rate, p50",
        _healthy("paced", "accept_seconds", "p50"),
        duration,
        by_emulator=True,
    ),
    Metric("orders done at a steady rate, p50", settled, duration, by_emulator=True),
    Metric(
        "orders a second in a crowd",
        _healthy("crowd", "settled_per_second"),
        lambda count: f"{count:.1f}",
        more=True,
        by_emulator=True,
    ),
    Metric(
        "time until all is well after the last kill of the program", slowest("killed"), duration
    ),
    Metric("time until all is well after the outage", slowest("outage"), duration),
    Metric(
        "orders that wait for a person after the best way to change code",
        _waiting,
        lambda count: f"{count:.0f}",
    ),
)
