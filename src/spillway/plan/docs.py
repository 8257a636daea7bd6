"""The generated parts of the documentation: `make docs` writes them, `make check` compares them.
The storefront's address formats are made with them.

A page is written by hand, and each generated part is between `<!-- NAME -->` and `<!-- /NAME -->`.
Nothing is measured here: figures come from docs/measured, prices, settings and the code.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.alarms import alarms
from infra.metrics import EVERY_FUNCTION, LOG_METRICS, MEASURED_BY_AWS
from infra.stage import load
from orders.telemetry import FIELDS
from spillway.errors import SpillwayError
from spillway.paths import PROJECT
from spillway.plan import inventory
from spillway.plan.capacity.report import crowd_table
from spillway.plan.cost import report
from spillway.plan.cost.chart import draw
from spillway.plan.cost.findings import Findings
from spillway.plan.cost.model import MILLION, CostModel, cost_model
from spillway.plan.cost.sizing import sizing
from spillway.plan.migration_settings import settings_part
from spillway.plan.pricing_vectors import vectors
from spillway.plan.tables import Table
from spillway.plan.templates import Templates, synthesised
from spillway.price_book import EXAMPLE
from spillway.prove.simulate import saga_picture
from spillway.run.storefront import address_formats
from spillway.run.workload.catalogue import articles_csv

DOCS = PROJECT / "docs"
COST, PERFORMANCE = DOCS / "cost.md", DOCS / "performance.md"
PRODUCTION = DOCS / "production.md"
MIGRATION_SETTINGS = DOCS / "migration" / "settings.md"
LOGS, METRICS = DOCS / "logs.md", DOCS / "metrics.md"
PRICING_VECTORS = DOCS / "contracts" / "vectors" / "pricing.json"
INVENTORY = DOCS / "production-inventory.md"
PICTURE = DOCS / "cost.png"
EXPRESS_STATES = DOCS / "express-states.svg"
BENCHMARKS = DOCS / "measured" / "benchmarks.json"


def pages() -> Iterator[tuple[Path, str]]:
    """Every generated page, as it should be now."""
    model = cost_model()
    yield COST, cost_page(Findings(model, MILLION))
    yield PERFORMANCE, performance_page(model)
    yield PRODUCTION, filled(PRODUCTION, crowd=crowd_table(model).markdown())
    yield INVENTORY, inventory_page(synthesised(inventory.STAGE))
    yield LOGS, logs_page()
    yield METRICS, metrics_page()
    yield MIGRATION_SETTINGS, filled(MIGRATION_SETTINGS, settings=settings_part())
    yield EXAMPLE.with_name("load.csv"), articles_csv()
    yield PRICING_VECTORS, vectors()
    yield address_formats.FILE, address_formats.text()
    yield EXPRESS_STATES, saga_picture.svg()


def cost_page(found: Findings) -> str:
    notes = "\n".join(f"- {note}" for note in report.unconfirmed(found))
    return filled(
        COST,
        store=report.store_table(found).markdown(),
        orders=report.loads_table(found).markdown(),
        items=report.items_table(found).markdown(),
        idle=report.idle_items_table(found).markdown(),
        months=report.months_table(found).markdown(),
        kept_sizes=report.kept_sizes_table(found).markdown(),
        keeping=report.keeping_table(found).markdown(),
        kept_items=report.kept_items_table(found).markdown(),
        network=report.network_table(found).markdown(),
        others=report.others_table(found).markdown(),
        counted=f"{report.measured(found)}\n\n{notes}\n",
    )


def performance_page(model: CostModel) -> str:
    recorded = json.loads(BENCHMARKS.read_text())
    tables = [figures_table(title, rows) for title, rows in recorded["figures"].items()]
    run = f"Measured on {recorded['measured']}, {recorded['machine']}."
    return filled(
        PERFORMANCE,
        measured="\n".join((f"{run}\n", *(f"### {t.title}\n\n{t.markdown()}" for t in tables))),
        sizing=sizing(model).markdown(),
    )


def inventory_page(templates: Templates) -> str:
    return filled(INVENTORY, **inventory.parts(templates))


def logs_page() -> str:
    rows = [(f"`{name}`", meaning) for name, meaning in FIELDS.items()]
    return filled(LOGS, fields=Table("", ("field", "meaning"), rows).markdown())


def metrics_page() -> str:
    measured = [
        (f"`{metric.namespace}`", f"`{metric.name}`", metric.statistic, metric.meaning)
        for metric in MEASURED_BY_AWS
    ]
    logged = [
        (
            f"`{metric.name}`",
            metric.statistic,
            "all functions"
            if {*metric.functions} > {*EVERY_FUNCTION}
            else ", ".join(metric.functions),
            metric.meaning,
        )
        for metric in LOG_METRICS
    ]
    ringing = [
        (f"[{one.name}]({Path(one.page).relative_to('docs')})", f"`{one.metric.name}`", one.reason)
        for one in alarms(load(inventory.STAGE))
    ]
    of_aws = ("namespace", "metric", "statistic", "meaning")
    of_ours = ("metric", "statistic", "logged by", "meaning")
    return filled(
        METRICS,
        of_aws=Table("", of_aws, measured).markdown(),
        of_ours=Table("", of_ours, logged).markdown(),
        alarms=Table("", ("alarm", "metric", "rings when"), ringing).markdown(),
    )


def figures_table(title: str, rows: Mapping[str, Mapping[str, float]]) -> Table:
    """What `make bench` measured: by the row's name, each figure by its column's."""
    columns = [*dict.fromkeys(column for figures in rows.values() for column in figures)]
    cells = [
        (name, *(_figure(figures.get(column)) for column in columns))
        for name, figures in rows.items()
    ]
    return Table(title, ("", *columns), cells, range(1, len(columns) + 1))


def _figure(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def filled(page: Path, **parts: str) -> str:
    """The page with these generated parts. Raises SpillwayError when it lacks a marker."""
    text = page.read_text(encoding="utf-8")
    for name, content in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise SpillwayError(f"{page} lacks the markers {begin} and {end}.")
        text = f"{before}{begin}\n{content}{end}{after}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(prog="spillway.plan.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    checking = parser.parse_args().check
    outdated = [(page, text) for page, text in pages() if page.read_text() != text]
    for page, text in outdated:
        name = page.relative_to(PROJECT)
        if checking:
            sys.stdout.write(f"{name} is not what the tools would write now. Run: make docs\n")
        else:
            page.write_text(text, encoding="utf-8")
            sys.stdout.write(f"Wrote {name}.\n")
    if checking:
        sys.exit(bool(outdated))
    draw(Findings(cost_model(), MILLION), PICTURE)


if __name__ == "__main__":
    main()
