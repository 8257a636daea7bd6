"""`spillway status`, `orders` and `logs`: their options. Everything heavy is imported later."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spillway.target.options import (
    DEFAULT_PORT,
    PortOption,
    ProfileOption,
    RegionOption,
    StageOption,
    reach,
    told_if_silent,
)
from spillway.ui.options import JsonOption

if TYPE_CHECKING:
    from orders.domain.order import OrderKey
    from spillway.operate.orders import Listed
    from spillway.target.service import Service

#: How often a watched status is read on this machine, and on AWS, where each request counts.
WATCH_SECONDS = 1.0
WATCH_AWS_SECONDS = 15.0
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on showing it, until Ctrl+C.")
    ] = False,
    as_json: JsonOption = False,
    port: PortOption = DEFAULT_PORT,
    stage: StageOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> None:
    """Show how a running service is: what waits before each part, and the state of each promise.

    Exits with 1 while an alarm rings.

    Example: `spillway status --watch`
    """
    from rich.console import Console

    service = reach(port, stage, profile, region)
    if watch:
        _watch(service)
        return
    with told_if_silent():
        parts, alarms = _state(service)
    if as_json:
        from spillway.operate.documents import status_document

        typer.echo(json.dumps(status_document(service.stage, parts, alarms), indent=2))
    else:
        from spillway.operate.report import status_view

        Console(highlight=False).print(status_view(service.stage, parts, alarms, service.options))
    if any(alarm.state == "ALARM" for alarm in alarms):
        raise typer.Exit(1)


def _state(service: "Service") -> tuple[Any, Any]:
    from spillway.operate.alarms import read_alarms
    from spillway.operate.parts import read_parts

    return read_parts(service), read_alarms(service)


def _watch(service: "Service") -> None:
    from rich.console import Console
    from rich.live import Live

    from spillway.operate.report import status_view

    pause = WATCH_SECONDS if service.emulator is not None else WATCH_AWS_SECONDS
    try:
        with told_if_silent(), Live(console=Console(highlight=False), auto_refresh=False) as live:
            while True:
                parts, alarms = _state(service)
                shown = status_view(service.stage, parts, alarms, service.options)
                live.update(shown, refresh=True)
                time.sleep(pause)
    except KeyboardInterrupt:
        return


orders = typer.Typer(
    help="Look at one order, a customer's orders, or those that have not settled.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@orders.command()
def show(
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID", help="The order's id, a UUIDv7.")],
    customer: Annotated[
        str | None,
        typer.Option("--customer", "-c", metavar="ID", help="Whose: then it is found by its key."),
    ] = None,
    as_json: JsonOption = False,
    port: PortOption = DEFAULT_PORT,
    stage: StageOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> None:
    """Show an order's whole life: what was done for it, how often each step was tried, why it has
    not settled if it hasn't, and what every function said about it.

    Without --customer the orders table is read through until the order is found: on AWS about 0.02
    dollars for a million orders.

    Example: `spillway orders show 019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10`
    """
    from rich.console import Console

    from spillway.errors import SpillwayError
    from spillway.operate.orders import life

    _must_be_order_id(order_id)
    service = reach(port, stage, profile, region)
    with told_if_silent():
        found = life(service, _key(service, order_id, customer))
    if found is None:
        raise SpillwayError(
            f"Customer {customer!r} has no order {order_id}: leave --customer out to look for it"
            " among all customers'."
        )
    if as_json:
        from spillway.operate.documents import life_document

        typer.echo(json.dumps(life_document(found), indent=2))
    else:
        from spillway.operate.report import life_view

        Console(highlight=False).print(life_view(found, time.time(), service.options))


@orders.command()
def resume(
    order_id: Annotated[
        str | None, typer.Argument(metavar="ORDER_ID", help="One order; or say --unsettled.")
    ] = None,
    customer: Annotated[
        str | None,
        typer.Option("--customer", "-c", metavar="ID", help="Whose: then it is found by its key."),
    ] = None,
    unsettled: Annotated[
        bool, typer.Option("--unsettled", "-u", help="All of which something is still owed.")
    ] = False,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than", metavar="30m", help="With --unsettled: leave younger orders alone."
        ),
    ] = "30m",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count them; change nothing.")] = False,
    as_json: JsonOption = False,
    port: PortOption = DEFAULT_PORT,
    stage: StageOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> None:
    """Have all that is owed to an order commanded again, by handing it to the watchdog.

    For orders that nothing looks after any more: relay was down for longer than the table's stream
    remembers (24 h), or somebody purged a queue. Mend the cause first. Fine to interrupt, to repeat
    and to run while orders come in: nothing is done twice. --unsettled reads the table through.

    Example: `spillway orders resume --unsettled --older-than 2h --dry-run`
    """
    from spillway.errors import SpillwayError
    from spillway.operate.resuming import resume_all, resume_one

    if (order_id is None) is not unsettled:
        raise SpillwayError("Say which orders: one order's id, or --unsettled for all of them.")
    if order_id is not None:
        _must_be_order_id(order_id)
    before = _milliseconds_ago(older_than)
    service = reach(port, stage, profile, region)
    with told_if_silent():
        if order_id is not None:
            done = resume_one(service, _key(service, order_id, customer), dry_run=dry_run)
        else:
            with _reading_through(service) as on_items:
                done = resume_all(service, before=before, on_items=on_items, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, **asdict(done)}, indent=2))
    else:
        typer.echo(done.told(dry_run=dry_run))


def _must_be_order_id(text: str) -> None:
    from orders.domain.order import is_order_id
    from spillway.errors import SpillwayError

    if not is_order_id(text):
        raise SpillwayError(
            f"{text!r} is no order id: one is a UUID version 7 in lower case, like"
            " 019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10."
        )


def _key(service: "Service", order_id: str, customer: str | None) -> "OrderKey":
    """The order's key, for which the table is read through unless its customer is named."""
    from orders.domain.order import OrderKey
    from spillway.errors import SpillwayError
    from spillway.operate.orders import ITEMS_MAX, keys_of

    if customer is not None:
        return OrderKey(customer, order_id)
    with _reading_through(service) as on_items:
        keys, complete = keys_of(service, order_id, on_items=on_items)
    if keys:
        return keys[0]
    if not complete:
        raise SpillwayError(
            f"Among the first {ITEMS_MAX:,} items of the table there is no order {order_id}: name"
            " its customer with --customer."
        )
    raise SpillwayError(
        f"There is no order {order_id}: `spillway logs --order {order_id}{service.options}` shows"
        " whether one was ever sent, and refused."
    )


