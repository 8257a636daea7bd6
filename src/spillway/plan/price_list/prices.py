"""Reads prices strictly: an unknown field or a wrong type is reported in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from spillway.errors import UsageError, why_not

PRICE_LIST = Path(__file__).parent / "us-east-1.toml"
#: The date of a price whose source has none.
GATHERED = "2026-11-23"

_Dollars = Annotated[float, Meta(ge=0)]


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price of a month's units up to a bound; None: of all the rest."""

    dollars: _Dollars
    up_to: Annotated[float, Meta(gt=0)] | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `per` units cost: `dollars`, or by `tiers`.

    `free` units a month cost nothing; prices with the same `pool` share them.
    """

    unit: str
    source: str
    date: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")] = GATHERED
    per: Annotated[float, Meta(gt=0)] = 1
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
        total, start, end = 0.0, after, after + units
        for tier in self.tiers:
            bound = end if tier.up_to is None else min(end, tier.up_to)
            if bound > start:
                total += (bound - start) * tier.dollars / self.per
                start = bound
        return total


class PriceList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All prices by their names, of one Region."""

    region: str
    currency: Literal["USD"]
    price: Mapping[str, Price]

    def __getitem__(self, name: str) -> Price:
        return self.price[name]


class _Changes(msgspec.Struct, forbid_unknown_fields=True):
    region: str | None = None
    currency: Literal["USD"] = "USD"
    price: dict[str, dict[str, Any]] = {}


def load(overrides: Path | None = None) -> PriceList:
    """The list, with what a file of the same form says instead.

    An override names only what it changes: `[price."sqs.requests"]` with `dollars = 0.38`, and its
    own `source` and `date`. It counts as confirmed unless it says otherwise.

    Raises SpillwayError when the file cannot be read or makes no sense.
    """
    content = _read(PRICE_LIST, dict[str, Any])
    if overrides is not None:
        changes = _read(overrides, _Changes)
        content["region"] = changes.region or content["region"]
        for name, change in changes.price.items():
            before = content["price"].get(name, {})
            # A flat price replaces tiers, and the other way round.
            replaced = {"dollars", "tiers"} if {"dollars", "tiers"} & change.keys() else set()
            kept = {field: value for field, value in before.items() if field not in replaced}
            content["price"][name] = {**kept, "confirmed": True, **change}
    try:
        return msgspec.convert(content, PriceList)
    except msgspec.ValidationError as error:
        raise UsageError(f"{overrides or PRICE_LIST} isn't a price list: {error}.") from None


def _read(path: Path, type_: Any) -> Any:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=type_)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {why_not(error)}.") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} isn't a price list: {error}.") from error
