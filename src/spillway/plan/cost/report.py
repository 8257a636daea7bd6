"""The findings: as JSON for scripts, and as tables for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from spillway.plan.cost.alternatives import Compared
from spillway.plan.cost.findings import STAGES, USERS, Findings
from spillway.plan.cost.keeping import SEVEN_YEARS_MONTHS, WORKED_OUT
from spillway.plan.cost.model import MILLION
from spillway.plan.cost.usage import network
from spillway.plan.price_list import Bill, Item, priced
from spillway.plan.tables import UNCONFIRMED, Table

if TYPE_CHECKING:
    from rich.console import Console

    from spillway.plan.cost.real import ChannelCost

_SMALL = 0.005


def document(found: Findings, real: Sequence[ChannelCost] = ()) -> dict[str, Any]:
    """One JSON object. Its first four keys never change.

    `total_per_million` and `items`: what a million confirmed orders, sent straight to the API, add
    to the bill of a month without any, when `orders_per_month` come in it, in a crowd unless a
    profile was given, after AWS's permanent free tiers: `dollars` = (`operations` - `free`) x
    `price`. `list`: the same without free tiers. `idle_per_month`: a month without any order.
    `store`: see `StoreCost`. `keeping`: see `KeptCost`, by channel.
    """
    measured = found.model.measurement
    return {
        "total_per_million": round(found.load.billed.dollars, 4),
        "idle_per_month": round(found.idle.dollars, 4),
        "items": _items(found.load.billed),
        "alternatives": [_alternative(compared) for compared in found.alternatives],
        "list": _at_list_price(found),
        "loads": [
            {
                "load": load.name,
                "what": load.what,
                "total_per_million": round(load.billed.dollars, 4),
                "list": round(load.list_price.dollars, 4),
            }
            for load in found.loads
        ],
        "store": msgspec.to_builtins(found.store),
        "keeping": {
            channel: {"bytes": asdict(one.sizes), "ways": msgspec.to_builtins(one.costs())}
            for channel, one in found.keeping.items()
        },
        "real_orders": msgspec.to_builtins(real),
        "orders_per_month": found.orders_per_month,
        "month": round(found.month.dollars, 4),
        "month_list": round(found.month_list.dollars, 4),
        "months": found.months,
        "measured": {
            "orders": measured.orders,
            "workload": measured.workload,
            "on": measured.taken_at,
            "stage": found.model.stage.stage,
            "decide_later": found.model.stage.decide_later,
        },
        "unconfirmed": unconfirmed(found),
    }


def _at_list_price(found: Findings) -> dict[str, Any]:
    return {
        "total_per_million": round(found.load.list_price.dollars, 4),
        "idle_per_month": round(found.idle_list.dollars, 4),
        "items": _items(found.load.list_price),
        "idle_items": _items(found.idle_list),
        "kept_per_million_and_month": round(found.kept_per_million, 4),
        "looks_per_million": round(found.looks_per_million, 4),
        "coupons_per_million": round(found.coupons_per_million, 4),
        "coupons_given_back_per_million": round(found.returns_per_million, 4),
        "metrics_and_secrets_per_month": round(found.working_list.dollars, 4),
    }


def unconfirmed(found: Findings) -> list[str]:
    """The prices in the findings that no source confirms, and all estimates."""
    bills = (found.load.list_price, found.web, found.idle_list, found.month_list)
    used = {
        item.use.price
        for bill in (*bills, *(one.bill for one in found.alternatives))
        for item in bill.items
    }
    model = found.model
    prices = {
        name: price
        for name, price in model.price_list.price.items()
        if name in used and not price.confirmed
    }
    sources = prices | msgspec.structs.asdict(model.figures)
    return [f"{name}: {one.source}" for name, one in sources.items()]


def _items(bill: Bill) -> list[dict[str, Any]]:
    return [
        {
            "name": item.use.name,
            "operations": item.use.units,
            "free": item.free,
            "unit": item.price.unit,
            "price": item.price.first / item.price.per,
            "dollars": round(item.dollars, 6),
            "confirmed": item.price.confirmed,
        }
        for item in bill.largest_first()
    ]


def _alternative(compared: Compared) -> dict[str, Any]:
    return {
        "name": compared.name,
        "what": compared.alternative.what,
        "but": compared.alternative.but,
        "total_per_million": round(compared.per_million, 4),
        "per_month": round(compared.per_month, 4),
        "break_even_orders_per_month": compared.break_even,
        "items": _items(compared.bill),
        "confirmed": compared.bill.confirmed,
    }


def show(found: Findings, real: Sequence[ChannelCost], console: Console) -> None:
    """The whole report."""
    for table in tables(found, real):
        console.print(table.panel())
        if table.note:
            console.print(table.note, style="dim")
    console.print(measured(found), style="dim")
    for note in unconfirmed(found):
        console.print(f"{UNCONFIRMED} not confirmed: {note}", style="dim")


def measured(found: Findings) -> str:
    run, stage = found.model.measurement, found.model.stage
    in_part = (
        " Its express path has one downstream: orders are counted as without it, and cost less."
        if stage.express_in_part
        else ""
    )
    left_out = f" {stage.left_out}" if stage.left_out else ""
    return (
        f"Counted on {run.taken_at} from {run.orders} confirmed orders ({run.workload}) on the"
        f" emulator; settings of stage {stage.stage}; prices of {found.model.price_list.region}."
        f" `spillway cost --measure` counts again.{in_part}{left_out}"
    )


def tables(found: Findings, real: Sequence[ChannelCost] = ()) -> list[Table]:
    """Every table of the report, in its order."""
    own = [_real_table(real)] if real else []
    orders = [store_table(found), loads_table(found), *own, items_table(found)]
    others = network_table(found), others_table(found)
    return [*orders, months_table(found), keeping_table(found), *others]


def store_table(found: Findings) -> Table:
    """What a store pays, in the two stages as they ship."""
    rows = [
        (
            one.what,
            *(
                dollars(amount)
                for both in zip(one.list_price, one.billed, strict=True)
                for amount in both
            ),
            dollars(one.together),
        )
        for one in found.store
    ]
    by_stage = (f"{stage}, {priced_as}" for stage in STAGES for priced_as in ("list", "billed"))
    together = f"{' and '.join(STAGES)} in one Organization, billed"
    return Table("What a store pays, in dollars", ("", *by_stage, together), rows, range(1, 6))


def loads_table(found: Findings) -> Table:
    rows = [
        (
            f"a million orders, {load.name}",
            dollars(load.billed.dollars),
            dollars(load.list_price.dollars),
            load.what,
        )
        for load in found.loads
    ]
    idle = dollars(found.idle.dollars), dollars(found.idle_list.dollars)
    rows += [
        ("a million looks at an order", "", dollars(found.looks_per_million), ""),
        (
            "a million limited coupons",
            "",
            dollars(found.coupons_per_million),
            "besides orders",
        ),
        ("a million of them given back", "", dollars(found.returns_per_million), ""),
        ("kept, each month", "", dollars(found.kept_per_million), _kept_by_hand(found)),
        ("a month without orders", *idle, "alarms, dashboard, polling"),
        ("metrics and secrets, a busy month", "", dollars(found.working_list.dollars), ""),
        (f"{USERS:,} users of Cognito, a month", dollars(found.users_per_month), "", "if used"),
    ]
    note = f"Billed: in a month of {found.orders_per_month:,} orders, after AWS's free tiers."
    return Table("What orders cost, in dollars", ("", "billed", "list", ""), rows, (1, 2), note)


def _kept_by_hand(found: Findings) -> str:
    stored, recoverable = found.kept.items
    return (
        f"{stored.use.units:.3f} GB at {_price(stored)} (the first {stored.price.free:g} GB are"
        f" free), and at {_price(recoverable)} to be recoverable"
    )


def _real_table(real: Sequence[ChannelCost]) -> Table:
    rows = [
        (
            one.channel,
            f"{one.orders:,}",
            f"{one.bytes_stored:,.0f}",
            f"{one.write_units:.2f}",
            dollars(one.billed),
            dollars(one.list_price),
        )
        for one in real
    ]
    head = ("", "orders", "stored, bytes", "write units", "billed", "list")
    return Table("The file's orders: a million of each, in a crowd", head, rows, range(1, 6))


def items_table(found: Findings) -> Table:
    """The first row of the store's table, in numbers from which it can be worked out by hand, at
    list price and billed. What a month with orders has besides them is in no list price of them."""
    listed = {item.use.name: item.dollars for item in found.web.items}
    items = sorted(found.web_billed.items, key=lambda item: -listed.get(item.use.name, 0.0))
    rows = [_with_billed(item, listed.get(item.use.name)) for item in items]
    rows.append(_together(listed.values(), items))
    head = "a million web orders, in a crowd", "operations", "price", "list", "free", "billed"
    return Table("Item by item", head, rows, range(1, 6))


def months_table(found: Findings) -> Table:
    rows = [
        (
            f"{month['orders']:,}",
            dollars(month["spiky"]),
            dollars(month["steady"]),
            f"{100 * month['steady'] / month['orders']:.4f}",
        )
        for month in found.months
    ]
    head = ("orders a month", "in crowds", "evenly", "cents an order, evenly")
    note = "After free tiers. The month's orders are kept for all of it."
    return Table("A whole month's bill", head, rows, range(4), note)


def keeping_table(found: Findings) -> Table:
    """What keeping a million retail orders costs, by the way they are kept."""
    rows = [
        (
            one.name,
            dollars(one.once),
            dollars(one.in_table),
            "" if one.archived is None else dollars(one.archived),
            dollars(one.year),
            dollars(one.seven_years),
            "" if one.cheaper_after is None else f"{one.cheaper_after:.0f} months",
        )
        for one in found.keeping["retail"].costs()
    ]
    head = (
        *("a million retail orders", "once", "a month in the table", "a month archived"),
        *("one year", "seven years", "cheaper after"),
    )
    return Table("Keeping orders, at list price", head, rows, range(1, len(head)))


def kept_sizes_table(found: Findings) -> Table:
    rows = [
        (channel, *(f"{size:,.0f}" for size in (one.order, one.progress, one.stub, one.line)))
        for channel, keeping in found.keeping.items()
        for one in [keeping.sizes]
    ]
    head = ("bytes of an order", "order item", "progress item", "stub", "line in the archive")
    return Table("What is kept of an order", head, rows, range(1, len(head)))


def kept_items_table(found: Findings) -> Table:
    """One row of `keeping_table`, to be worked out by hand."""
    keeping = found.keeping["retail"]
    used = keeping.worked_out(WORKED_OUT, SEVEN_YEARS_MONTHS).scaled(MILLION)
    return _worked_out(
        f"a million retail orders, {WORKED_OUT.name}, for seven years",
        "Keeping orders, item by item",
        priced(used, found.model.price_list).items,
    )


def others_table(found: Findings) -> Table:
    ours = found.comparable["in a crowd"], found.idle_list.dollars
    rows = [("Spillway", *map(dollars, ours), "", "")]
    rows += [
        (
            one.name,
            dollars(one.per_million) + _mark(one.bill.confirmed),
            dollars(one.per_month) + _mark(one.bill.confirmed),
            _break_even(one),
            one.alternative.but,
        )
        for one in sorted(found.alternatives, key=lambda one: one.per_million + one.per_month)
    ]
    head = ("the same orders on", "a million", "a month", "cheaper from, a month", "but")
    return Table("Other designs, at list price, in a crowd", head, rows, (1, 2, 3))


def idle_table(found: Findings) -> Table:
    """What a stage costs whether orders come or not, and what it costs only while they come."""
    rows = [
        (name + busy, *figures, dollars(item.dollars))
        for bill, busy in ((found.idle_list, ""), (found.working_list, " (only with orders)"))
        for item in bill.items
        for name, *figures in [_counted(item)]
    ]
    return Table("A month at rest", ("what", "a month", "price", "dollars"), rows, (1, 2, 3))


def idle_items_table(found: Findings) -> Table:
    """The last row of the store's table, to be worked out by hand."""
    listed = [item.dollars for item in found.idle_list.items]
    rows = [*map(_with_billed, found.idle.items, listed), _together(listed, found.idle.items)]
    head = "a month without orders", "a month", "price", "list", "free", "billed"
    return Table("A month without orders, item by item", head, rows, range(1, 6))


