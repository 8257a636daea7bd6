"""`spillway orders`: its options. Everything heavy is imported when it runs."""

import time
from contextlib import AbstractContextManager
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.errors import CheckFailed, UsageError
from spillway.operate.arguments import customer_id_in, milliseconds, milliseconds_ago, order_id_in
from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_json, print_result

if TYPE_CHECKING:
    from orders.domain.order import OrderKey
    from spillway.operate.orders.reading import Listed
    from spillway.target.service import Service
    from spillway.ui.progress import Bar

orders = typer.Typer(
    help="Look at one order, a customer's orders, or the orders that have not settled.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_CustomerOption = Annotated[
    str | None,
    typer.Option(
        "--customer", "-c", metavar="ID", help="The order's customer: it is found without a search."
    ),
]


@orders.command()
@with_target
def show(
    target: Target,
    order_id: Annotated[
        str, typer.Argument(metavar="ORDER_ID", help="The order's id, or its first or last digits.")
    ],
    customer: _CustomerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an order's whole life: each step, its attempts, why it has not settled, and its logs.

    Changes nothing. Without --customer it reads the orders table until it finds the order: on AWS
    about 0.02 dollars for a million orders.

    Example: `spillway orders show 019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10`
    """
    from spillway.operate.orders import view
    from spillway.operate.orders.finding import check_id_or_prefix
    from spillway.operate.orders.reading import life

    check_id_or_prefix(order_id)
    service = target.reach()
    found = life(service, _key(service, order_id, customer))
    if found is None:
        raise CheckFailed(
            f"Customer {customer!r} has no order {order_id}: leave --customer out to search all"
            " customers' orders."
        )
    show_life = partial(view.show_life, now=time.time(), options=service.options)
    print_result(found, as_json=as_json, document=view.life_document, show=show_life)


@orders.command()
@with_target
def resume(
    target: Target,
    order_id: Annotated[
        str | None, typer.Argument(metavar="ORDER_ID", help="One order; or use --unsettled.")
    ] = None,
    customer: _CustomerOption = None,
    unsettled: Annotated[
        bool, typer.Option("--unsettled", "-u", help="All that are owed a step, or held.")
    ] = False,
    older_than: Annotated[
        str,
        typer.Option("--older-than", metavar="30m", help="With --unsettled: skip younger orders."),
    ] = "30m",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the orders; change nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Command every owed step of an order again, by handing the order to the watchdog.

    Writes: it sends messages to the watchdog's queue. For orders that lost their commands: relay
    was down for longer than the table's stream keeps changes (24 h), or a queue was purged. Fix the
    cause first. Safe to interrupt, to repeat, and while orders come in: no step takes effect twice.
    --unsettled reads the whole table.

    Example: `spillway orders resume --unsettled --older-than 2h --dry-run`
    """
    from spillway.operate.orders.reading import Scan, open_orders
    from spillway.operate.orders.resuming import resume as resume_orders

    if (order_id is None) is not unsettled:
        raise UsageError("Say which orders: one order's id, or --unsettled for all of them.")
    if order_id is not None:
        order_id = order_id_in(order_id)
    before = milliseconds_ago(older_than)
    service = target.reach()
    if order_id is not None:
        done = resume_orders(service, [_key(service, order_id, customer)], dry_run=dry_run)
    else:
        with _scan_bar(service) as progress:
            found = open_orders(Scan(service, progress.advance))
            done = resume_orders(service, found, before=before, dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, **asdict(done)})
    else:
        typer.echo(done.sentence(dry_run=dry_run))


class _Status(StrEnum):
    held = "held"
    accepted = "accepted"
    confirmed = "confirmed"
    rejecting = "rejecting"
    rejected = "rejected"
    cancelling = "cancelling"
    cancelled = "cancelled"
    archived = "archived"


class _Sort(StrEnum):
    newest = "newest"
    oldest = "oldest"


_Downstream = StrEnum("_Downstream", ["inventory", "fulfilment", "accounting"])
_Channel = StrEnum("_Channel", ["retail", "wholesale"])


