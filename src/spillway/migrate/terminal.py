"""Progress and results of a migration on the terminal, and its results as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

from spillway.migrate.checking import Profile
from spillway.migrate.following import Lag
from spillway.migrate.new.applying import Tally
from spillway.migrate.new.quarantine import REMEDIES
from spillway.migrate.new.target import Writer
from spillway.migrate.old.readiness import Finding
from spillway.migrate.proposing.guessing import Proposal
from spillway.migrate.status import Status
from spillway.migrate.verifying.comparing import Verdict
from spillway.migrate.verifying.naming import Sides
from spillway.plan.price_list import load
from spillway.ui.formatting import age, counted, date_and_clock, rfc3339
from spillway.ui.panels import mark, panel
from spillway.ui.progress import Bar
from spillway.ui.terminal import terminal

DIFFERENCES_SHOWN = 20
MONTHS_SHOWN = 24


def copied(bar: Bar, writer: Writer, orders: int, tally: Tally) -> None:
    counts = writer.counts
    note = f"{bar.speed:,.0f}/s, {counts['write_units']:,} write units"
    if counts["throttles"]:
        note += f", slowed down {counts['throttles']:,} times, now {writer.rate.rate:,.0f}/s"
    if tally.quarantined:
        note += f", {tally.quarantined:,} in quarantine"
    bar.note(note)
    bar.advance(orders)


def followed(bar: Bar, lag: Lag) -> None:
    tally = lag.tally
    waiting = f"Waiting for the old database ({lag.problem})"
    bar.title(waiting if lag.problem else "Following")
    behind = f"{lag.seconds:,.1f} s behind"
    if lag.silent:
        behind = f"nothing heard for {lag.silent:,.0f} s"
    bar.note(
        f"at {lag.position}, {behind}: {tally.written:,} written,"
        f" {tally.removed:,} removed, {tally.unchanged:,} unchanged,"
        f" {tally.quarantined:,} quarantined"
    )


def compared(bar: Bar, stage: str, count: int) -> None:
    bar.title(stage)
    bar.reach(count)


def written_back(bar: Bar, orders: int, seconds: float, waiting: int) -> None:
    bar.title("Writing orders back")
    bar.reach(orders)
    wait = f", {waiting:,} wait: see the quarantine" if waiting else ""
    bar.note(f"{seconds:,.1f} s behind{wait}")


def on_step() -> Callable[[str, str, bool | None], None]:
    """Print each step of the checklist. None: not done, because this is a rehearsal."""
    console = terminal(stderr=True)

    def show(step: str, detail: str, done: bool | None) -> None:
        sign = Text("·", "yellow") if done is None else mark(done)
        console.print(Text.assemble(" ", sign, f" {step:<22}", (detail, "dim")))

    return show


def show_tally(
    tally: Tally, counts: Mapping[str, int], quarantine_file: str, console: Console
) -> None:
    items, units = counts["items"], counts["write_units"]
    rows = (
        (tally.written, "written", f"{items:,} items, {units:,} write units"),
        (tally.open, "still open", "the saga has steps left: `cutover --hand-over`"),
        (tally.unchanged, "unchanged", "were there already"),
        (tally.removed, "removed", "no longer in the old table"),
        (tally.quarantined, "quarantined", f"see {quarantine_file}"),
    )
    shown = [(f"{count:,}", word, note) for count, word, note in rows if count or word == "written"]
    console.print(panel("Migrated orders", shown, ("number", "text", "note")))


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    values = asdict(verdict)
    orders = {"old": values.pop("old_orders"), "new": values.pop("new_orders")}
    why = {"why_unsure": verdict.why_unsure} if verdict.result == "unsure" else {}
    return {"result": verdict.result, **why, "clean": verdict.clean, "orders": orders, **values}


def show_verdict(verdict: Verdict, console: Console) -> None:
    """Each order that differs with its columns and both values, then the result in one line. In a
    nightly log that line is all where nothing differs."""
    if verdict.months and (console.is_terminal or not verdict.clean):
        console.print(_months(verdict))
    listed = [*verdict.differences, *verdict.unsettled]
    for one in listed[:DIFFERENCES_SHOWN]:
        console.print(Text(f"order {one.key or '(none)'}: {one.kind}", "red"), soft_wrap=True)
        for name, sides in one.fields.items():
            console.print(Text(f"    {_sides(name, sides)}", "dim"), soft_wrap=True)
    if len(listed) > DIFFERENCES_SHOWN:
        more = len(listed) - DIFFERENCES_SHOWN
        console.print(Text(f"and {more:,} more: --json lists them all", "dim"))
    aside = f", {verdict.quarantined:,} in quarantine" if verdict.quarantined else ""
    what = "of a sample" if verdict.sampled else f"on {counted(verdict.days, 'day')}"
    if verdict.result == "equal":
        result = Text(
            f"{counted(verdict.old_orders, 'order')} {what}: no difference{aside}.", "bold green"
        )
    else:
        result = Text(f"{verdict.summary}{aside}.", "bold red")
    console.print(result, soft_wrap=True)


def _sides(name: str, sides: Sides) -> str:
    column = sides["column"]
    where = name if column is None or column == name else f"{name} (column {column})"
    return f"{where}: {_shown(sides['old'])} in the old table, {_shown(sides['new'])} in the new"


def _shown(value: object) -> str:
    match value:
        case None:
            return "none"
        case (sku, quantity, price):
            return f"{quantity:,} of {sku} at {price}"
    return repr(value)


def _months(verdict: Verdict) -> Panel:
    def row(month: str, sides: Mapping[str, tuple[int, int]]) -> Sequence[RenderableType]:
        (old, old_total), (new, new_total) = sides["old"], sides["new"]
        equal = sides["old"] == sides["new"]
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


def show_proposal(proposal: Proposal, path: Path, console: Console) -> None:
    console.print(f"Wrote {path}: read it from the top.", soft_wrap=True)
    if proposal.view:
        console.print("The orders are in two tables: it begins with the view to create.")
    if proposal.todos:
        console.print(Text("Left as TODO, because only you can know:", "bold yellow"))
        for place in proposal.todos:
            console.print(Text(f"  {place}"), soft_wrap=True)
    console.print(f"Then run `spillway migrate check --config {path}`.", soft_wrap=True)


def status_document(status: Status) -> dict[str, Any]:
    standing, verified = status.standing, status.verified
    return {
        "healthy": not status.needs,
        "needs": status.needs,
        "next": status.next,
        "phase": standing.phase,
        "copied": standing.copied,
        "work": status.work,
        "running": bool(status.work) and status.at_work(status.work),
        "owner": standing.owner,
        "since": _moment(standing.since),
        "heard_at": _moment(standing.heard_at),
        "changed_at": _moment(standing.changed_at),
        "lag_seconds": standing.lag_ms / 1000,
        "position": None if standing.followed is None else str(standing.followed),
        "waiting": standing.waiting,
        "quarantine": {"orders": status.quarantined, "rules": status.rules},
        "open": status.open,
        "verified": None if verified is None else {**asdict(verified), "at": rfc3339(verified.at)},
    }


def _moment(at: int) -> str | None:
    return rfc3339(at) if at else None


def show_status(status: Status, console: Console) -> None:
    standing = status.standing
    rows: list[Sequence[RenderableType]] = [
        ("phase", "", f"{standing.phase}, {counted(standing.copied, 'order')} copied")
    ]
    if status.work:
        rows.append((status.work, mark(status.at_work(status.work)), Text(_working(status))))
    if status.work == "follow":
        rows.append(("log", "", Text(_heard(status))))
    if status.work == "back":
        rows.append(("could not write", "", counted(standing.waiting, "order")))
    rules = ", ".join(f"{rule} {count:,}" for rule, count in status.rules.items())
    aside = counted(status.quarantined, "order") + (f": {rules}" if rules else "")
    rows += [("quarantine", "", aside), ("still open", "", counted(status.open, "order"))]
    verified = status.verified
    if verified is None:
        rows.append(("last verify", "", "none yet"))
    else:
        ago = age((status.now - verified.at) / 1000)
        what = f"{verified.old_orders:,} orders{' of a sample' if verified.sampled else ''}"
        said = f"{ago} ago, {what}: {verified.summary}"
        rows.append(("last verify", mark(verified.result == "equal"), Text(said)))
    console.print(panel(status.table, rows, ("text", "text", "text")))
    for one in status.needs:
        console.print(Text(one, "bold red"), soft_wrap=True)
    if not status.needs:
        console.print(Text(f"Next: {status.next}", "bold green"), soft_wrap=True)


def _heard(status: Status) -> str:
    """Two things: that the server speaks, and that the table's changes come. See decision 0049."""

    def ago(at: int) -> str:
        return f"{age((status.now - at) / 1000)} ago" if at else "not yet"

    standing = status.standing
    return f"heard {ago(standing.heard_at)}, last change of an order {ago(standing.changed_at)}"