def network_table(found: Findings) -> Table:
    """What a stage with [network] pays besides, and how much more a month at rest then costs."""
    rest = found.idle_list.dollars
    rows = []
    for what, endpoints, gateways in (
        ("endpoints for SQS, two zones (every downstream by SigV4)", 2, 0),
        ("endpoints for SQS and Parameter Store, two zones", 4, 0),
        ("your NAT gateway, one zone", 0, 1),
        ("your NAT gateways, two zones", 0, 2),
    ):
        more = priced(network(endpoints, gateways), found.model.price_list).dollars
        rows.append((what, dollars(more), f"{(rest + more) / rest:.1f} times"))
    head = ("deliveries in a VPC, by", "a month", "a month at rest becomes")
    return Table("Private downstreams, at list price", head, rows, (1, 2))


def _worked_out(what: str, title: str, items: Sequence[Item]) -> Table:
    rows = [(*_counted(item), f"{item.dollars:.4f}{_mark(item.price.confirmed)}") for item in items]
    rows.append(("together", "", "", f"{sum(item.dollars for item in items):.4f}"))
    return Table(title, (what, "operations", "price", "dollars"), rows, (1, 2, 3))


def _with_billed(item: Item, listed: float | None) -> tuple[str, ...]:
    confirmed = _mark(item.price.confirmed)
    return (
        *_counted(item),
        "" if listed is None else f"{listed:.4f}{confirmed}",
        _operations(item.free) if item.free else "",
        f"{item.dollars:.4f}{confirmed}",
    )


