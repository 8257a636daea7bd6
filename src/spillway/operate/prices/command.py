"""`spillway prices`: its options. Everything heavy is imported when it runs."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.errors import CheckFailed, SpillwayError, UsageError
from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_json, print_result

if TYPE_CHECKING:
    from orders.domain.units import Millis
    from spillway.price_book import BookFaulty, PriceBook

prices = typer.Typer(
    no_args_is_help=True, help="The store's price book: check, publish and show it."
)

BookArgument = Annotated[Path, typer.Argument(metavar="BOOK.toml", help="The price book's rules.")]


@prices.command()
def check(book: BookArgument, as_json: JsonOption = False) -> None:
    """Check a price book, and list what is wrong in it: docs/pricing.md says how one is written.

    Changes nothing, and needs no service. Exits with 1 when there is a fault.

    Example: `spillway prices check web/book/book.toml`
    """
    from spillway.operate.prices.view import described
    from spillway.price_book import BookFaulty

    try:
        read = _read(book)
    except BookFaulty as faulty:
        _list_faults(faulty, as_json=as_json)
        raise typer.Exit(1) from None
    if as_json:
        print_json({"faults": [], "count": 0, **described(read.rules, len(read.articles))})
    else:
        summary = described(read.rules, len(read.articles))
        typer.echo(f"No fault in {summary['articles']:,} articles.")


@prices.command()
@with_target
def publish(
    target: Target,
    book: Annotated[
        str | None,
        typer.Argument(metavar="BOOK.toml", help="The price book; with --rollback a version."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would change; publish nothing.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Publish it although it looks like a mistake.")
    ] = False,
    begins: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="When it begins, like 2026-12-01T08:00:00Z."),
    ] = None,
    at_once: Annotated[
        bool,
        typer.Option("--at-once", help="Begin now, and withdraw the books before it."),
    ] = False,
    rollback: Annotated[
        bool,
        typer.Option("--rollback", help="Publish the version before again, or a named one."),
    ] = False,
    fall_max: Annotated[
        int,
        typer.Option(
            "--fall-max", min=0, max=100, metavar="PERCENT", help="How far a price may fall."
        ),
    ] = 50,
    as_json: JsonOption = False,
) -> None:
    """Check a price book, list what it changes, and publish it; it begins 2 minutes later.

    Writes to the stage's bucket, and the book's catalogue to the storefront's, so that its pages
    show what is charged. Needs --yes for what looks like a mistake: a price of 0, a price, delivery
    price or tax rate that falls by more than half, a coupon that takes off so much, more than half
    of the articles gone, a channel or currency in which nothing is sold any more, a limited coupon
    that comes back or gets another limitation, single-use codes that stop working. Refuses to lower
    a coupon's limit, except in a --rollback with --yes. An order that a customer has begun keeps
    its prices for the stage's grace period, except with --at-once. Replaces a planned book that
    begins at the same time.

    Example: `spillway prices publish web/book/book.toml --stage dev --dry-run`

    Example: `spillway prices publish --rollback --at-once`
    """
    from spillway.operate.counters import used_by_counter
    from spillway.operate.prices.bucket import PriceBucket
    from spillway.operate.prices.plan import draft, draft_rollback, read_time, who
    from spillway.operate.prices.publishing import when
    from spillway.operate.prices.storefront import Storefront
    from spillway.operate.prices.view import plan_document, show_plan
    from spillway.price_book import BookFaulty

    from_ = read_time(begins)
    when(_now(), from_, at_once=at_once)
    if book is None and not rollback:
        raise UsageError("Name the price book: `spillway prices publish BOOK.toml`.")
    try:
        read = _read(Path(book)) if book is not None and not rollback else None
    except BookFaulty as faulty:
        _list_faults(faulty, as_json=as_json)
        raise typer.Exit(1) from None
    service = target.reach()
    bucket, storefront = PriceBucket.of(service), Storefront.of(service)
    # Not before: a long book takes as long to read as its notice must not be shorter.
    now = _now()
    time_ = when(now, from_, at_once=at_once)
    drafting = partial(draft, bucket, read) if read else partial(draft_rollback, bucket, book)
    plan = drafting(
        now=now, when=time_, fall_max=fall_max / 100, counted=partial(used_by_counter, service)
    )
    bucket.check_clock(now)
    if not as_json:
        show_plan(plan)
    refused = bool(plan.suspicions) and not yes
    published = not (dry_run or refused or plan.changes_nothing)
    if published:
        plan.carry_out(bucket, by=who(service))
    if not (dry_run or refused):
        # Also where the book is published already: whoever published it may have got no further.
        storefront.show(bucket, now)
    if as_json:
        print_json({**plan_document(plan), "published": published})
    elif published:
        typer.echo(f"Published as {plan.version}.")
    if refused and not dry_run:
        raise SpillwayError("Nothing was published: look at the above, then add --yes.")


@prices.command()
@with_target
def show(
    target: Target,
    skus: Annotated[
        list[str] | None, typer.Argument(metavar="[SKU]...", help="Articles to look up.")
    ] = None,
    coupon: Annotated[
        str | None, typer.Option("--coupon", metavar="CODE", help="A coupon's terms.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what articles cost, or a coupon takes off, in the price book in force and in the next.

    Without either it shows the book itself. Changes nothing.

    Example: `spillway prices show MUG-SAGE --stage prod`

    Example: `spillway prices show --coupon WELCOME10`
    """
    from spillway.operate.prices.bucket import PriceBucket
    from spillway.operate.prices.lookup import look_up
    from spillway.operate.prices.view import lookup_document, show_lookup

    found = look_up(PriceBucket.of(target.reach()), _now(), skus or [], coupon)
    print_result(found, as_json=as_json, document=lookup_document, show=show_lookup)
    if found.missing:
        raise CheckFailed(f"No price book has {', '.join(found.missing)}.")


@prices.command()
@with_target
def history(target: Target, as_json: JsonOption = False) -> None:
    """Show which price books were published when, by whom, and what each changed.

    Changes nothing.

    Example: `spillway prices history --stage prod`
    """
    from spillway.operate.prices.bucket import PriceBucket
    from spillway.operate.prices.view import history_document, show_history

    publications, _ = PriceBucket.of(target.reach()).publications()
    now = _now()
    print_result(
        publications,
        as_json=as_json,
        document=lambda listed: history_document(listed, now),
        show=lambda listed, console: show_history(listed, now, console),
    )


def _read(book: Path) -> PriceBook:
    """UsageError: there is no file of this name, so that nothing could be checked."""
    from spillway.price_book import read
    from spillway.ui.progress import bar

    if not book.exists():
        raise UsageError(f"There is no file {book}: name a price book's rules, like book.toml.")
    if book.is_dir():
        raise UsageError(f"{book} is a folder: name the rules in it, like {book / 'book.toml'}.")
    with bar("Reading articles") as progress:
        return read(book, on_article=progress.reach)


def _list_faults(faulty: BookFaulty, *, as_json: bool) -> None:
    from spillway.operate.prices.view import faults_document

    if as_json:
        print_json(faults_document(faulty))
        return
    for fault in faulty.faults:
        typer.secho(str(fault), fg="red", err=True)
    more = faulty.count - len(faulty.faults)
    if more:
        typer.secho(f"And {more:,} more.", fg="red", err=True)


def _now() -> Millis:
    from orders.domain.units import Millis

    return Millis(time.time_ns() // 1_000_000)
