"""Money: whole minor units of an ISO 4217 currency (pence, cents), never a fraction.

The largest real order seen is £168,470 (16,847,000 pence). The bounds leave more than two decimal
orders of magnitude above it and stay far inside the 2^53 that JavaScript clients can count to.
"""

UNIT_PRICE_MAX = 100_000_000
AMOUNT_MAX = 10_000_000_000

#: Currencies whose amounts have other than two decimals (ISO 4217's list one of 2026-01-01).
NO_DECIMALS = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split()  # noqa: SIM905
)
THREE_DECIMALS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())  # noqa: SIM905


def decimals_of(currency: str) -> int:
    """Two for one that ISO does not list: 0.2.0 took any."""
    if currency in NO_DECIMALS:
        return 0
    return 3 if currency in THREE_DECIMALS else 2