def _together(listed: Iterable[float], billed: Iterable[Item]) -> tuple[str, ...]:
    total = sum(item.dollars for item in billed)
    return "together", "", "", f"{sum(listed):.4f}", "", f"{total:.4f}"


def _counted(item: Item) -> tuple[str, str, str]:
    return item.use.name, _operations(item.use.units), _price(item)


def _mark(confirmed: bool) -> str:
    return "" if confirmed else UNCONFIRMED


def _break_even(one: Compared) -> str:
    """From how many orders a month it is cheaper than ours."""
    if one.break_even is None:
        return "never"
    return "always" if one.break_even == 0 else _operations(one.break_even)


def parts(bill: Bill) -> dict[str, float]:
    """Dollars by part of the service: an item's name up to the colon."""
    summed: dict[str, float] = {}
    for item in bill.items:
        of_function = item.use.price.startswith("lambda.")
        part = "functions" if of_function else item.use.name.split(":")[0]
        summed[part] = summed.get(part, 0.0) + item.dollars
    return dict(sorted(summed.items(), key=lambda pair: -pair[1]))


def dollars(amount: float) -> str:
    """Two digits after the point; three where two would show zero."""
    return f"{amount:,.3f}" if 0 < amount < _SMALL else f"{amount:,.2f}"


def _operations(number: float) -> str:
    """For people: four digits that count, and the thousands' separator."""
    if number >= MILLION:
        return f"{number / MILLION:,.4g} M"
    return f"{number:,.0f}" if number >= 1_000 else f"{number:.4g}"


def _price(item: Item) -> str:
    """The price as AWS writes it: 0.40 per million and the like."""
    per = {1.0: "", float(MILLION): " /M", 10_000.0: " /10 k"}
    amount = f"{item.price.first:.10f}".rstrip("0").rstrip(".")
    return amount + per.get(item.price.per, f" /{item.price.per:g}")
