"""Percentiles and histograms of durations."""

from __future__ import annotations

import pytest

from spillway.ui.statistics import BINS_MAX, histogram, percentile


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1.0), (0.50, 50.0), (0.99, 99.0), (0.995, 100.0), (1.0, 100.0)]
)
def test_a_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == value


def test_nothing_has_no_percentile() -> None:
    assert percentile([], 0.5) is None


def test_one_value_is_every_percentile() -> None:
    assert [percentile([7.0], share) for share in (0.0, 0.5, 1.0)] == [7.0] * 3


@pytest.mark.parametrize(
    "values", [[0.04], [0.02, 0.021, 0.05], [0.001, 90.0], [0.0, 0.5], [1e9, 1.0], [2.0] * 9]
)
def test_a_histogram_counts_every_value_once_in_few_bins(values: list[float]) -> None:
    bins = histogram(values)

    assert sum(bin_.count for bin_ in bins) == len(values)
    assert 1 <= len(bins) <= BINS_MAX
    assert bins[0].count
    assert bins[-1].count


def test_a_value_on_an_edge_belongs_below_it() -> None:
    bins = histogram([0.02])

    assert (bins[0].over, bins[0].up_to, bins[0].count) == (0.015, 0.02, 1)


def test_no_values_have_no_bins() -> None:
    assert histogram([]) == []
