"""The findings as JSON for scripts, and for a terminal of any width."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from spillway.plan.cost.alternatives import Compared
from spillway.plan.cost.findings import Findings
from spillway.plan.cost.reckoning import MILLION
from spillway.plan.cost.sensitivity import Row
from spillway.plan.prices import Bill, Item

if TYPE_CHECKING:
    from spillway.plan.cost.real import Line

UNCONFIRMED = "*"
_SMALL = 0.005
_BAR = 14


def document(found: Findings, lines: Sequence[Line] = ()) -> dict[str, Any]:
    """One JSON object; its first four keys never change.

    `total_per_million` and its `items` are what AWS bills for a million confirmed orders in a month
    of `orders_per_month`, in the way that was asked for: a crowd, unless a profile was given. Its
    permanent free tiers are taken off: `dollars` = (`operations` - `free`) x `price`. `list` is the
    same without them. `idle_per_month` is a month without any order.
    """
    return {
        "total_per_million": round(found.bill.dollars, 4),
        "idle_per_month": round(found.idle.dollars, 4),
        "items": [_item(item) for item in found.bill.largest_first()],
        "alternatives": [_alternative(compared) for compared in found.alternatives],
        "list": {
            "total_per_million": round(found.list_bill.dollars, 4),
            "idle_per_month": round(found.idle_list.dollars, 4),
            "items": [_item(item) for item in found.list_bill.largest_first()],
            "idle_items": [_item(item) for item in found.idle_list.largest_first()],
            "kept_per_million_and_month": round(found.kept_per_million, 4),
            "metrics_and_secrets_per_month": round(found.working_list.dollars, 4),
        },
        "loads": [
            {
                "load": load.name,
                "what": load.what,
                "total_per_million": round(load.billed, 4),
                "list": round(load.list_price, 4),
            }
            for load in found.loads
        ],
        "real_orders": [
            {
                "channel": line.channel,
                "orders": line.orders,
                "bytes_stored": round(line.bytes_stored, 1),
                "write_units": round(line.write_units, 4),
                "total_per_million": round(line.billed, 4),
                "list": round(line.list_price, 4),
            }
            for line in lines
        ],
        "orders_per_month": found.orders_per_month,
        "month": round(found.month.dollars, 4),
        "month_list": round(found.month_list.dollars, 4),
        "months": [
            {"orders": m.orders, "spiky": round(m.spiky, 4), "steady": round(m.steady, 4)}
            for m in found.months
        ],
        "sensitivity": [_row(row) for row in found.rows],
        "measured": {
            "orders": found.ours.measurement.orders,
            "workload": found.ours.measurement.workload,
            "on": found.ours.measurement.taken_at,
            "stage": found.ours.stage.stage,
        },
        "unconfirmed": unconfirmed(found),
    }


def unconfirmed(found: Findings) -> list[str]:
    """The prices and figures in the findings that nobody has confirmed."""
    prices = [
        f"{name}: {price.source}"
        for name, price in found.ours.book.price.items()
        if not price.confirmed and name in _used_prices(found)
    ]
    figures = found.ours.figures
    return prices + [
        f"{name}: {getattr(figures, name).source}"
        for name in figures.__struct_fields__
        if not getattr(figures, name).confirmed
    ]


def _used_prices(found: Findings) -> set[str]:
    bills = [
        found.list_bill,
        found.idle_list,
        found.month_list,
        *(one.bill for one in found.alternatives),
    ]
    return {item.price_name for bill in bills for item in bill.items}


def _item(item: Item) -> dict[str, Any]:
    return {
        "name": item.name,
        "operations": item.operations,
        "free": item.free,
        "unit": item.unit,
        "price": item.price / item.per,
        "dollars": round(item.dollars, 6),
        "confirmed": item.confirmed,
    }


def _alternative(compared: Compared) -> dict[str, Any]:
    return {
        "name": compared.alternative.name,
        "what": compared.alternative.what,
        "but": compared.alternative.but,
        "total_per_million": round(compared.per_million, 4),
        "per_month": round(compared.per_month, 4),
        "break_even_orders_per_month": compared.break_even,
        "items": [_item(item) for item in compared.bill.largest_first()],
        "confirmed": compared.confirmed,
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "what": row.what,
        "value": row.value,
        "dollars": round(row.dollars, 4),
        "per": "month" if row.per_month else "million orders",
        "as_it_is": row.base,
    }


def show(found: Findings, lines: Sequence[Line], console: Console) -> None:
    """The whole report."""
    console.print(_headline(found))
    if lines:
        console.print(_real_panel(lines))
    console.print(_items_panel(found))
    console.print(_months_panel(found))
    console.print(_alternatives_panel(found))
    console.print(_sensitivity_panel(found))
    console.print(_footnotes(found))


def _headline(found: Findings) -> RenderableType:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("a million orders")
    table.add_column("billed", justify="right")
    table.add_column("list price", justify="right")
    table.add_column("")
    for load in found.loads:
        style = "bold" if load is found.load else ""
        table.add_row(
            Text(load.name, style),
            Text(dollars(load.billed), style),
            Text(dollars(load.list_price), style),
            Text(load.what, "dim"),
        )
    table.add_row("", "", "", "")
    table.add_row(
        "kept, each month", "", dollars(found.kept_per_million), Text("the first 25 GB free", "dim")
    )
    table.add_row(
        "an idle month", dollars(found.idle.dollars), dollars(found.idle_list.dollars), ""
    )
    table.add_row(
        "metrics and secrets", "", dollars(found.working_list.dollars), Text("a busy month", "dim")
    )
    note = Text(
        f"Billed: in a month of {found.orders_per_month:,} orders, less what AWS gives every"
        " account each month for good.",
        "dim",
    )
    return Panel(Group(table, note), title="What orders cost, in dollars", title_align="left")


def _real_panel(lines: Sequence[Line]) -> RenderableType:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("", "orders", "stored, bytes", "write units", "billed", "list price"):
        table.add_column(heading, justify="right" if heading else "left")
    for line in lines:
        table.add_row(
            line.channel,
            f"{line.orders:,}",
            f"{line.bytes_stored:,.0f}",
            f"{line.write_units:.2f}",
            dollars(line.billed),
            dollars(line.list_price),
        )
    return Panel(
        table, title="The file's orders: a million of each, in a crowd", title_align="left"
    )


def _items_panel(found: Findings) -> RenderableType:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column(f"a million orders, {found.load.name}")
    table.add_column("operations", justify="right", no_wrap=True)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("dollars", justify="right", no_wrap=True)
    table.add_column("")
    largest = max(item.dollars for item in found.list_bill.items)
    for item in found.list_bill.largest_first():
        table.add_row(
            item.name,
            operations(item.operations),
            price_of(item),
            f"{item.dollars:.3f}{'' if item.confirmed else UNCONFIRMED}",
            Text("█" * round(_BAR * item.dollars / largest), "cyan"),
        )
    table.add_row("", "", "", Text(f"{found.list_bill.dollars:.3f}", "bold"), "")
    return Panel(table, title="Item by item, at list price", title_align="left")


def _months_panel(found: Findings) -> RenderableType:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("orders a month", "spiky", "steady", "steady, each order"):
        table.add_column(heading, justify="right")
    for month in found.months:
        table.add_row(
            f"{month.orders:,}",
            dollars(month.spiky),
            dollars(month.steady),
            f"{100 * month.steady / month.orders:.4f} cents",
        )
    title = "A whole month's bill, free tiers used, all its orders kept"
    return Panel(table, title=title, title_align="left")


def _alternatives_panel(found: Findings) -> RenderableType:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("the same orders on")
    table.add_column("a million", justify="right")
    table.add_column("a month", justify="right")
    table.add_column("cheaper from, a month", justify="right")
    table.add_column("but")
    table.add_row(
        Text("Spillway", "bold"),
        Text(dollars(_crowd(found)), "bold"),
        dollars(found.idle_list.dollars),
        "",
        "",
    )
    for one in sorted(found.alternatives, key=lambda one: one.per_million + one.per_month):
        mark = "" if one.confirmed else UNCONFIRMED
        table.add_row(
            one.alternative.name,
            dollars(one.per_million) + mark,
            dollars(one.per_month) + mark,
            break_even(one),
            Text(one.alternative.but, "dim"),
        )
    return Panel(table, title="Alternatives, at list price, in a crowd", title_align="left")


def _crowd(found: Findings) -> float:
    return next(load.list_price for load in found.loads if load.name == "crowd")


def break_even(one: Compared) -> str:
    """From how many orders a month it is cheaper than ours."""
    if one.break_even is None:
        return "never"
    return "always" if one.break_even == 0 else operations(one.break_even)


def _sensitivity_panel(found: Findings) -> RenderableType:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("when")
    table.add_column("is")
    table.add_column("a million", justify="right")
    table.add_column("")
    for what, group in groupby(found.rows, key=lambda row: row.what):
        rows = list(group)
        for row in sorted(rows, key=lambda row: row.dollars):
            style = "bold" if row.base else ""
            table.add_row(
                Text(what if row is min(rows, key=lambda row: row.dollars) else "", style),
                Text(row.value, style),
                Text(dollars(row.dollars), style),
                Text("as it is" if row.base else "a month" if row.per_month else "", "dim"),
            )
    return Panel(table, title="What moves the price (in a crowd, list price)", title_align="left")


def _footnotes(found: Findings) -> RenderableType:
    ours = found.ours
    text = Text(
        f"Counted on {ours.measurement.taken_at} from {ours.measurement.orders} confirmed orders"
        f" ({ours.measurement.workload}) on the emulator; settings of stage {ours.stage.stage}."
        " `spillway cost --measure` counts anew.\n",
        "dim",
    )
    for note in unconfirmed(found):
        text.append(f"{UNCONFIRMED} not confirmed: {note}\n", "dim")
    return text


def parts(bill: Bill) -> dict[str, float]:
    """Dollars by part of the service: what stands before the colon of an item's name."""
    summed: dict[str, float] = {}
    for item in bill.items:
        part = "functions" if item.price_name.startswith("lambda.") else item.name.split(":")[0]
        summed[part] = summed.get(part, 0.0) + item.dollars
    return dict(sorted(summed.items(), key=lambda pair: -pair[1]))


def dollars(amount: float) -> str:
    """Two digits after the point; three where two would say nothing."""
    return f"{amount:,.3f}" if 0 < amount < _SMALL else f"{amount:,.2f}"


def operations(number: float) -> str:
    """For people: three digits that count, and the thousands' separator."""
    if number >= MILLION:
        return f"{number / MILLION:,.3g} M"
    if number >= 1_000:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def price_of(item: Item) -> str:
    """The price as AWS writes it: 0.40 per million and the like."""
    per = {1.0: "", float(MILLION): " /M", 10_000.0: " /10 k"}
    return f"{item.price:.10f}".rstrip("0").rstrip(".") + per.get(item.per, f" /{item.per:g}")
