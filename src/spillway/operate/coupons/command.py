"""`spillway coupons`: its options. Everything heavy is imported when it runs."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from spillway.target.options import Target, with_target
from spillway.ui.options import JsonOption, print_json

coupons = typer.Typer(
    no_args_is_help=True, help="Limited coupons: their codes, their uses, and an audit of both."
)
CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="A single-use code.")]


@coupons.command()
@with_target
def generate(
    target: Target,
    campaign: Annotated[
        str, typer.Option("--campaign", metavar="COUPON", help="The coupon's code.")
    ],
    count: Annotated[int, typer.Option("--count", min=1, help="How many codes.")],
    first: Annotated[
        int, typer.Option("--first", min=0, help="The first serial: how many were made so far.")
    ] = 0,
) -> None:
    """Print single-use codes, one a line, of a coupon that has `single_use_codes`.

    Nothing is stored for a code: the same serials give the same codes again. Puts the key that
    makes them into Parameter Store if there is none. To change the key, add another after it in
    the parameter: codes of both work, and the last one makes new codes.

    Example: `spillway coupons generate --campaign SPRING --count 100000 > spring.txt`
    """
    from spillway.operate.coupons import codes
    from spillway.operate.coupons.published import published

    service = target.reach()
    for code in codes.generate(service, campaign, first, count):
        typer.echo(code)
    books = published(service)
    takers = [book for book in books or () if campaign in book and book[campaign].single_use_codes]
    if books is not None and not takers:
        typer.echo(
            f"No price book of {service.stage} has a coupon {campaign} with single_use_codes:"
            " publish one before you hand out its codes.",
            err=True,
        )


@coupons.command()
@with_target
def show(
    target: Target,
    coupon: Annotated[
        str | None, typer.Argument(metavar="[COUPON|CODE]", help="A coupon, or a code of one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show how often limited coupons were used, or which order used a code.

    Reads the whole coupons table, except for a code. Changes nothing.

    Example: `spillway coupons show SPRING --stage prod`
    """
    from spillway.operate.coupons.view import campaigns_table, code_document, is_code

    service = target.reach()
    if coupon is not None and is_code(coupon):
        document = code_document(service, coupon)
        if as_json:
            print_json(document)
        else:
            typer.echo(" ".join(f"{value}" for value in document.values() if value is not None))
        return
    table = campaigns_table(service, coupon)
    if as_json:
        print_json([asdict(campaign) for campaign in table])
        return
    for one in table:
        typer.echo(f"{one.coupon}: {one}")
    if not table:
        typer.echo(f"{coupon} was not used yet." if coupon else "No limited coupon was used yet.")


@coupons.command()
@with_target
def retire(target: Target, code: CodeArgument) -> None:
    """Withdraw a single-use code that was stolen or printed wrong: nobody can use it any more.

    Writes. A whole campaign is retired by publishing a price book without it.

    Example: `spillway coupons retire SPRING-2222K4TQ7RXP9WB --stage prod`
    """
    from spillway.operate.coupons import codes

    codes.retire(target.reach(), code, _now())
    typer.echo(f"{code} is retired.")


@coupons.command()
@with_target
def audit(
    target: Target,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what follows from the orders.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the uses of limited coupons with the orders that stand; exit with 1 if they differ.

    Reads both tables. Writes only with --repair: gives back what orders that are undone hold, puts
    back uses that standing orders hold and the table lacks, and raises counters. It frees no use
    whose order is missing: restore the orders first.

    Example: `spillway coupons audit --stage prod`
    """
    from spillway.operate.coupons import repairing, uses

    service = target.reach()
    found = uses.audit(service.orders, service.tables["coupons"])
    repaired = 0
    if repair and found.findings:
        repaired = repairing.repair(service, _now)
        found = uses.audit(service.orders, service.tables["coupons"])
    findings = [f"{one.claim} {one.detail}" for one in found.findings]
    if as_json:
        print_json(
            {
                "orders": found.orders,
                "claims": found.claims,
                "repaired": repaired,
                "findings": findings,
                "cut_off": found.cut_off,
            }
        )
    else:
        for finding in findings:
            typer.echo(finding)
        typer.echo(
            f"{found.orders:,} orders with limited coupons or numbers, {found.claims:,} items:"
            f" {'more than ' * found.cut_off}{len(findings):,} findings; {repaired:,} repaired."
        )
    if findings:
        raise typer.Exit(1)


def _now() -> int:
    return time.time_ns() // 1_000_000
