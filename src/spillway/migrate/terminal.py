"""Progress bars and results of a migration, as a person sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from spillway.migrate.applying import Tally
from spillway.migrate.checking import Profile
from spillway.migrate.copying import OnProgress
from spillway.migrate.following import Lag, OnLag
from spillway.migrate.target import Counts, Writer
from spillway.migrate.verifying.comparing import Verdict

DIFFERENCES_SHOWN = 20
MONTHS_SHOWN = 24


@contextmanager
def copying(console: Console, total: int, done: int, writer: Writer) -> Iterator[OnProgress]:
    columns = (
        TextColumn("Orders"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    with Progress(*columns, console=console, speed_estimate_period=30) as progress:
        bar = progress.add_task("", total=total, completed=done, rate="", note="")

        def on_progress(orders: int, tally: Tally) -> None:
            speed = progress.tasks[0].speed or 0
            counts = writer.counts
            note = f"{counts.units:,} write units"
            if counts.throttles:
                note += f", slowed down {counts.throttles:,} times, now {writer.rate.rate:,.0f}/s"
            if tally.quarantined:
                note += f", {tally.quarantined:,} in quarantine"
            progress.update(bar, advance=orders, rate=f"{speed:,.0f}/s", note=note)

        yield on_progress


@contextmanager
def following(console: Console) -> Iterator[OnLag]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("Connecting", total=None)

        def on_lag(lag: Lag) -> None:
            tally = lag.tally
            text = (
                f"at {lag.position}, {lag.seconds:,.1f} s behind: {tally.written:,} written,"
                f" {tally.removed:,} removed, {tally.unchanged:,} unchanged,"
                f" {tally.quarantined:,} quarantined"
            )
            if lag.problem:
                text = f"waiting for the old database ({lag.problem}); {text}"
            progress.update(bar, description=text)

        yield on_lag


@contextmanager
def verifying(console: Console) -> Iterator[Callable[[str, int], None]]:
    titles = {
        "old": "Reading the old table",
        "new": "Reading the orders table",
        "again": "Reading again what seems to differ",
    }
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,}"))
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=None)
        yield lambda stage, count: progress.update(bar, description=titles[stage], completed=count)


@contextmanager
def checking(console: Console) -> Iterator[Callable[[int, int], None]]:
    columns = (
        TextColumn("Reading the old table"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=None)
        yield lambda rows, total: progress.update(bar, completed=rows, total=total)


@contextmanager
def going_back(console: Console) -> Iterator[Callable[[int, float], None]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("Reading the stream", total=None)
        yield lambda orders, seconds: progress.update(
            bar, description=f"{orders:,} orders written back, {seconds:,.1f} s behind"
        )


def on_step(console: Console) -> Callable[[str, str, bool | None], None]:
    """Print each step of the checklist. None: not done, because this is a rehearsal."""

    def show(step: str, detail: str, done: bool | None) -> None:
        mark, style = {True: ("✔", "green"), False: ("✘", "red"), None: ("·", "yellow")}[done]
        console.print(Text.assemble((f" {mark} ", style), f"{step:<22}", (detail, "dim")))

    return show


def tally_document(tally: Tally, counts: Counts) -> dict[str, int]:
    return {
        **asdict(tally),
        "items": counts.items,
        "write_units": counts.units,
        "throttles": counts.throttles,
    }


def show_tally(tally: Tally, counts: Counts, quarantine_file: str) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", min_width=9)
    table.add_column()
    table.add_column(style="dim")
    rows = (
        (tally.written, "written", f"{counts.items:,} items, {counts.units:,} write units"),
        (tally.open, "still open", "the saga has steps left: `cutover --hand-over`"),
        (tally.unchanged, "unchanged", "were there already"),
        (tally.removed, "removed", "no longer in the old table"),
        (tally.quarantined, "quarantined", f"see {quarantine_file}"),
    )
    for count, word, note in rows:
        if count or word == "written":
            table.add_row(f"{count:,}", word, note)
    _console().print(Panel(table, title="Migrated orders", title_align="left"))


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
        line = f"{verdict.old_orders:,} orders {what}: no difference{aside}."
        console.print(Text(line, "bold green"))
    else:
        line = f"{len(verdict.differences):,} of {verdict.old_orders:,} orders differ{aside}."
        console.print(Text(line, "bold red"))


def _months(verdict: Verdict) -> Panel:
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "right", "right", "right"):
        table.add_column(justify=justify)
    table.add_row("", Text("old orders", "dim"), Text("new", "dim"), Text("old total", "dim"), "")
    for month, sides in sorted(verdict.months.items())[-MONTHS_SHOWN:]:
        (old, old_total), (new, new_total) = sides["old"], sides["new"]
        style = "" if (old, old_total) == (new, new_total) else "yellow"
        same = "the same" if style == "" else f"{new_total:,}"
        table.add_row(month, f"{old:,}", f"{new:,}", f"{old_total:,}", same, style=style)
    return Panel(table, title="By month of the order, totals in minor units", title_align="left")


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
    table = Table.grid(padding=(0, 2))
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column()
    marks = {"good": ("✔", "green"), "warning": ("!", "yellow"), "blocker": ("✘", "red")}
    for finding in profile.findings:
        table.add_row(Text(*marks[finding.level]), finding.subject, Text(finding.detail))
    return Panel(table, title=profile.server, title_align="left")


def _mapping(profile: Profile) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", min_width=9)
    table.add_column(no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    read = profile.mapped + profile.unmapped
    share = profile.mapped / read if read else 0
    table.add_row(f"{profile.mapped:,}", Text("map", "green"), f"{share:.2%} of what was read")
    for outcome, count in profile.outcomes.most_common():
        table.add_row(f"{count:,}", f"  {outcome}", "")
    if profile.unmapped:
        table.add_row()
        table.add_row(f"{profile.unmapped:,}", Text("go to quarantine", "yellow"), "because:")
    for rule, reason in profile.reasons_by_count():
        examples = "; ".join(f"{key}: {detail}" for key, detail in reason.samples)
        table.add_row(f"{reason.orders:,}", f"  {rule}", f"like {examples}")
    return Panel(table, title=f"{read:,} orders in {profile.rows:,} rows", title_align="left")


def _estimate(profile: Profile) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", min_width=9)
    table.add_column()
    table.add_column(style="dim")
    for figure, name, note in profile.estimate.rows():
        table.add_row(figure, name, note)
    title = "All of it, estimated" if profile.estimate.extrapolated else "All of it"
    return Panel(table, title=title, title_align="left")


def _console() -> Console:
    return Console(highlight=False)
