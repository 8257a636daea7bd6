"""Progress bars and results of a migration, as a person sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

from spillway.migrate.applying import Tally
from spillway.migrate.checking import Profile
from spillway.migrate.copying import OnProgress
from spillway.migrate.following import Lag, OnLag
from spillway.migrate.target import Counts, Writer
from spillway.migrate.verifying.comparing import Verdict
from spillway.ui.panels import mark, panel
from spillway.ui.progress import bar

DIFFERENCES_SHOWN = 20
MONTHS_SHOWN = 24


@contextmanager
def copying(total: int, done: int, writer: Writer) -> Iterator[OnProgress]:
    with bar("Orders", total) as shown:
        shown.reach(done, total)

        def on_progress(orders: int, tally: Tally) -> None:
            counts = writer.counts
            note = f"{shown.speed:,.0f}/s, {counts.units:,} write units"
            if counts.throttles:
                note += f", slowed down {counts.throttles:,} times, now {writer.rate.rate:,.0f}/s"
            if tally.quarantined:
                note += f", {tally.quarantined:,} in quarantine"
            shown.note(note)
            shown.advance(orders)

        yield on_progress


@contextmanager
def following() -> Iterator[OnLag]:
    with bar("Connecting") as shown:

        def on_lag(lag: Lag) -> None:
            tally = lag.tally
            text = (
                f"at {lag.position}, {lag.seconds:,.1f} s behind: {tally.written:,} written,"
                f" {tally.removed:,} removed, {tally.unchanged:,} unchanged,"
                f" {tally.quarantined:,} quarantined"
            )
            title = "Following"
            if lag.problem:
                title = f"Waiting for the old database ({lag.problem})"
            shown.title(title)
            shown.note(text)

        yield on_lag


@contextmanager
def verifying() -> Iterator[Callable[[str, int], None]]:
    titles = {
        "old": "Reading the old table",
        "new": "Reading the orders table",
        "again": "Reading again what seems to differ",
    }
    with bar(titles["old"]) as shown:

        def on_progress(stage: str, count: int) -> None:
            shown.title(titles[stage])
            shown.reach(count)

        yield on_progress


@contextmanager
def checking() -> Iterator[Callable[[int, int], None]]:
    with bar("Reading the old table") as shown:
        yield shown.reach


@contextmanager
def going_back() -> Iterator[Callable[[int, float], None]]:
    with bar("Reading the stream") as shown:

        def on_progress(orders: int, seconds: float) -> None:
            shown.title("Writing orders back")
            shown.reach(orders)
            shown.note(f"{seconds:,.1f} s behind")

        yield on_progress


def on_step() -> Callable[[str, str, bool | None], None]:
    """Print each step of the checklist. None: not done, because this is a rehearsal."""
    console = Console(stderr=True, highlight=False)

    def show(step: str, detail: str, done: bool | None) -> None:
        sign = Text("·", "yellow") if done is None else mark(done)
        console.print(Text.assemble(" ", sign, f" {step:<22}", (detail, "dim")))

    return show


def tally_document(tally: Tally, counts: Counts) -> dict[str, int]:
    return {
        **asdict(tally),
        "items": counts.items,
        "write_units": counts.units,
        "throttles": counts.throttles,
    }


def show_tally(tally: Tally, counts: Counts, quarantine_file: str) -> None:
    rows = (
        (tally.written, "written", f"{counts.items:,} items, {counts.units:,} write units"),
        (tally.open, "still open", "the saga has steps left: `cutover --hand-over`"),
        (tally.unchanged, "unchanged", "were there already"),
        (tally.removed, "removed", "no longer in the old table"),
        (tally.quarantined, "quarantined", f"see {quarantine_file}"),
    )
    shown = [(f"{count:,}", word, note) for count, word, note in rows if count or word == "written"]
    _console().print(panel("Migrated orders", shown, ("number", "text", "note")))


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    return {
        "clean": verdict.clean,
        "sampled": verdict.sampled,
        "orders": {"old": verdict.old_orders, "new": verdict.new_orders},
        "quarantined": verdict.quarantined,
        "days": verdict.days,
        "days_looked_into": verdict.days_unequal,
        "orders_looked_at_again": verdict.rechecked,
        "months": verdict.months,
        "differences": [
            {
                "key": one.key,
                "kind": one.kind,
                "fields": {
                    name: {"old": old, "new": new} for name, (old, new) in one.fields.items()
                },
            }
            for one in verdict.differences
        ],
    }


def show_verdict(verdict: Verdict) -> None:
    console = _console()
    if verdict.months:
        console.print(_months(verdict))
    for one in verdict.differences[:DIFFERENCES_SHOWN]:
        console.print(Text(f"order {one.key}: {one.kind}", "red"))
        for name, (old, new) in one.fields.items():
            console.print(Text(f"    {name}: {old!r} in the old table, {new!r} in the new", "dim"))
    more = len(verdict.differences) - DIFFERENCES_SHOWN
    if more > 0:
        console.print(Text(f"and {more:,} more: --json lists them all", "dim"))
    aside = f", {verdict.quarantined:,} in quarantine" if verdict.quarantined else ""
    what = "of a sample" if verdict.sampled else f"on {verdict.days:,} days"
    if verdict.clean:
        result = Text(f"{verdict.old_orders:,} orders {what}: no difference{aside}.", "bold green")
    else:
        count = f"{len(verdict.differences):,} of {verdict.old_orders:,}"
        result = Text(f"{count} orders differ{aside}.", "bold red")
    console.print(result)


def _months(verdict: Verdict) -> Panel:
    def row(month: str, sides: Mapping[str, tuple[int, int]]) -> Sequence[RenderableType]:
        (old, old_total), (new, new_total) = sides["old"], sides["new"]
        equal = (old, old_total) == (new, new_total)
        cells = (month, f"{old:,}", f"{new:,}", f"{old_total:,}")
        style = "" if equal else "yellow"
        return [Text(cell, style) for cell in (*cells, "the same" if equal else f"{new_total:,}")]

    months = sorted(verdict.months.items())[-MONTHS_SHOWN:]
    return panel(
        "By month of the order, totals in minor units",
        [row(month, sides) for month, sides in months],
        ("text", "number", "number", "number", "number"),
        ("", "old orders", "new", "old total", ""),
    )


def show_profile(profile: Profile) -> None:
    console = _console()
    console.print(_findings(profile))
    console.print(_mapping(profile))
    console.print(_estimate(profile))
    if profile.blockers:
        count = len(profile.blockers)
        console.print(Text(f"Fix {count} before `migrate copy`.", "bold red"))
    else:
        console.print(Text("Ready for `spillway migrate copy`.", "bold green"))


def _findings(profile: Profile) -> Panel:
    marks = {"good": mark(True), "warning": Text("!", "yellow"), "blocker": mark(False)}
    rows = [(marks[one.level], one.subject, Text(one.detail)) for one in profile.findings]
    return panel(profile.server, rows)


def _mapping(profile: Profile) -> Panel:
    read = profile.mapped + profile.unmapped
    share = profile.mapped / read if read else 0
    rows: list[Sequence[RenderableType]] = [
        (f"{profile.mapped:,}", Text("map", "green"), f"{share:.2%} of what was read"),
        *((f"{count:,}", f"  {name}", "") for name, count in profile.outcomes.most_common()),
    ]
    if profile.unmapped:
        rows += [
            (),
            (f"{profile.unmapped:,}", Text("go to quarantine", "yellow"), "because:"),
        ]
    for rule, reason in profile.reasons_by_count():
        examples = "; ".join(f"{key}: {detail}" for key, detail in reason.samples)
        rows.append((f"{reason.orders:,}", f"  {rule}", f"like {examples}"))
    title = f"{read:,} orders in {profile.rows:,} rows"
    return panel(title, rows, ("number", "text", "note"))


def _estimate(profile: Profile) -> Panel:
    title = "All of it, estimated" if profile.estimate.extrapolated else "All of it"
    return panel(title, profile.estimate.rows(), ("number", "text", "note"))


def _console() -> Console:
    return Console(highlight=False)
