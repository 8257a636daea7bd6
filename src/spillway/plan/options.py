"""The options that cost and capacity share."""

from pathlib import Path
from typing import Annotated

import typer

PricesOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE.toml", help="Prices that differ from the price list's."),
]
StageOption = Annotated[str, typer.Option(metavar="NAME", help="The stage whose settings count.")]
