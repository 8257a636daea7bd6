"""The findings as one self-contained page: no script, nothing fetched, light and dark."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from html import escape
from io import BytesIO
from pathlib import Path

from spillway.plan.cost import chart
from spillway.plan.cost.findings import Findings
from spillway.plan.cost.report import (
    UNCONFIRMED,
    break_even,
    dollars,
    operations,
    price_of,
    unconfirmed,
)

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1f2933, #e4e7eb);
  --quiet: light-dark(#616e7c, #9aa5b1); --line: light-dark(#e4e7eb, #323f4b);
  --paper: light-dark(#ffffff, #12181f); --ours: light-dark(#1f6b49, #6fcf97); }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem }
p { max-width: 46rem } .quiet { color: var(--quiet) } .scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .92rem; width: 100% }
th { text-align: left; font-weight: 600; color: var(--quiet) }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
tr.ours td { color: var(--ours); font-weight: 600 }
img { width: 100%; height: auto; background: #fff; border-radius: .4rem; margin: .5rem 0 }
""".strip()

_Row = tuple[str, Sequence[str]]


def write(found: Findings, path: Path) -> None:
    """Write the page."""
    path.write_text(page(found), encoding="utf-8")


def page(found: Findings) -> str:
    """The page's HTML."""
    sections = [
        _intro(found),
        "<h2>What orders cost</h2>" + _loads(found),
        _picture(chart.draw_parts, found, "What a million orders cost, by part of the service"),
        f"<h2>Item by item, at list price: a million orders, {escape(found.load.name)}</h2>"
        + _items(found),
        "<h2>A month's bill</h2>" + _months(found),
        _picture(chart.draw_months, found, "A month's bill against orders a month, on each design"),
        "<h2>The same orders on other designs</h2>" + _alternatives(found),
        _picture(chart.draw_alternatives, found, "A million orders on each design"),
        "<h2>What moves the price</h2>" + _sensitivity(found),
        "<h2>What nobody has confirmed</h2>" + _unconfirmed(found),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>What orders cost</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>What orders cost on Spillway</h1>{''.join(sections)}</main></body>"
        "</html>\n"
    )


def _intro(found: Findings) -> str:
    measured = found.ours.measurement
    text = (
        f"Counted on {measured.taken_at} from {measured.orders} confirmed orders"
        f" ({measured.workload}), priced at {found.ours.book.region} list price in dollars."
        f" Settings of stage {found.ours.stage.stage}."
        f" {UNCONFIRMED} marks what nobody has confirmed."
    )
    return f'<p class="quiet">{escape(text)}</p>'


def _loads(found: Findings) -> str:
    rows: list[_Row] = [
        (
            "ours" if load is found.load else "",
            (
                f"a million orders, {load.name}",
                dollars(load.billed),
                dollars(load.list_price),
                load.what,
            ),
        )
        for load in found.loads
    ]
    rows += [
        (
            "",
            (
                "keeping them, each month",
                "",
                dollars(found.kept_per_million),
                "the first 25 GB are free",
            ),
        ),
        (
            "",
            (
                "a month without any order",
                dollars(found.idle.dollars),
                dollars(found.idle_list.dollars),
                "alarms, dashboard, and Lambda asking the queues",
            ),
        ),
        (
            "",
            ("metrics and secrets, a busy month", "", dollars(found.working_list.dollars), ""),
        ),
    ]
    note = (
        f'<p class="quiet">Billed: in a month of {found.orders_per_month:,} orders, less what AWS'
        " gives every account each month for good.</p>"
    )
    return note + _table(("", "billed", "list price", ""), (1, 2), rows)


def _items(found: Findings) -> str:
    rows: list[_Row] = [
        (
            "",
            (
                item.name,
                operations(item.operations),
                item.unit,
                price_of(item),
                f"{item.dollars:.3f}" + ("" if item.confirmed else UNCONFIRMED),
            ),
        )
        for item in found.list_bill.largest_first()
    ]
    rows.append(("ours", ("together", "", "", "", f"{found.list_bill.dollars:.3f}")))
    return _table(("", "operations", "", "price", "dollars"), (1, 3, 4), rows)


def _months(found: Findings) -> str:
    rows: list[_Row] = [
        ("", (f"{month.orders:,}", dollars(month.spiky), dollars(month.steady)))
        for month in found.months
    ]
    note = '<p class="quiet">Free tiers used, all orders kept.</p>'
    return note + _table(("orders a month", "in crowds", "evenly"), (0, 1, 2), rows)


def _alternatives(found: Findings) -> str:
    crowd = next(load.list_price for load in found.loads if load.name == "crowd")
    rows: list[_Row] = [
        ("ours", ("Spillway", dollars(crowd), dollars(found.idle_list.dollars), "", ""))
    ]
    for one in sorted(found.alternatives, key=lambda one: one.per_million + one.per_month):
        mark = "" if one.confirmed else UNCONFIRMED
        rows.append(
            (
                "",
                (
                    one.alternative.name,
                    dollars(one.per_million) + mark,
                    dollars(one.per_month) + mark,
                    break_even(one),
                    f"{one.alternative.what}. {one.alternative.but}".strip(),
                ),
            )
        )
    heads = ("", "a million", "a month", "cheaper from, a month", "")
    return _table(heads, (1, 2, 3), rows)


def _sensitivity(found: Findings) -> str:
    rows: list[_Row] = [
        (
            "ours" if row.base else "",
            (row.what, row.value, dollars(row.dollars) + (" a month" if row.per_month else "")),
        )
        for row in found.rows
    ]
    return _table(("", "", "a million, in a crowd"), (2,), rows)


def _unconfirmed(found: Findings) -> str:
    return "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in unconfirmed(found)) + "</ul>"


def _table(heads: Sequence[str], numbers: Iterable[int], rows: Sequence[_Row]) -> str:
    right = set(numbers)

    def cells(tag: str, texts: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if place in right else ''}>{escape(text)}</{tag}>"
            for place, text in enumerate(texts)
        )

    body = "".join(
        f"<tr{f' class={kind}' if kind else ''}>{cells('td', texts)}</tr>" for kind, texts in rows
    )
    head = f"<thead><tr>{cells('th', heads)}</tr></thead>" if any(heads) else ""
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'


def _picture(draw: Callable[[Findings, BytesIO], None], found: Findings, what: str) -> str:
    content = BytesIO()
    draw(found, content)
    encoded = base64.b64encode(content.getvalue()).decode()
    return f'<img alt="{escape(what)}" src="data:image/png;base64,{encoded}">'