@orders.command("list")
@with_target
def list_(
    target: Target,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT",
            help="Orders with this: the first or last digits of an order id, a customer's id or"
            " hash, a purchase order number or a payment's reference or a part of one, an e-mail"
            " address, today, yesterday, or a day like 2026-11-27 (UTC).",
        ),
    ] = None,
    unsettled: Annotated[
        bool, typer.Option("--unsettled", "-u", help="Orders that are owed a step, or held.")
    ] = False,
    customer: Annotated[
        str | None, typer.Option("--customer", "-c", metavar="ID", help="A customer's orders.")
    ] = None,
    stuck: Annotated[
        bool,
        typer.Option("--stuck", help="Orders that the watchdog found unsettled; reads only logs."),
    ] = False,
    status: Annotated[_Status | None, typer.Option("--status", help="Only these.")] = None,
    waits_for: Annotated[
        _Downstream | None, typer.Option("--waits-for", help="Only those that wait for it.")
    ] = None,
    channel: Annotated[_Channel | None, typer.Option("--channel", help="Only its orders.")] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="30m", help="Only older orders.")
    ] = None,
    younger_than: Annotated[
        str | None, typer.Option("--younger-than", metavar="2h", help="Only younger orders.")
    ] = None,
    sort: Annotated[
        _Sort | None,
        typer.Option("--sort", help="Which first; by default the oldest of those that wait."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=10_000, help="How many orders at most.")
    ] = 100,
    before: Annotated[
        str | None,
        typer.Option(
            "--before", metavar="ORDER_ID", help="With --customer: orders older than this."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find orders by what you know of them, or list those that have not settled.

    Changes nothing. TEXT and --unsettled read up to a million items of the orders table: on AWS
    about 0.01 dollars. --customer and an e-mail address with which a customer signs in read by key.
    --stuck reads no order: it reads what the watchdog logged. The watchdog checks each order that
    has not settled some 20 minutes after it was placed.

    Example: `spillway orders list --unsettled --waits-for accounting --older-than 30m`
    """
    from spillway.operate.orders import view
    from spillway.operate.orders.finding import Filters

    if (unsettled or text is not None) + stuck + (customer is not None) != 1:
        raise UsageError(
            "Say which orders: TEXT that is theirs, --unsettled, --stuck, or --customer with the"
            " customer's id."
        )
    waits = unsettled or stuck
    filters = Filters(
        status="" if status is None else status.value,
        waits_for="" if waits_for is None else waits_for.value,
        channel="" if channel is None else channel.value,
        older_than_ms=None if older_than is None else milliseconds(older_than),
        younger_than_ms=None if younger_than is None else milliseconds(younger_than),
        sort=(sort or (_Sort.oldest if waits else _Sort.newest)).value,
    )
    service = target.reach()
    listed = _listed(service, text, customer, before, unsettled=unsettled, stuck=stuck, limit=limit)
    now = time.time()
    listed = listed.filtered(filters.apply(listed.orders, int(now * 1000)), limit)
    show_list = partial(view.show_list, now=now)
    print_result(listed, as_json=as_json, document=view.listed_document, show=show_list)


def _listed(
    service: "Service",
    text: str | None,
    customer: str | None,
    before: str | None,
    *,
    unsettled: bool,
    stuck: bool,
    limit: int,
) -> "Listed":
    from spillway.operate.orders import reading
    from spillway.operate.orders.finding import (
        FOUND_MAX,
        WHAT_CAN_BE_FOUND,
        Sought,
        customer_of_email,
        find,
    )

    if text is not None and "@" in text and not unsettled:
        customer = customer_of_email(service, text)
    if customer is not None:
        return reading.of_customer(
            service,
            customer_id_in(customer),
            limit=limit,
            before=None if before is None else order_id_in(before),
        )
    if stuck:
        return reading.stuck(service, limit=FOUND_MAX)
    with _scan_bar(service) as progress:
        found = find(
            service, Sought(text or ""), unsettled_only=unsettled, on_items=progress.advance
        )
    source = "the whole orders table"
    if found.archived:
        source += f", without {found.archived:,} archived orders"
    which = "unsettled order" if unsettled else "order"
    empty = "Every order has settled"
    if text:
        empty = f"No {which} was found by {text!r}. You can search for {WHAT_CAN_BE_FOUND}"
    return reading.Listed(found.orders, found.complete, source, empty)


def _key(service: "Service", order_id: str, customer: str | None) -> "OrderKey":
    """The order's key. Unless its customer is named, it is searched for in the whole table."""
    from orders.domain.order import OrderKey
    from spillway.operate.orders.finding import key_of

    if customer is not None:
        return OrderKey(customer_id_in(customer), order_id_in(order_id))
    with _scan_bar(service) as progress:
        return key_of(service, order_id, on_items=progress.advance)


def _scan_bar(service: "Service") -> AbstractContextManager["Bar"]:
    from spillway.operate.orders.reading import item_count
    from spillway.ui.progress import bar

    return bar("Reading the orders", item_count(service) or None)
