"""Reading prices, strictly: an unknown field or a wrong type is said in one sentence."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from spillway.errors import SpillwayError

BOOK = Path(__file__).parent / "us-east-1.toml"

_Dollars = Annotated[float, Meta(ge=0)]


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price of a month's units up to a bound; None: of all the rest."""

    dollars: _Dollars
    up_to: Annotated[float, Meta(gt=0)] | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `per` units cost: `dollars`, or by `tiers`.

    `free` units a month cost nothing; prices with the same `pool` share them. `date` is the
    source's own, or the day on which it was read.
    """

    unit: str
    per: Annotated[float, Meta(gt=0)]
    source: str
    date: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    dollars: _Dollars | None = None
    tiers: tuple[Tier, ...] = ()
    free: Annotated[float, Meta(ge=0)] = 0
    pool: str | None = None
    confirmed: bool = True

    def __post_init__(self) -> None:
        if (self.dollars is None) == (not self.tiers):
            raise ValueError("a price has either dollars or tiers")
        bounds = [tier.up_to for tier in self.tiers]
        if self.tiers and (bounds[-1] is not None or None in bounds[:-1]):
            raise ValueError("the last tier, and only that, has no bound")

    @property
    def first(self) -> float:
        """Dollars per `per` units, as long as no other tier is reached."""
        return self.tiers[0].dollars if self.dollars is None else self.dollars

    def of(self, units: float, after: float = 0) -> float:
        """What so many units cost in a month in which `after` others came before them."""
        if self.dollars is not None:
            return units * self.dollars / self.per
        total, start = 0.0, after
        end = after + units
        for tier in self.tiers:
            bound = end if tier.up_to is None else min(end, tier.up_to)
            if bound > start:
                total += (bound - start) * tier.dollars / self.per
                start = bound
        return total


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All prices by their names, of one Region."""

    region: str
    currency: str
    price: Mapping[str, Price]

    def __getitem__(self, name: str) -> Price:
        return self.price[name]

    def unconfirmed(self) -> list[str]:
        """The prices that no statement of AWS's own was seen for."""
        return [name for name, price in self.price.items() if not price.confirmed]


def load(overrides: Path | None = None) -> Book:
    """The book, with what a file of the same form says instead.

    An override names only what it changes: `[price."sqs.requests"]` with `dollars = 0.38`, and its
    own `source` and `date`. It counts as confirmed unless it says otherwise.

    SpillwayError: the file cannot be read, or makes no sense.
    """
    content = _read(BOOK)
    if overrides is not None:
        changes = _read(overrides)
        for name, change in _prices(changes, overrides).items():
            before = content["price"].get(name, {})
            # Else a flat price would meet the tiers that it replaces.
            kept = {
                k: v
                for k, v in before.items()
                if not {"dollars", "tiers"} & change.keys() or k not in ("dollars", "tiers")
            }
            content["price"][name] = {**kept, "confirmed": True, **change}
        content |= {name: value for name, value in changes.items() if name != "price"}
    try:
        return msgspec.convert(content, Book)
    except msgspec.ValidationError as error:
        raise SpillwayError(f"{overrides or BOOK} is no price book: {error}.") from None


def _prices(content: Mapping[str, Any], path: Path) -> Mapping[str, Mapping[str, Any]]:
    prices = content.get("price", {})
    if not isinstance(prices, dict) or not all(isinstance(one, dict) for one in prices.values()):
        raise SpillwayError(f'{path} is no price book: prices are tables, [price."sqs.requests"].')
    return prices


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SpillwayError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpillwayError(f"{path} is not TOML: {error}.") from error
