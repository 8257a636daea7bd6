"""The report as one self-contained HTML page: no script, nothing fetched, light and dark."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from spillway.plan.cost.chart import draw
from spillway.plan.cost.findings import Findings
from spillway.plan.cost.real import ChannelCost
from spillway.plan.cost.report import measured, tables, unconfirmed


def page(found: Findings, real: Sequence[ChannelCost] = ()) -> str:
    """The page's HTML."""
    picture = BytesIO()
    draw(found, picture)
    folder = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=folder, autoescape=True, undefined=StrictUndefined)
    return templates.get_template("page.html").render(
        measured=measured(found),
        tables=tables(found, real),
        picture=base64.b64encode(picture.getvalue()).decode(),
        unconfirmed=unconfirmed(found),
    )
