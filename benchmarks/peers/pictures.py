"""Two pictures of a comparison, as SVG: on a phone as legible as on a wide screen, and in the dark.
Each figure is a dot on a scale of powers of ten, with its name and value beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from xml.sax.saxutils import escape

_SVG = "http://www.w3.org/2000/svg"
_WIDTH, _ROW, _HEAD, _TOP = 500, 24, 40, 34
#: Where the scale begins and ends; names are left of it, values right.
_LEFT, _RIGHT = 178, 346

_SCALE = "Each upright line is ten times the one left of it."
_STYLE = """
  text { font: 14px system-ui, sans-serif; fill: #1f2328 } .value { text-anchor: start }
  .head { font-weight: 600 } .quiet { fill: #59636e } line { stroke: #d1d9e0; stroke-width: 1 }
  circle { fill: #59636e } .ours circle { fill: #0969da } .ours text { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .quiet { fill: #9198a1 } line { stroke: #3d444d }
    circle { fill: #9198a1 } .ours circle { fill: #4493f8 } .ours text { fill: #4493f8 }
  }
"""


@dataclass(frozen=True, slots=True)
class Dot:
    """`value`: None where there is none, and `shown` says why."""

    name: str
    value: float | None
    shown: str
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    head: str
    dots: Sequence[Dot]


def svg(title: str, groups: Sequence[Group]) -> str:
    """The groups below each other, on one scale, with a line for each power of ten."""
    values = [dot.value for group in groups for dot in group.dots if dot.value]
    low, high = log10(min(values, default=1.0)), log10(max(values, default=10.0))
    rows = [f'<text class="quiet" x="0" y="24">{_SCALE}</text>']
    bottom = _TOP
    for group in groups:
        rows += _drawn(group, bottom, low, max(high, low + 1))
        bottom += _HEAD + _ROW * len(group.dots)
    return "\n".join(
        (
            f'<svg xmlns="{_SVG}" viewBox="0 0 {_WIDTH} {bottom}" width="{_WIDTH}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            *rows,
            "</svg>\n",
        )
    )


def _drawn(group: Group, top: int, low: float, high: float) -> Iterator[str]:
    yield f'<text class="head" x="0" y="{top + 24}">{escape(group.head)}</text>'
    bottom = top + _HEAD + _ROW * len(group.dots)
    for power in range(ceil(low), floor(high) + 1):
        x = _x(power, low, high)
        yield f'<line x1="{x:.1f}" y1="{top + 32}" x2="{x:.1f}" y2="{bottom - 16}"/>'
    for number, dot in enumerate(group.dots):
        y = top + _HEAD + _ROW * number
        yield f'<g class="{"ours" if dot.ours else "other"}">'
        yield f'<text x="0" y="{y + 5}">{escape(dot.name)}</text>'
        yield f'<line x1="{_LEFT}" y1="{y}" x2="{_RIGHT}" y2="{y}"/>'
        if dot.value is not None:
            x = _x(log10(dot.value) if dot.value else low, low, high)
            yield f'<circle cx="{x:.1f}" cy="{y}" r="5"/>'
        quiet = "" if dot.value is not None else " quiet"
        yield f'<text class="value{quiet}" x="{_RIGHT + 10}" y="{y + 5}">{escape(dot.shown)}</text>'
        yield "</g>"


def _x(power: float, low: float, high: float) -> float:
    return _LEFT + (power - low) / (high - low) * (_RIGHT - _LEFT)
