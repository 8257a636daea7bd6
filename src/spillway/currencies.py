"""Currencies and the decimals of their amounts (ISO 4217).

The table is ISO's list one of 2026-01-01. It leaves out what nobody pays with: codes without a
minor unit (metals, drawing rights, tests), and funds, which browsers show with other decimals than
ISO's. A test holds it against the package iso4217, which is made from that list.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from orders.domain.money import NO_DECIMALS, THREE_DECIMALS, decimals_of

_TWO_DECIMALS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
    CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ
    GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL
    MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
    PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
    TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
""".split()  # noqa: SIM905 -- a list would take 250 lines

#: Of the currencies that ended since 1999, those that had two decimals to their end: old orders may
#: have them. BGN, which ended with 2025, is still in the list above.
WITHDRAWN = frozenset(
    "ANG ATS CUC CYP DEM EEK FIM FRF HRK IEP LTL LVL MTL NLG SIT SKK SLL VEF ZWL".split()  # noqa: SIM905
)

#: By currency, how many decimals its amounts have.
DECIMALS: Mapping[str, int] = {
    **dict.fromkeys(_TWO_DECIMALS, 2),
    **dict.fromkeys(NO_DECIMALS, 0),
    **dict.fromkeys(THREE_DECIMALS, 3),
}


def in_major_units(amount: int, currency: str) -> Decimal:
    """Minor units as people count them, with the currency's decimals: 905 in pounds is 9.05."""
    return Decimal(amount).scaleb(-decimals_of(currency))
