"""Price books as people and scripts read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from orders.domain.book import WHOLE, Article, Coupon, Rules
from orders.domain.units import Millis
from spillway.operate.prices.bucket import Publication, Publications
from spillway.operate.prices.comparing import price_text
from spillway.operate.prices.lookup import InBook, Lookup
from spillway.operate.prices.plan import Plan
from spillway.price_book import BookFaulty
from spillway.price_book.values import major_units
from spillway.ui.formatting import counted, rfc3339, with_zone
from spillway.ui.panels import panel

#: So many changes of one kind are listed, and then how many more there are.
EXAMPLES = 10


def faults_document(faulty: BookFaulty) -> dict[str, Any]:
    return {"faults": [asdict(fault) for fault in faulty.faults], "count": faulty.count}


def described(rules: Rules, articles: int) -> dict[str, Any]:
    """A book in a few figures."""
    return {
        "articles": articles,
        "price_lists": list(rules.price_lists),
        "countries": list(dict.fromkeys(key.split(" ")[1] for key in rules.delivery)),
        "tax_classes": list(rules.tax_classes),
        "coupons": len(rules.coupons),
    }


def show_plan(plan: Plan) -> None:
    for line in _plan_lines(plan):
        typer.echo(line)
    for sentence in plan.suspicions:
        typer.secho(f"Is this right? {sentence}", fg="yellow")


def _plan_lines(plan: Plan) -> Iterator[str]:
    if plan.changes_nothing:
        yield f"This book says what {plan.follows} says already: nothing is to be published."
        return
    if plan.follows is None:
        yield f"The first price book, with {counted(plan.articles, 'article')}."
    else:
        yield f"What it changes, compared with {plan.follows}:"
        for heading, changes in plan.changes.parts:
            yield f"  {heading}"
            shown = [str(change) for change in list(changes)[:EXAMPLES]]
            yield from (f"    {change}" for change in shown)
            if len(changes) > EXAMPLES:
                yield f"    and {len(changes) - EXAMPLES:,} more"
    for entry in plan.waiting:
        same, then = "", "is withdrawn"
        if plan.is_same_book(entry):
            same, then = "the same book, ", "begins now instead"
        yield f"{entry.version}, {same}waiting to begin at {with_zone(entry.begins)}, {then}."
    if plan.when.withdraw:
        yield "It begins now, also for orders begun before. Every server has it within a minute."
    else:
        yield f"It begins at {with_zone(plan.when.begins)}."
    for entry in plan.later:
        if not entry.withdrawn:
            begins = with_zone(entry.begins)
            yield f"{entry.version}, which was planned before, takes its place at {begins}."


def plan_document(plan: Plan) -> dict[str, Any]:
    return {
        "version": plan.version,
        "begins": rfc3339(plan.when.begins),
        "withdraws": plan.when.withdraw,
        "follows": plan.follows,
        "back_to": plan.back_to,
        "articles": plan.articles,
        "changes": plan.changes.document(),
        "suspicions": plan.suspicions,
    }


def history_document(publications: Publications, now: Millis) -> dict[str, Any]:
    current = publications.current(now)
    return {
        "books": [
            {
                "version": entry.version,
                "begins": rfc3339(entry.begins),
                "published_at": rfc3339(entry.published_at),
                "by": entry.by,
                "articles": entry.articles,
                "changes": entry.changes,
                "withdrawn": entry.withdrawn,
                "in_force": entry is current,
            }
            for entry in publications.entries
        ]
    }


def show_history(publications: Publications, now: Millis, console: Console) -> None:
    if not publications.entries:
        console.print("No price book was ever published.")
        return
    current = publications.current(now)
    for entry in reversed(publications.entries):
        # Two lines each, because five columns don't fit into a terminal.
        style = "bold" if entry is current else ""
        console.print(Text(f"{entry.version}  {_state(entry, current, now)}", style))
        console.print(
            Text(
                f"  begins {with_zone(entry.begins)}, {counted(entry.articles, 'article')},"
                f" by {entry.by}: {entry.changes}",
                "dim",
            )
        )


def _state(entry: Publication, current: Publication | None, now: Millis) -> str:
    if entry is current:
        return "in force"
    if entry.withdrawn:
        # Published twice in the same minute: one book, so it is not withdrawn.
        again = current is not None and entry.version == current.version
        return "begun anew at once" if again else "withdrawn"
    return "planned" if entry.begins > now else "over"


def lookup_document(found: Lookup) -> dict[str, Any]:
    return {
        "in_force": _in_book_document(found.current),
        "next": None if found.next is None else _in_book_document(found.next),
    }


def _in_book_document(one: InBook) -> dict[str, Any]:
    rules = one.book.rules
    return {
        "version": one.publication.version,
        "begins": rfc3339(one.publication.begins),
        **described(rules, one.publication.articles),
        "found": {
            sku: None if article is None else _article_document(article, rules)
            for sku, article in one.articles.items()
        },
        "coupon": None if one.coupon is None else asdict(one.coupon),
    }


def _article_document(article: Article, rules: Rules) -> dict[str, Any]:
    return {
        "prices": dict(zip(rules.price_lists, article.prices, strict=True)),
        "tax_class": rules.tax_classes[article.tax_class],
        "weight_grams": article.weight_grams,
        "case": article.case,
        "available_from": rfc3339(article.available_from) if article.available_from else None,
        "available_until": rfc3339(article.available_until) if article.available_until else None,
    }


def show_lookup(found: Lookup, console: Console) -> None:
    for one in found.books:
        begins = with_zone(one.publication.begins)
        state = f"in force since {begins}" if one is found.current else f"begins at {begins}"
        rows = [(Text(name), Text(text)) for name, text in _facts(one, found)]
        console.print(panel(f"{one.publication.version}, {state}", rows))


def _facts(one: InBook, found: Lookup) -> Iterator[tuple[str, str]]:
    rules = one.book.rules
    for sku, article in one.articles.items():
        if article is None:
            yield sku, "is not in this book"
            continue
        yield sku, ""
        for name, prices in zip(rules.price_lists, article.prices, strict=True):
            yield f"  {name}", price_text(prices, name.partition(" ")[2])
        yield from _terms(article, rules)
    if found.code is not None:
        yield found.code, "is not in this book" if one.coupon is None else _worth(one.coupon)
        yield from () if one.coupon is None else _coupon_terms(one.coupon)
    if not one.articles and found.code is None:
        summary = described(rules, one.publication.articles)
        for name, value in summary.items():
            text = ", ".join(value) if isinstance(value, list) else f"{value:,}"
            yield name.replace("_", " "), text
        yield "coupons' codes", ", ".join(rules.coupons) or "none"


def _terms(article: Article, rules: Rules) -> Iterator[tuple[str, str]]:
    yield "  tax class", rules.tax_classes[article.tax_class]
    if article.case > 1:
        yield "  case", f"{article.case} (wholesale)"
    if article.weight_grams:
        yield "  weight", f"{article.weight_grams:,} g"
    if article.available_from:
        yield "  available from", with_zone(article.available_from)
    if article.available_until:
        yield "  available until", with_zone(article.available_until)


def _worth(coupon: Coupon) -> str:
    if coupon.rate:
        return f"{coupon.rate * 100 / WHOLE:g} % off"
    return f"{_amounts(coupon.amounts)} off"


def _amounts(amounts: Any) -> str:
    return " or ".join(f"{major_units(amount, of)} {of}" for of, amount in amounts.items())


def _coupon_terms(coupon: Coupon) -> Iterator[tuple[str, str]]:
    yield "  for", " and ".join(coupon.channels)
    if coupon.goods:
        yield "  goods", ", ".join(coupon.goods)
    if coupon.minimum:
        yield "  from", f"goods of {_amounts(coupon.minimum)}"
    if coupon.begins:
        yield "  begins", with_zone(coupon.begins)
    if coupon.ends:
        yield "  ends", with_zone(coupon.ends)
    if coupon.limit is not None:
        yield "  limit", counted(coupon.limit, "order")
    yield from (
        ("  ", text)
        for text, holds in (
            ("once per customer", coupon.once_per_customer),
            ("a code for each use", coupon.single_use_codes),
            ("may be used with other coupons", coupon.combines),
        )
        if holds
    )
