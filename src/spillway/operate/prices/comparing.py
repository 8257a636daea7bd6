"""What a new price book changes, and what of it a person should look at before it is published."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec

from orders.domain.book import WHOLE, Article, Coupon, DeliveryRate, Rules, Tax, UnitPrices
from spillway.price_book.catalogue import TERMS
from spillway.price_book.values import major_units
from spillway.ui.formatting import counted

Articles = Mapping[str, Article]

#: The catalogue's fields that say what `compare` compares, and those of a good.
_RULES = ("delivery", "taxes", "tax_classes")
_TERMS = ("prices", *TERMS)


@dataclass(frozen=True, slots=True)
class PriceChange:
    """Of one article in one price list; None: it is not sold there."""

    sku: str
    price_list: str
    before: UnitPrices
    after: UnitPrices

    @property
    def fall(self) -> float:
        """The largest fall at any quantity, as a share of the price before: 0.5 is half."""
        if self.before is None or self.after is None:
            return 0.0
        quantities = {*_steps(self.before)[::2], *_steps(self.after)[::2]}
        pairs = [(_at(self.before, count), _at(self.after, count)) for count in quantities]
        return max((1 - after / before for before, after in pairs if before), default=0.0)

    @property
    def direction(self) -> str:
        if self.before is None or self.after is None:
            return "other"
        rises = all(
            _at(self.after, count) >= _at(self.before, count)
            for count in {*_steps(self.before)[::2], *_steps(self.after)[::2]}
        )
        return "up" if rises else "down"

    def __str__(self) -> str:
        currency = self.price_list.partition(" ")[2]
        before, after = price_text(self.before, currency), price_text(self.after, currency)
        return f"{self.sku}, {self.price_list}: {before} → {after}"


def price_text(prices: UnitPrices, currency: str) -> str:
    """As people read it: `7.00, from 48 6.50`."""
    if prices is None:
        return "not sold"
    steps = _steps(prices)
    texts = [
        f"{f'from {count} ' if count > 1 else ''}{major_units(price, currency)}"
        for count, price in zip(steps[::2], steps[1::2], strict=True)
    ]
    return ", ".join(texts)


def _steps(prices: int | tuple[int, ...]) -> tuple[int, ...]:
    return (1, prices) if isinstance(prices, int) else prices


def _at(prices: int | tuple[int, ...], quantity: int) -> int:
    steps = _steps(prices)
    begun = [
        price for count, price in zip(steps[::2], steps[1::2], strict=True) if count <= quantity
    ]
    return begun[-1]


@dataclass(slots=True)
class Comparison:
    """Skus that come and go, prices that differ, skus that differ in something else, and in
    sentences what differs in the rules. `shown`: the skus of which the catalogue says something
    else than prices anew. `first`: there was no book before."""

    first: bool
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    prices: list[PriceChange] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    delivery: list[str] = field(default_factory=list)
    tax: list[str] = field(default_factory=list)
    coupons: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def moved(self, direction: str) -> list[PriceChange]:
        return [change for change in self.prices if change.direction == direction]

    @property
    def parts(self) -> list[tuple[str, Collection[object]]]:
        """A heading with its count, `2 prices up`, and what changed below it, of everything that
        did."""
        every: list[tuple[str, str, Collection[object]]] = [
            ("article added", "articles added", self.added),
            ("article removed", "articles removed", self.removed),
            ("price up", "prices up", self.moved("up")),
            ("price down", "prices down", self.moved("down")),
            ("price begins or ends", "prices begin or end", self.moved("other")),
            (
                "article with another case, weight, tax class or time",
                "articles with another case, weight, tax class or time",
                self.others,
            ),
            ("change of delivery", "changes of delivery", self.delivery),
            ("change of tax", "changes of tax", self.tax),
            ("change of coupons", "changes of coupons", self.coupons),
            ("change of what the store shows", "changes of what the store shows", self.shown),
        ]
        return [(counted(len(each), one, many), each) for one, many, each in every if each]

    def __str__(self) -> str:
        """In one line, for the history."""
        return ", ".join(heading for heading, _ in self.parts) or "nothing"

    def document(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "articles_added": self.added,
            "articles_removed": self.removed,
            "prices": [
                {
                    "sku": one.sku,
                    "price_list": one.price_list,
                    "before": one.before,
                    "after": one.after,
                }
                for one in self.prices
            ],
            "articles_changed": self.others,
            "delivery": self.delivery,
            "tax": self.tax,
            "coupons": self.coupons,
            "shown": self.shown,
        }


def compare(before: tuple[Rules, Articles] | None, rules: Rules, articles: Articles) -> Comparison:
    """What differs from the book before, by sku and by rule."""
    if before is None:
        return Comparison(first=True, added=list(articles), coupons=list(rules.coupons))
    old_rules, old_articles = before
    found = Comparison(
        first=False,
        added=[sku for sku in articles if sku not in old_articles],
        removed=[sku for sku in old_articles if sku not in articles],
        delivery=list(_differences("delivery", old_rules.delivery, rules.delivery)),
        tax=list(_differences("tax", _taxes(old_rules), _taxes(rules))),
        coupons=list(_differences("coupon", old_rules.coupons, rules.coupons)),
    )
    for sku, article in articles.items():
        if sku in old_articles:
            _compare_article(found, old_rules, old_articles[sku], rules, article)
    return found


def _compare_article(
    found: Comparison, old_rules: Rules, old: Article, rules: Rules, article: Article
) -> None:
    old_prices = dict(zip(old_rules.price_lists, old.prices, strict=True))
    prices = dict(zip(rules.price_lists, article.prices, strict=True))
    if old_prices != prices:
        for name in dict.fromkeys((*old_rules.price_lists, *rules.price_lists)):
            before, after = old_prices.get(name), prices.get(name)
            if before != after:
                found.prices.append(PriceChange(article.sku, name, before, after))
    if _beside_prices(old, old_rules) != _beside_prices(article, rules):
        found.others.append(article.sku)


def _beside_prices(article: Article, rules: Rules) -> tuple[object, ...]:
    tax_class = rules.tax_classes[article.tax_class]
    return tax_class, article._replace(prices=(), tax_class=0)


def shown_changes(before: bytes | None, after: bytes, found: Comparison) -> list[str]:
    """The catalogue's goods and other fields that differ in something that `found`, the comparison
    of the books, does not say. `before` is None where the book before has no catalogue."""
    if before is None:
        return ["all of it: the catalogue before cannot be read"]
    old, new = _texts(before), _texts(after)
    said = {*found.added, *found.removed}
    names = [name for name in dict.fromkeys((*old, *new)) if name not in said]
    differing = [name for name in names if old.get(name) != new.get(name)]
    moved = [name for name in old if name in new] != [name for name in new if name in old]
    return [*differing, "the order of goods"] if moved else differing


def _texts(catalogue: bytes) -> dict[str, object]:
    """By sku what the store says of a good beside prices and terms; and its other fields."""
    document = msgspec.json.decode(catalogue)
    goods = document.pop("goods")
    others = {name: value for name, value in document.items() if name not in _RULES}
    return others | {
        good["sku"]: {name: good[name] for name in good if name not in _TERMS} for good in goods
    }


def _taxes(rules: Rules) -> Mapping[str, object]:
    """With their rates by name, so that a new class before others changes nothing."""
    return {
        key: (
            tax.included,
            dict(zip(rules.tax_classes, tax.rates, strict=True)),
            tax.delivery_rate,
            tax.per,
            tax.rounding,
        )
        for key, tax in rules.taxes.items()
    }


def _differences(
    what: str, before: Mapping[str, object], after: Mapping[str, object]
) -> Iterator[str]:
    for key in dict.fromkeys((*before, *after)):
        if key not in before:
            yield f"{what} {key} is new"
        elif key not in after:
            yield f"{what} {key} is gone"
        elif before[key] != after[key]:
            yield f"{what} {key} differs"


def suspicions(
    found: Comparison,
    before: tuple[Rules, Articles] | None,
    rules: Rules,
    articles: Articles,
    *,
    fall_max: float,
) -> list[str]:
    """What looks like a mistake, each in one sentence. `fall_max` is a share: 0.5 is half."""
    sentences = [*_falls(found, fall_max), *_for_nothing(rules, articles)]
    if before is not None:
        old_rules, old_articles = before
        if len(found.removed) * 2 > len(old_articles):
            sentences.append(
                f"{len(found.removed):,} of {counted(len(old_articles), 'article')} are gone."
            )
        sold = _sold(rules, articles.values())
        sentences += [
            f"Nothing is sold {name.replace(' ', ' in ')} any more."
            for name in sorted(_sold(old_rules, old_articles.values()) - sold)
        ]
        sentences += _rules_that_fall(old_rules, rules, fall_max)
    return sentences


def _falls(found: Comparison, fall_max: float) -> Iterator[str]:
    falls = [change for change in found.prices if change.fall > fall_max]
    if falls:
        worst = max(falls, key=lambda change: change.fall)
        yield (
            f"{counted(len(falls), 'price')} fall by more than {fall_max:.0%}, like {worst}."
            if len(falls) > 1
            else f"A price falls by more than {fall_max:.0%}: {worst}."
        )


def _rules_that_fall(before: Rules, after: Rules, fall_max: float) -> Iterator[str]:
    """What customers pay less of beside the goods: a slip there costs as much as in a price."""
    for key, delivery in after.delivery.items():
        if _delivery_fall(before.delivery.get(key, delivery), delivery) > fall_max:
            yield f"Delivery {key} falls by more than {fall_max:.0%}."
    for key, tax in after.taxes.items():
        old_rates = _rates(before, before.taxes[key]) if key in before.taxes else {}
        for name, rate in _rates(after, tax).items():
            old = old_rates.get(name, rate)
            if _fall(old, rate) > fall_max:
                shown = f"{old * 100 / WHOLE:g} % → {rate * 100 / WHOLE:g} %"
                yield f"The tax {key} ({name}) falls by more than {fall_max:.0%}: {shown}."
    for code, coupon in after.coupons.items():
        if _coupon_fall(before.coupons.get(code), coupon) > fall_max:
            yield f"The coupon {code} takes off more than {fall_max:.0%} of what was paid with it."


def _fall(before: int, after: int) -> float:
    return 1 - after / before if before else 0.0


def _delivery_fall(before: DeliveryRate, after: DeliveryRate) -> float:
    """The largest fall at any subtotal or weight. Of two ways to charge nothing is known."""
    if before.by != after.by:
        return 0.0
    old, new = (tuple(chain.from_iterable(rate.bands)) for rate in (before, after))
    return max(_fall(_at(old, begins), _at(new, begins)) for begins in (*old[::2], *new[::2]))


def _rates(rules: Rules, tax: Tax) -> Mapping[str, int]:
    return dict(zip(rules.tax_classes, tax.rates, strict=True))


def _coupon_fall(before: Coupon | None, after: Coupon) -> float:
    """By how much less is paid with it than before: with one by rate, the rest; with one by amount
    the goods are not known, and a new amount is compared with the old."""
    amounts = before.amounts if before else {}
    worth = [_fall(new, amounts[of]) for of, new in after.amounts.items() if of in amounts]
    return max(_fall(WHOLE - (before.rate if before else 0), WHOLE - after.rate), *worth, 0.0)


def _for_nothing(rules: Rules, articles: Articles) -> Iterator[str]:
    free = [
        f"{sku} ({name})"
        for sku, article in articles.items()
        for name, prices in zip(rules.price_lists, article.prices, strict=True)
        if prices is not None and min(_steps(prices)[1::2]) == 0
    ]
    if free:
        yield f"{counted(len(free), 'price')} of 0, like {free[0]}."


def _sold(rules: Rules, articles: Iterable[Article]) -> set[str]:
    """The price lists in which something is sold."""
    return {
        name
        for article in articles
        for name, prices in zip(rules.price_lists, article.prices, strict=True)
        if prices is not None
    }
