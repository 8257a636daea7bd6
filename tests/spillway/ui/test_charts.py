"""Pictures."""

from __future__ import annotations

from io import BytesIO

from spillway.ui import charts


def _picture() -> bytes:
    drawn = charts.figure(4, 3)
    axes = drawn.subplots()
    axes.plot([0, 1, 2], [0, 3, 4], color=charts.GREEN)
    charts.dress(axes, "Orders settled", "seconds", "orders")
    charts.count_from_zero(axes)
    written = BytesIO()
    charts.save(drawn, written)
    return written.getvalue()


def test_the_same_figures_give_the_same_bytes_of_a_png() -> None:
    assert _picture().startswith(b"\x89PNG")
    assert _picture() == _picture()
