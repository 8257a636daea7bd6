"""`spillway logs`: its options. Everything heavy is imported when it runs."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from spillway.operate.arguments import milliseconds_ago, order_id_in
from spillway.target.options import Target, with_target

if TYPE_CHECKING:
    from spillway.operate.logs.reading import Line


@with_target
def logs(
    target: Target,
    order: Annotated[
        str | None,
        typer.Option("--order", "-o", metavar="ORDER_ID", help="Only lines about this order."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show new lines as they come, until Ctrl+C.")
    ] = False,
    since: Annotated[
        str, typer.Option("--since", metavar="10m", help="How far back: 30s, 10m, 2h, 1d.")
    ] = "10m",
    lines: Annotated[
        int,
        typer.Option(
            "--lines", "-n", min=1, max=10_000, help="How many lines at most, the latest."
        ),
    ] = 1_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print each line as JSON.")] = False,
) -> None:
    """Show what all functions logged, in the order of time: about one order, or everything.

    Changes nothing. docs/logs.md explains the fields; none of them is personal.

    Example: `spillway logs --order 019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10`
    """
    from spillway.operate.logs import reading

    if order is not None:
        order = order_id_in(order)
    start = milliseconds_ago(since)
    service = target.reach()
    write = _writer(as_json=as_json, with_order=order is None)
    if order is not None:
        read = reading.lines_of_order(service, order, lines_max=lines)
    else:
        functions = reading.LOGGING
        read = reading.lines(service, since=start, functions=functions, lines_max=lines)
    if not read.complete:
        _remark("Older lines are left out: --lines shows more.")
    for line in read.lines:
        write(line)
    if not read.lines and not follow:
        _remark(_nothing_found(order, since))
    if follow:
        for line in reading.follow(service, term=order, shown=read.lines):
            write(line)


def _remark(sentence: str) -> None:
    typer.secho(sentence, fg="yellow", err=True)


def _nothing_found(order: str | None, since: str) -> str:
    if order is None:
        return f"Nothing was logged in the last {since}: --since looks further back."
    from spillway.operate.logs.view import no_lines

    return no_lines(f" about order {order}")


def _writer(*, as_json: bool, with_order: bool) -> Callable[["Line"], None]:
    from spillway.operate.logs.view import line_document, line_text

    if as_json:
        return lambda line: typer.echo(json.dumps(line_document(line)))
    from spillway.ui.terminal import terminal

    console = terminal(soft_wrap=True)
    return lambda line: console.print(line_text(line, with_order=with_order))
