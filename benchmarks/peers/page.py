"""docs/compared.md and its pictures, from the record of a run.

`python -m benchmarks.peers.page` writes them again from the record that is there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import tables
from benchmarks.peers.audit import KINDS as FINDINGS
from benchmarks.peers.commands import RETRY_MAX_SECONDS
from benchmarks.peers.comparing import (
    ALIKE,
    KINDS,
    NAMES,
    OURS,
    STAND_IN,
    Results,
    cheaper,
    compared,
    judged,
    month,
    open_,
    settled,
    slowest,
    trial_of,
    waited,
)
from benchmarks.peers.counting import COUNTED
from benchmarks.peers.pictures import Dot, Group, svg
from benchmarks.peers.pricing import (
    ACTIONS,
    BUSY,
    BUSY_AT_PEAK,
    MEMORY_SPARE,
    PEAK,
    PUBLIC_ACTIONS_MAX,
    VOLUMES,
    Book,
    Priced,
)
from benchmarks.peers.trials import CHANGED_STALL_SECONDS, KILLED_ROUNDS
from spillway.paths import PROJECT
from spillway.plan.docs import DOCS, filled
from spillway.plan.price_list import priced
from spillway.plan.tables import UNCONFIRMED, Table
from spillway.ui.formatting import counted, duration

PAGE = DOCS / "compared.md"
RECORD = DOCS / "measured" / "peers.json"
PRICE_PICTURE, FAULTS_PICTURE = DOCS / "compared-price.svg", DOCS / "compared-faults.svg"
#: By the kind of a test: its heading, and what happens in it.
TESTS = {
    "healthy": (
        "Where all is well",
        "A crowd of customers, then a steady rate. Downstreams refuse some commands.",
    ),
    "killed": (
        "Killed after every side effect",
        (
            "A process dies when a step is done and before its answer arrives, and is started"
            " again: once after each of the six steps, while orders come at a steady rate, and then"
            f" not until all is well. The slowest of {KILLED_ROUNDS} such rounds counts."
        ),
    ),
    "answers lost": (
        "Answers lost",
        "A fifth of the downstreams' answers never arrive, though what they tell of is done.",
    ),
    "outage": ("Accounting out for five minutes", "The orders are placed while it is."),
    "changed code": (
        "Code changed under running orders",
        (
            "An order is now booked before it is shipped. Half of the orders began with the old"
            " code. Where orders wait for a person, one comes when nothing has moved for"
            f" {CHANGED_STALL_SECONDS:.0f} s, and the time counts that too. A careless way was"
            " tried of the engines alone: fulfilment's queue was empty, as Spillway's change asks."
        ),
    ),
}
#: Whose figures are not of what its users would run.
IN_ITS_PLACE = {
    "temporal": ", of which its development server ran in the place of a cluster",
    "restate": ", of which one node ran in the place of a cluster",
}
#: By the kind of a test: why an engine on a server may be well again sooner.
LATER = {
    "killed": (
        "After a kill",
        (
            "a queue is not told that a function died. It brings the order back once that function"
            " could run no longer."
        ),
    ),
    "outage": (
        "After the outage",
        (
            "what waits for a downstream is tried again ever less often, because a queue counts the"
            " tries, and each is paid for. The others were told to wait"
            f" {RETRY_MAX_SECONDS:.0f} s at most, on a server that is paid for anyway."
        ),
    ),
}
#: Whose price is worked out line by line.
MILLION = 1_000_000
WORKED_OUT = ("DBOS", MILLION)


def recorded() -> Results:
    """The last run that was kept; none was where there is no record."""
    if not RECORD.exists():
        return {"machine": {}, "systems": {}}
    found: Results = json.loads(RECORD.read_text())
    return found


def written(results: Results) -> Mapping[Path, str]:
    """The page and its pictures, by file."""
    book = Book(results)
    prices = book.priced()
    return {
        PAGE: filled(
            PAGE,
            run=_run(results),
            short=_short(results, prices),
            when_not=_bullets(_when_not(results, prices)),
            became=_became(results),
            speed=_speed(results),
            prices=_prices(book, prices),
            rules=_bullets(_rules(results)),
        ),
        PRICE_PICTURE: svg("What a month costs", [*_price_groups(prices)]),
        FAULTS_PICTURE: svg("How long until all is well again", [*_fault_groups(results)]),
    }


def _run(results: Results) -> str:
    ran = [name for name in NAMES if "crowd" in trial_of(results, name, "healthy")]
    only = [name for name in NAMES if "fulfilled" in trial_of(results, name, "healthy")]
    if not ran:
        return "**No run has been recorded yet**: there are only prices so far.\n"
    real, made_up = results["orders"]["real"], results["orders"]["made_up"]
    said = (
        f"{_named(ran)} ran, each with {real + made_up:,} orders in the first test, {real:,} of"
        f" them real, and the first of these in the others. {tables.of_the_run(results)}"
    )
    return said + (f" What an order takes of {_named(only)} was counted.\n" if only else "\n")


def _short(results: Results, prices: Sequence[Priced]) -> str:
    """Of each peer, what it is better at first."""
    what = (
        f"Beside Spillway a figure is better or worse by more than {ALIKE:g} times, or alike. Times"
        " are of this machine, where Spillway runs on [an emulator of AWS]"
        "(#speed-and-what-it-takes)."
    )
    lines = [what]
    for system, name in NAMES.items():
        found = {} if system == OURS else compared(results, prices, system)
        if any(found.values()):
            lines.append(f"\n**{name}**{IN_ITS_PLACE.get(system, '')}\n")
            lines += [
                f"- {KINDS[kind]}: {'; '.join(said)}." for kind, said in found.items() if said
            ]
    return "\n".join(lines) + "\n"


def _program_lines(results: Results) -> str:
    """How much a user of each wrote for this process."""
    lines = {name: one.get("program_lines") for name, one in results["systems"].items()}
    said = [f"{count} lines with {NAMES[name]}" for name, count in lines.items() if count]
    return f" This one took {_listed(said)}." if said else ""


def _when_not(results: Results, prices: Sequence[Priced]) -> Iterator[str]:
    """What has a figure; the page has the others."""
    yield (
        "**Your process is another one.** Spillway knows one: reserve, then ship and post, and how"
        " each is undone. The others run any process that you write, with timers, signals and"
        f" queries.{_program_lines(results)}"
    )
    first = month(prices[0], VOLUMES[0])
    yield (
        "**You have a server and a PostgreSQL with room to spare.** DBOS is a library: it adds"
        f" nothing to their bill. Spillway adds {first} for {VOLUMES[0]:,} orders a month."
    )
    for orders in VOLUMES:
        less = [
            f"{'perhaps ' if one.offer.at_least else ''}{one.offer.name} ({month(one, orders)})"
            for one in cheaper(prices, orders)
        ]
        if less:
            yield (
                f"**{orders:,} orders a month, and the price decides.** Cheaper than"
                f" Spillway ({month(prices[0], orders)}): {_listed(less)}."
            )
    own = settled(results, OURS)
    times = {system: settled(results, system) for system in NAMES}
    sooner = [
        f"{NAMES[system]} after {duration(time)}"
        for system, time in times.items()
        if time is not None and own is not None and time * ALIKE < own
    ]
    if sooner:
        yield (
            "**Customers wait until everything is done.** At a steady rate half of the orders were"
            f" done by {_listed(sooner)}, by Spillway after {duration(own)}, on this machine."
        )


def _became(results: Results) -> str:
    parts = []
    if any(group.dots for group in _fault_groups(results)):
        parts.append(
            "Until all was well again:\n\n"
            f"![Time until all is well, by fault and system]({FAULTS_PICTURE.name})\n"
        )
    if later := [*_later(results)]:
        parts.append(
            "Why Spillway was well again later than others, and"
            " [what that saves](decisions/README.md#0064-what-waited-goes-on-soon):\n\n"
            + _bullets(iter(later))
        )
    kinds = [kind.replace("_", " ") for kind in FINDINGS]
    counts = ("acknowledged", *kinds, "open", "unanswered")
    head = ("", "what", *counts, "all well after", "what a person had to do")
    for test, (heading, what) in TESTS.items():
        rows = [
            _verdict_row(system, name, one)
            for system in NAMES
            for name, one in judged(results, system, test).items()
        ]
        if rows:
            table = Table("", head, rows, range(2, len(head) - 1)).markdown()
            parts.append(f"### {heading}\n\n{what}\n\n{table}\n{_bullets(_meant(results, test))}")
    return "\n".join(parts)


def _later(results: Results) -> Iterator[str]:
    """After which faults others were well again sooner than Spillway, and why."""
    for kind, (after, why) in LATER.items():
        own = slowest(kind)(results, OURS)
        times = {system: slowest(kind)(results, system) for system in NAMES}
        sooner = [
            f"{NAMES[system]} {duration(time)}"
            for system, time in times.items()
            if time is not None and own is not None and time * ALIKE < own
        ]
        if sooner:
            yield f"{after} ({duration(own)}; {_listed(sooner)}): {why}"


def _meant(results: Results, kind: str) -> Iterator[str]:
    """What is killed or deployed in each test of this kind."""
    for system in NAMES:
        for name, one in judged(results, system, kind).items():
            if meant := one.get("victim") or one.get("upgrade"):
                yield f"{NAMES[system]}, {name.partition(': ')[2]}: {meant}."


def _verdict_row(system: str, name: str, test: Mapping[str, Any]) -> list[str]:
    audit = test["audit"]
    what = name.partition(": ")[2]
    if "kills" in test:
        what += f", {sum(test['kills'].values())} times"
    return [
        NAMES[system],
        what,
        f"{audit['acknowledged']:,}",
        *(str(audit[kind]) for kind in (*FINDINGS, "unfinished", "unanswered")),
        duration(test.get("seconds_until_whole")),
        _by_hand(test),
    ]


def _by_hand(test: Mapping[str, Any]) -> str:
    said = [*test.get("by_hand", ())]
    if "before_a_person_came" in test:
        said.insert(0, f"{counted(waited(test), 'order')} waited for a person")
    if left := open_(test["audit"]):
        said.append(f"{counted(left, 'order')} left to mend")
    return "; ".join(said) or "nothing"


def _speed(results: Results) -> str:
    shown = [table for table in (tables.speed(results), tables.parts(results)) if table.rows]
    parts = [f"### {table.title}\n\n{table.markdown()}" for table in shown]
    return "\n".join([*_emulator(results), *parts])


def _emulator(results: Results) -> Iterator[str]:
    """Whose share of Spillway's figures is not Spillway's."""
    if crowd := trial_of(results, OURS, "healthy").get("crowd"):
        parts = {name: part["processor_seconds"] for name, part in crowd["an_order"].items()}
        whole = sum(parts.values())
        yield (
            f"An order takes {duration(whole)} of processor time in Spillway's test, of which"
            f" {duration(parts[STAND_IN])} ({parts[STAND_IN] / whole:.0%}) are the emulator's, in"
            " the place of AWS's own services. It slows down every figure of Spillway's, so none"
            " tells how fast a stage on AWS is. The others run as on a server of this size, but for"
            " [what is said of each](#how-it-was-compared), with one process of each part: more of"
            " them, or more machines, were not tried. Customers and downstreams share the machine"
            " with all of them.\n"
        )


def _prices(book: Book, prices: Sequence[Priced]) -> str:
    rows = [
        (
            one.offer.name,
            *(str(month(one, orders) or one.offer.without) for orders in VOLUMES),
            one.offer.of,
        )
        for one in prices
    ]
    head = ("", *(f"{orders:,} orders" for orders in VOLUMES), "made of")
    table = Table("", head, rows, (1, 2, 3)).markdown()
    return f"{table}\n{_bullets(_assumptions(book, prices))}\n{_worked_out(prices)}"


def _assumptions(book: Book, prices: Sequence[Priced]) -> Iterator[str]:
    yield (
        f"`{UNCONFIRMED}`: no statement of the seller's own confirms one of the prices. `≥`:"
        " something that is needed could not be measured here, and counts as nothing or as the"
        " smallest that there is."
    )
    yield (
        "Servers are sized by the processor time and memory of the tables above, a second here as"
        f" one of a vCPU. What can follow the load is {BUSY:.0%} busy on average; databases and"
        f" Restate's nodes are {BUSY_AT_PEAK:.0%} busy at {PEAK} times the average. A process gets"
        f" {MEMORY_SPARE:g} times the memory that it held. The smallest of each runs all the time."
    )
    yield (
        "Servers, workers and databases are in two zones. Of Restate's nodes, in three zones, two"
        " bear the peak, and the smallest has the memory that its documentation sets for little"
        " traffic. One node cannot tell what Restate's copies take, nor a development server what"
        " Temporal's database would: where the smallest may not bear it, there is no price."
        " Restate's handlers on Lambda, in the place of the endpoint's tasks, would cost less for"
        " few orders, and were not measured."
    )
    yield (
        "A month's orders stay stored, and their ids taken, in Spillway and Temporal Cloud, whose"
        " default is 30 days. On DBOS and on one's own Temporal and Restate a day's do, so that the"
        " price is the least that there is; an id is free again after it."
    )
    yield (
        f"Temporal Cloud counts {ACTIONS} actions for an order: a start, three activities; each"
        " further try is one more. Three local activities of one workflow task would count as one."
        " Of its two plans with public prices the cheaper one; these end at"
        f" {PUBLIC_ACTIONS_MAX / 1e6:.0f} million actions a month, and sales gives discounts. What"
        " it keeps is as large as the development server says that the histories are."
    )
    yield (
        "A durable function's operations are those that AWS [meters]"
        "(https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-sdk.html): the start,"
        " three steps, the parallel and each of its branches. With the SDK for JavaScript one"
        " promise of both steps, one operation, can stand for these three: a million orders cost"
        f" ${_with_a_promise(book, prices):,.2f} then."
    )
    yield (
        "Step Functions Standard and durable functions start 300 orders a second unless AWS raises"
        " that, and keep an order's id for 90 days at most, so a repeat after that is a second"
        " order. Step Functions [makes](https://docs.aws.amazon.com/step-functions/latest/dg/"
        "service-quotas.html) 300 HTTP calls a second, Express too, so 100 orders; functions that"
        " make the calls have no such quota, and are paid for."
    )
    yield (
        "Express keeps no id, and has a table for that. It may run an order twice, and ends one"
        " after five minutes, which the outage above is. One that hands such an order to a Standard"
        " workflow in time outlives it, at the same price while all is well; that was not counted."
    )
    rest = book.model.idle().dollars + priced(book.model.working(), book.prices).dollars
    yield (
        f"Of Spillway's month ${rest:.2f} are there whatever comes: alarms, a dashboard, metrics,"
        " secrets and the polling of queues. Left out of all others, in their favour: logs, alarms,"
        " backups, addresses, NAT, traffic between zones, what durable functions keep, and the"
        " people who run servers. Left out of all: customers' looks at their"
        " orders, and what is sent to downstreams."
    )
    yield (
        "Left out of AWS's engines and of Spillway, in favour of servers: free tiers. After them a"
        f" month of {VOLUMES[0]:,} orders costs {_listed([*_after_free_tiers(book, prices)])}."
    )
    yield (
        "DBOS recommends its Conductor for more than one process; without it each has an id of its"
        " own, and goes on with its own orders when it starts again. We found no price of that, nor"
        " of Restate Cloud, which has plans and a free tier."
    )
    yield (
        "Prices are in `src/spillway/plan/price_list/us-east-1.toml` and"
        " `benchmarks/peers/prices.toml` with source and date, Spillway's items in"
        " [cost.md](cost.md)."
    )


def _with_a_promise(book: Book, prices: Sequence[Priced]) -> float:
    """Dollars for a million orders on durable functions."""
    [bill] = [one.bills[MILLION] for one in prices if one.offer.system == "durable_functions"]
    fewer = 2 * MILLION  # one operation in the place of three
    return (bill.dollars if bill else 0.0) - book.prices["durable.operations"].of(fewer)


def _after_free_tiers(book: Book, prices: Sequence[Priced]) -> Iterator[str]:
    """Of what has no server: the same month as in the table."""
    for one in prices:
        if one.offer.system not in {OURS, *COUNTED}:
            continue
        if (usage := one.offer.usage(VOLUMES[0])) is not None:
            dollars = priced(usage, book.prices, free_tiers=True).dollars
            yield f"${dollars:.2f} on {one.offer.name}"


def _worked_out(prices: Sequence[Priced]) -> str:
    name, orders = WORKED_OUT
    for one in prices:
        bill = one.bills[orders]
        if one.offer.name == name and bill is not None:
            rows = [
                (i.use.name, f"{i.use.units:,.6g}", f"{i.price.first:g}", f"{i.dollars:,.2f}")
                for i in bill.items
            ]
            rows.append(("together", "", "", f"{bill.dollars:,.2f}"))
            head = (f"{name}, {orders:,} orders", "units", "price", "dollars")
            return f"One of them by hand:\n\n{Table('', head, rows, (1, 2, 3)).markdown()}"
    return ""


def _rules(results: Results) -> Iterator[str]:
    for system in results["systems"].values():
        versions = _pairs(system["versions"])
        title = f"{system['title']} ({versions})" if versions else system["title"]
        yield f"**{title}.** {' '.join(system['notes'])}"
    for name, system in results["systems"].items():
        for test, one in system["tests"].items():
            if why := one.get("not_run") or one.get("failed"):
                yield f"Missing: {NAMES[name]}, {test}: {why}"
    if results["machine"]:
        yield f"The run: {_pairs(results['machine'])}."


def _price_groups(prices: Sequence[Priced]) -> Iterator[Group]:
    for orders in VOLUMES:
        dots = []
        for one in prices:
            price = month(one, orders)
            name = one.offer.name.replace("Lambda d", "D")
            shown = one.offer.without if price is None else str(price)
            value = None if price is None else price.dollars
            dots.append(Dot(name, value, shown, ours=one.offer.system == OURS))
        yield Group(f"{orders:,} orders a month", dots)


def _fault_groups(results: Results) -> Iterator[Group]:
    for test in ("killed", "outage", "changed code"):
        dots = []
        for system in NAMES:
            for name, one in judged(results, system, test).items():
                until = one["seconds_until_whole"]
                shown = "never" if until is None else duration(until)
                if until is not None and "before_a_person_came" in one:
                    shown += " by hand"
                what = ": ".join((NAMES[system], *name.split(": ")[1:]))
                dots.append(Dot(what, until, shown, ours=system == OURS))
        if dots:
            yield Group(TESTS[test][0], dots)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _bullets(lines: Iterator[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)


def _named(systems: Sequence[str]) -> str:
    return _listed([NAMES[system] for system in systems])


def _listed(ones: Sequence[str]) -> str:
    *some, last = ones
    return f"{', '.join(some)} and {last}" if some else last


def write(results: Results) -> None:
    for file, text in written(results).items():
        file.write_text(text)
        sys.stderr.write(f"Wrote {file.relative_to(PROJECT)}.\n")


if __name__ == "__main__":
    write(recorded())
