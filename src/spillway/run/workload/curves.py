"""The real orders' distributions, as quantile curves.

Source: UCI data set "Online Retail" (D. Chen, CC BY 4.0, doi 10.24432/C5BW33), 22,061 sales of a
UK gift retailer in 13 months. p50, p90, p99 and the maximum are of the whole set; the smallest
values, the quantities' p99.9 and p99.99, the other quantiles of the lines (without those between
p90 and p99 every twentieth order was twice its size) and the share of wholesale are of December
2010 alone.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from statistics import NormalDist

_STANDARD_NORMAL = NormalDist()


@dataclass(frozen=True)
class Curve:
    """A distribution by its known quantiles, geometric in between (the data are heavy-tailed).

    `knots` are (probability, value) pairs in rising order, from 0 to 1; values are positive.
    """

    knots: tuple[tuple[float, float], ...]

    def at(self, probability: float) -> float:
        """The value that this share of the distribution stays below."""
        right = bisect_right(self.knots, probability, key=lambda knot: knot[0])
        right = min(max(right, 1), len(self.knots) - 1)
        (p0, v0), (p1, v1) = self.knots[right - 1], self.knots[right]
        share = (probability - p0) / (p1 - p0)
        return math.exp(math.log(v0) + share * (math.log(v1) - math.log(v0)))

    def at_score(self, z: float) -> float:
        """The value at a standard normal score: scores can be correlated, probabilities cannot."""
        return self.at(_STANDARD_NORMAL.cdf(z))


#: Lines in an order.
LINES = Curve(
    (
        (0, 1),
        (0.25, 5),
        (0.50, 13),
        (0.75, 26),
        (0.90, 51),
        (0.95, 67),
        (0.975, 118),
        (0.99, 211),
        (1, 1114),
    )
)

#: Pieces in a line.
QUANTITY = Curve(
    ((0, 1), (0.50, 3), (0.90, 24), (0.99, 100), (0.999, 480), (0.9999, 1824), (1, 80_995))
)

#: An order's total in minor units.
TOTAL = Curve(((0, 300), (0.50, 27_300), (0.90, 87_500), (0.99, 442_900), (1, 16_847_000)))

#: A sale counts as wholesale when its median line is a dozen or more: shoppers hardly buy every
#: gift twelve times. The data set does not say who resells.
WHOLESALE_MEDIAN_QUANTITY_MIN = 12
WHOLESALE_SHARE = 0.37
WHOLESALE_SCORE_MIN = _STANDARD_NORMAL.inv_cdf(1 - WHOLESALE_SHARE)
