"""Arrivals, from a coupon or a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from spillway.errors import SpillwayError
from spillway.plan.profile import coupon, read_profile


def test_a_coupon_ramps_up_and_stays() -> None:
    profile = coupon(peak=10_000, ramp_seconds=10, seconds=600)
    assert profile.orders(4, 6) == pytest.approx(2 * 5_000)
    assert profile.orders(598, 599) == pytest.approx(10_000)
    assert profile.orders(601, 602) == 0
    assert profile.total == pytest.approx(10 * 5_000 + 590 * 10_000, rel=1e-5)


def test_a_file_gives_straight_lines_between_its_points(tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_text("second,orders_per_second\n0,0\n100,10\n200,0\n")
    profile = read_profile(file)
    assert (profile.name, profile.total, profile.peak) == ("day.csv", 1_000, 10)
    assert profile.orders(50, 150) == pytest.approx(750)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "lacks the column second"),
        ("second,rate\n0,1\n", "lacks the column orders_per_second"),
        ("second,orders_per_second\n0,1\n", "fewer than two rows"),
        ("second,orders_per_second\n0,x\n1,1\n", "line 2: both columns are numbers"),
        ("second,orders_per_second\n0,-1\n1,1\n", "line 2: seconds and rates are 0 or more"),
        ("second,orders_per_second\n0,inf\n1,1\n", "line 2: seconds and rates are 0 or more"),
        ("second,orders_per_second\n5,1\n5,1\n", "must rise"),
        ("second,orders_per_second\n0,0\n9,0\n", "no order comes"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(
    tmp_path: Path, content: str, complaint: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content)
    with pytest.raises(SpillwayError, match=complaint):
        read_profile(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpillwayError, match="cannot be read"):
        read_profile(tmp_path / "none.csv")