@orders.command("list")
def list_(
    unsettled: Annotated[
        bool, typer.Option("--unsettled", "-u", help="Those of which something is still owed.")
    ] = False,
    customer: Annotated[
        str | None, typer.Option("--customer", "-c", metavar="ID", help="A customer's, by key.")
    ] = None,
    stuck: Annotated[
        bool,
        typer.Option("--stuck", help="Those that the watchdog found unsettled; reads only logs."),
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most.")] = 100,
    before: Annotated[
        str | None,
        typer.Option("--before", metavar="ORDER_ID", help="With --customer: go on before this."),
    ] = None,
    as_json: JsonOption = False,
    port: PortOption = DEFAULT_PORT,
    stage: StageOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> None:
    """List a customer's orders, or those that have not settled.

    --unsettled reads the orders table through, up to a million items: on AWS about 0.01 dollars.
    --stuck reads no order: it takes the watchdog's word, which looks at each order a quarter of an
    hour after it was placed.

    Example: `spillway orders list --unsettled`
    """
    from rich.console import Console

    service = reach(port, stage, profile, region)
    with told_if_silent():
        listed, nothing = _listed(service, unsettled, customer, stuck, limit, before)
    if as_json:
        from spillway.operate.documents import listed_document

        typer.echo(json.dumps(listed_document(listed), indent=2))
    else:
        from spillway.operate.report import listed_view

        Console(highlight=False).print(listed_view(listed, time.time(), nothing))


def _listed(
    service: "Service",
    unsettled: bool,
    customer: str | None,
    stuck: bool,
    limit: int,
    before: str | None,
) -> tuple["Listed", str]:
    """What was asked for, and what is said where there is none of it."""
    from spillway.errors import SpillwayError
    from spillway.operate import orders as reading

    if unsettled + stuck + (customer is not None) != 1:
        raise SpillwayError(
            "Say which orders: --unsettled, --stuck, or --customer with the customer's id."
        )
    if customer is not None:
        found = reading.of_customer(service, customer, limit=limit, before=before)
        return found, "This customer has no orders."
    if stuck:
        return reading.stuck(service, limit=limit), "The watchdog found no order unsettled."
    with _reading_through(service) as on_items:
        found = reading.unsettled(service, limit=limit, on_items=on_items)
    return found, "Every order has settled."


@contextmanager
def _reading_through(service: "Service") -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from spillway.operate.orders import item_count

    columns = (TextColumn("Reading the orders"), BarColumn(bar_width=40), MofNCompleteColumn())
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        bar = progress.add_task("", total=item_count(service) or None)
        yield lambda count: progress.advance(bar, count)


def logs(
    order: Annotated[
        str | None, typer.Option("--order", "-o", metavar="ORDER_ID", help="Only this order's.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl+C.")
    ] = False,
    since: Annotated[
        str, typer.Option("--since", metavar="10m", help="How far back: 30s, 10m, 2h, 1d.")
    ] = "10m",
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=10_000, help="The latest, at most.")
    ] = 1_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print each line as JSON.")] = False,
    port: PortOption = DEFAULT_PORT,
    stage: StageOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> None:
    """Show what all functions said, in the order of time: of one order since it was made, or all.

    The fields are explained in docs/logs.md; nothing in them is personal.

    Example: `spillway logs --order 019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10`
    """
    from spillway.operate import logs as reading

    if order is not None:
        _must_be_order_id(order)
    service = reach(port, stage, profile, region)
    print_ = _printer(as_json=as_json, with_order=order is None)
    with told_if_silent():
        start = _milliseconds_ago(since)
        if order is not None:
            read = reading.lines_of_order(service, order, lines_max=lines)
        else:
            read = reading.lines(service, since=start, lines_max=lines)
        if not read.complete:
            typer.secho("Older lines are left out: --lines shows more.", fg="yellow", err=True)
        for line in read.lines:
            print_(line)
        if not read.lines and not follow:
            typer.secho(_nothing_said(order, since), fg="yellow", err=True)
        if follow:
            _follow(service, order, read.lines, print_)


def _nothing_said(order: str | None, since: str) -> str:
    if order is None:
        return f"Nothing was said in the last {since}: --since looks further back."
    return f"No function has said anything about order {order}, or it was too long ago."


def _follow(
    service: "Service", order: str | None, shown: Any, print_: Callable[[Any], None]
) -> None:
    from spillway.operate.logs import follow

    try:
        for line in follow(service, term=order, shown=shown):
            print_(line)
    except KeyboardInterrupt:
        return


def _printer(*, as_json: bool, with_order: bool) -> Callable[[Any], None]:
    if as_json:
        from spillway.operate.documents import line_document

        return lambda line: typer.echo(json.dumps(line_document(line)))
    from rich.console import Console

    from spillway.operate.report import line_text

    console = Console(highlight=False, soft_wrap=True)
    return lambda line: console.print(line_text(line, with_order=with_order))


def _milliseconds_ago(text: str) -> int:
    from spillway.errors import SpillwayError

    count, unit = text[:-1], text[-1:]
    if not (count.isdecimal() and unit in _UNITS):
        raise SpillwayError(f"{text!r} is no length of time: write 30s, 10m, 2h or 1d.")
    return int((time.time() - int(count) * _UNITS[unit]) * 1000)