def _working(status: Status) -> str:
    standing = status.standing
    if not status.at_work(status.work):
        return "does not run"
    began = f"runs since {date_and_clock(standing.since)} ({standing.owner})"
    if status.work != "follow":
        return began
    return f"{began}, {standing.lag_ms / 1000:,.1f} s behind, at {standing.followed}"


def show_profile(profile: Profile, console: Console) -> None:
    marks = {"blocker": mark(False), "warning": Text("!", "yellow"), "good": mark(True)}
    levels = list(marks)
    findings = sorted(profile.findings, key=lambda one: levels.index(one.level))
    rows = [(marks[one.level], one.subject, Text(one.detail)) for one in findings]
    console.print(panel(profile.server, rows))
    console.print(_mapping(profile))
    console.print(_estimate(profile))
    _show_what_to_paste(findings, console)
    if profile.blockers:
        count = len(profile.blockers)
        console.print(Text(f"Fix {count} before `spillway migrate copy`.", "bold red"))
    else:
        console.print(Text("Ready for `spillway migrate copy`.", "bold green"))


def _show_what_to_paste(findings: Sequence[Finding], console: Console) -> None:
    """Without a frame, and each line whole, so that it can be copied."""
    for one in findings:
        if one.paste:
            sign = "✘" if one.level == "blocker" else "!"
            console.print(Text(f"\n{sign} {one.subject}", "dim"))
            for line in one.paste:
                console.print(Text(f"    {line}"), soft_wrap=True)


