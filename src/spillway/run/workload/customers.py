"""Customers that do not exist, at addresses that cannot exist."""

from __future__ import annotations

import random
from dataclasses import dataclass

from orders.domain.order import Address, Channel

_FIRST = ("Amelia", "Bilal", "Carys", "Dev", "Esme", "Fergus", "Grace", "Hamza", "Isla", "Jonah")
_LAST = ("Ashdown", "Birkett", "Calloway", "Dunmore", "Everly", "Fenwick", "Garside", "Hollis")
_STREETS = ("Harbour Row", "Mill Lane", "Station Parade", "Orchard Rise", "Lantern Street")
_SHOPS = ("Gift Company", "Homeware", "Trading", "Emporium", "Garden Centre")

# No British postcode ends in two of these letters: they look too much like others.
_LETTERS_NEVER_LAST = "CIKMOV"


@dataclass(frozen=True, slots=True)
class Place:
    """A city, with what its postcodes begin with and how much of the custom comes from there."""

    city: str
    postcode: str
    country: str
    currency: str
    weight: int


PLACES = (
    Place("London", "E", "GB", "GBP", 30),
    Place("Leeds", "LS", "GB", "GBP", 14),
    Place("Bristol", "BS", "GB", "GBP", 14),
    Place("Cardiff", "CF", "GB", "GBP", 12),
    Place("Glasgow", "G", "GB", "GBP", 12),
    Place("Norwich", "NR", "GB", "GBP", 9),
    Place("Dublin", "D", "IE", "EUR", 4),
    Place("Hamburg", "", "DE", "EUR", 3),
    Place("Lyon", "", "FR", "EUR", 2),
)


def place(rng: random.Random) -> Place:
    return rng.choices(PLACES, weights=[place.weight for place in PLACES])[0]


def address(rng: random.Random, where: Place, channel: Channel) -> Address:
    """A person's, or of a wholesale order a shop's."""
    first, second = (_LAST, _SHOPS) if channel == "wholesale" else (_FIRST, _LAST)
    return Address(
        name=f"{rng.choice(first)} {rng.choice(second)}",
        lines=(f"{rng.randint(1, 180)} {rng.choice(_STREETS)}",),
        city=where.city,
        postal_code=_postal_code(rng, where),
        country=where.country,
    )


def _postal_code(rng: random.Random, where: Place) -> str:
    if where.country == "GB":
        letters = "".join(rng.choices(_LETTERS_NEVER_LAST, k=2))
        return f"{where.postcode}{rng.randint(1, 18)} {rng.randint(1, 9)}{letters}"
    if where.country == "IE":
        return f"{where.postcode}{rng.randint(1, 24):02d} O0O0"
    return f"{rng.randint(0, 999):05d}"
