"""`spillway payments`: its options. Everything heavy is imported when it runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from spillway.errors import UsageError
from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, check_writable, print_result

payments = typer.Typer(
    no_args_is_help=True, help="Payments: each one is ordered, or its money goes back."
)
#: A wrong stage or gateway looks as if nobody's order had arrived.
REFUNDS_MAX = 100
STRIPE_DAYS = 7


@payments.command()
@with_target
def reconcile(
    target: Target,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="CSV", help="A settlement file; may be repeated."),
    ] = None,
    stripe: Annotated[
        bool, typer.Option("--stripe", help="Ask Stripe, with the key in the parameter store.")
    ] = False,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, help="How far back to look; 7 with --stripe, else all."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", metavar="OURS=THEIRS", help="What the files call a column; may be repeated."
        ),
    ] = None,
    refund: Annotated[
        bool, typer.Option("--refund", help="Give back what bought nothing; else only tell.")
    ] = False,
    refunds_max: Annotated[
        int | None,
        typer.Option(
            "--refunds-max",
            min=0,
            help=f"With more to give back than this, give nothing back; {REFUNDS_MAX} if left out.",
        ),
    ] = None,
    orders: Annotated[
        bool,
        typer.Option("--orders", help="Find orders without a payment, too: reads the whole table."),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="OUT.csv", help="Write a line for each payment."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the order of each payment that the gateway has taken; exit with 1 if one has none.

    Changes nothing without --refund. With it, the order ids of payments without an order are made
    void once they are more than 25 hours old, and then the money goes back; so does a second
    payment for one order. Fine to repeat, to interrupt, and to run twice at once. docs/payments.md
    says what a settlement file has, and what each finding means.

    Example: `spillway payments reconcile --file settlement.csv --report report.csv --stage prod`
    """
    from spillway.operate.payments.report import document, show
    from spillway.operate.payments.running import reconciled, stripe_of
    from spillway.operate.payments.settlement_file import SettlementFiles, columns_of

    check_writable(report)
    if stripe == bool(file):
        raise UsageError("Where are the payments? Name a --file, or --stripe.")
    if report is not None and report.resolve() in [path.resolve() for path in file or ()]:
        raise UsageError(f"The report would be written over {report}: give it another name.")
    columns = columns_of(column or ())
    most = REFUNDS_MAX if refunds_max is None else refunds_max
    files = SettlementFiles.read(file, columns) if file else None
    service = target.reach()
    found = reconciled(
        files or stripe_of(service),
        service,
        report,
        give_back=refund,
        refunds_max=most,
        needs_an_order=refunds_max is None,
        orders=orders,
        days=days or (None if files else STRIPE_DAYS),
    )
    show_it = partial(show, returns_max=most)
    print_result(found, as_json=as_json, document=document, show=show_it)
    if not found.held:
        raise typer.Exit(1)