def _mapping(profile: Profile) -> Panel:
    read = profile.mapped + profile.unmapped
    share = profile.mapped / read if read else 0
    outcomes = sorted(profile.outcomes.items(), key=lambda outcome: -outcome[1])
    rows: list[Sequence[RenderableType]] = [
        (f"{profile.mapped:,}", Text("map", "green"), f"{share:.2%} of what was read"),
        *((f"{count:,}", f"  {name}", "") for name, count in outcomes),
    ]
    if profile.unmapped:
        rows += [
            (),
            (f"{profile.unmapped:,}", Text("go to quarantine", "yellow"), "because:"),
        ]
    for rule, reason in profile.reasons_by_count():
        examples = "; ".join(f"{key}: {detail}" for key, detail in reason.samples)
        rows.append((f"{reason.orders:,}", f"  {rule}", f"like {examples}"))
        if rule in REMEDIES:
            rows.append(("", "", f"→ {REMEDIES[rule]}"))
    title = f"{read:,} orders in {profile.rows:,} rows"
    return panel(title, rows, ("number", "text", "note"))


def _estimate(profile: Profile) -> Panel:
    estimate, book = profile.estimate, load()
    dollars = estimate.dollars()
    rows = (
        (f"{estimate.items:,}", "items", "order, progress and index of each order"),
        (f"{estimate.write_units:,}", "write units", f"${dollars['copy']:,.2f} to copy"),
        (age(estimate.seconds), "to copy", "within the budget of the configuration"),
        (
            f"{estimate.stored_bytes / 1e6:,.1f} MB",
            "stored",
            f"${dollars['month']:,.2f} a month, ${dollars['verify']:,.2f} a verify",
        ),
        ("", "", f"list prices of {book.region}, {book['dynamodb.write_units'].date}"),
    )
    title = "All of it, estimated" if estimate.extrapolated else "All of it"
    return panel(title, rows, ("number", "text", "note"))
