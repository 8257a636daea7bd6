"""`spillway doctor`: its options. Everything heavy is imported when it runs."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_json

if TYPE_CHECKING:
    from spillway.operate.doctor.findings import Finding

_TIMEOUT_SECONDS = 15.0


@with_target
def doctor(target: Target, as_json: JsonOption = False) -> None:
    """Ask an account, before and after a deployment, what would go wrong.

    Quotas, secrets, downstreams, issuer, certificate, address; what is in the way of a first
    deployment; stacks, mappings, alarms, price book and drift of one that is deployed. Each line
    that is not in order names the next step. Changes nothing. Exits with 0 if there is no fault
    (there may be warnings), 1 if there is one or the account cannot be asked, 2 for bad usage.

    Example: `spillway doctor --stage dev`
    """
    import httpx

    from spillway.operate.doctor.account import of_target
    from spillway.operate.doctor.examining import examine

    with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=target.stage is not None) as http:
        account = of_target(target, http, lambda: time.time_ns() // 1_000_000, time.sleep)
        found = list(examine(account))
    sound = all(finding.state != "fault" for _, finding in found)
    if as_json:
        lines = [{"check": check, **asdict(finding)} for check, finding in found]
        deployed = sorted(account.stacks)
        print_json(
            {"stage": account.stage.name, "stacks": deployed, "sound": sound, "findings": lines}
        )
    else:
        _show(found)
    if not sound:
        raise typer.Exit(1)


def _show(found: "Sequence[tuple[str, Finding]]") -> None:
    from rich.text import Text

    from spillway.ui.panels import mark
    from spillway.ui.terminal import terminal

    marks = {"ok": True, "warning": None, "fault": False}
    # A next step is copied from here: it is not broken into lines.
    console = terminal(soft_wrap=True)
    for check, one in found:
        line = Text.assemble(mark(marks[one.state]), f"  {check:<13}{one.about}: {one.says}")
        console.print(line)
        if one.next_step:
            console.print(Text(f"   {'':<13}Next: {one.next_step}"))
    counts = [sum(one.state == state for _, one in found) for state in marks]
    console.print("{} ok, {} to look at, {} at fault".format(*counts))
