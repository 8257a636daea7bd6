"""Which fakes stand for the three downstreams on this machine."""

from enum import StrEnum
from typing import Annotated

import typer


class Fakes(StrEnum):
    """`contracts`: services of our own three contracts. `examples`: an ERP, a warehouse behind two
    queues and an accounting API, each with a contract of its own (docs/downstreams.md)."""

    CONTRACTS = "contracts"
    EXAMPLES = "examples"

    @property
    def overlay(self) -> str | None:
        """The file in infra/stages/downstreams that replaces the stage's own downstreams."""
        return None if self is Fakes.CONTRACTS else self.value


#: `--downstreams`.
DownstreamsOption = Annotated[
    Fakes,
    typer.Option(
        "--downstreams",
        help="Which fakes the orders go to: of our three contracts, or an ERP with a callback, a"
        " warehouse behind queues and an accounting API with OAuth.",
    ),
]
