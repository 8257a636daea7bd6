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
CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="A code that works once.")]


@coupons.command()
@with_target
def generate(
    target: Target,
    campaign: Annotated[
        str, typer.Option("--campaign", metavar="COUPON", help="The coupon that the codes are of.")
    ],
    count: Annotated[int, typer.Option("--count", min=1, help="How many codes.")],
    first: Annotated[
        int, typer.Option("--first", min=0, help="The first serial: where the last run ended.")
    ] = 0,
) -> None:
    """Print codes that work once, one a line, of a coupon that has `single_use_codes`.

    Nothing is stored for a code: the same serials give the same codes again. Writes the key that
    they are made with to Parameter Store where there is none. To change the key, put a second one
    behind it, as for receipts; codes of both work, and new ones are made with the last.

    Example: `spillway coupons generate --campaign SPRING --count 100000 > spring.txt`
    """
    from spillway.operate.coupons import codes

    for code in codes.generate(target.reach(), campaign, first, count):
        typer.echo(code)


@coupons.command()
@with_target
def show(
    target: Target,
    coupon: Annotated[
        str | None, typer.Argument(metavar="[COUPON|CODE]", help="A coupon, or a code of one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show how often limited coupons were used, or by which order a code was.

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
    for campaign in table:
        numbers = asdict(campaign)
        name = numbers.pop("coupon")
        typer.echo(f"{name}: " + ", ".join(f"{value:,} {key}" for key, value in numbers.items()))
    if not table:
        typer.echo("No limited coupon was used yet.")


@coupons.command()
@with_target
def retire(target: Target, code: CodeArgument) -> None:
    """Let a code be used by nobody: one that was printed wrong, or was stolen.

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
        bool, typer.Option("--repair", help="Give back what orders that are undone still hold.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the uses of limited coupons with the orders that stand; exit with 1 if they differ.

    Reads both tables. Writes only with --repair.

    Example: `spillway coupons audit --stage prod`
    """
    from spillway.operate.coupons import uses

    service = target.reach()
    found = uses.audit(service.dynamodb, service.tables)
    repaired = 0
    if repair and found.findings:
        repaired = uses.repair(service, found.findings, _now)
        found = uses.audit(service.dynamodb, service.tables)
    findings = [f"{one.claim} {one.detail}" for one in found.findings]
    if as_json:
        print_json(
            {
                "orders": found.orders,
                "claims": found.claims,
                "repaired": repaired,
                "findings": findings,
            }
        )
    else:
        for finding in findings:
            typer.echo(finding)
        typer.echo(
            f"{found.orders:,} orders with limited coupons, {found.claims:,} items:"
            f" {len(findings)} findings; {repaired} orders repaired."
        )
    if findings:
        raise typer.Exit(1)


def _now() -> int:
    return time.time_ns() // 1_000_000
