"""The states of an order on the express path as a picture: those in which it waits for the same and
is told as the same are one box. `make docs` writes it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from orders.domain.saga import ONCE_RESERVED, Step, owed
from orders.domain.status import status
from spillway.prove.simulate.saga_states import State, answers, cancellations, goes_on, reachable

#: From top to bottom: what an order waits for.
ROWS = ("reserve", "reserve + ship + post", "ship or post", "stopping it", "giving back", "settled")
#: From left to right: the statuses on the way, and at its end.
COLUMNS = (("cancelling", "cancelled"), ("accepted", "confirmed"), ("rejecting", "rejected"))
_WIDTH, _HEIGHT = 206, 54
_LEFT, _TOP, _ACROSS, _DOWN = 8, 8, 300, 108
_STOPPING = frozenset({Step.CANCEL_SHIPMENT, Step.RECALL_SHIPMENT})

#: A column and a row.
Box = tuple[int, int]

_STYLE = """
  text { font: 14px system-ui, sans-serif; text-anchor: middle; fill: #1f2328 }
  .number, .legend { font-size: 12px; fill: #59636e } .legend { text-anchor: start }
  rect { fill: #f6f8fa; stroke: #59636e } .settled rect { stroke-width: 2.5 }
  path { fill: none; stroke: #59636e; stroke-width: 1.2 } #head path { fill: #59636e }
  .express { stroke: #0969da; stroke-width: 2.4 } .customer { stroke-dasharray: 5 4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .number, .legend { fill: #9198a1 }
    rect { fill: #151b23; stroke: #9198a1 } path { stroke: #9198a1 } #head path { fill: #9198a1 }
    .express { stroke: #4493f8 }
  }
"""
#: Of an arrow.
_HEAD = """<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9"
 markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 8 4 0 8z"/></marker>"""
_LEGEND = (
    ("express", "by express: two commands more, then one write of all that is known"),
    ("answer", "a downstream's answer is recorded"),
    ("customer", "the customer asks to cancel"),
)


def box_of(state: State) -> Box:
    facts = state.facts
    waits_for = owed(facts)
    if Step.RESERVE in waits_for:
        row = 1 if state.begun else 0
    elif waits_for & {*ONCE_RESERVED}:
        row = 2
    elif waits_for & _STOPPING:
        row = 3
    else:
        row = 4 if waits_for else 5
    [column] = (place for place, both in enumerate(COLUMNS) if status(facts).value in both)
    return column, row


def arrows(graph: Mapping[State, list[State]]) -> Mapping[tuple[Box, Box], set[str]]:
    """The steps from one box to another, and of which kinds they are."""
    found: defaultdict[tuple[Box, Box], set[str]] = defaultdict(set)
    for state in graph:
        is_express = state.begun and not state.facts.known(Step.RESERVE)
        for kind, successors in (
            ("express" if is_express else "answer", answers(state)),
            ("express", goes_on(state)),
            ("customer", cancellations(state)),
        ):
            for successor in successors:
                if box_of(successor) != box_of(state):
                    found[box_of(state), box_of(successor)].add(kind)
    return found


def svg() -> str:
    graph = reachable(express=True)
    boxes = Counter(map(box_of, graph))
    width = 2 * (_LEFT + _ACROSS) + _WIDTH + 64
    height = _TOP + len(ROWS) * _DOWN + 3 * 20
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            f"<title>What an order on the express path goes through: {len(graph)} states</title>",
            f"<style>{_STYLE}</style>",
            _HEAD,
            *_drawn_arrows(arrows(graph)),
            *(_drawn_box(box, boxes[box]) for box in sorted(boxes)),
            *_drawn_legend(height - 3 * 20),
            "</svg>\n",
        )
    )


def _drawn_box(box: Box, states: int) -> str:
    column, row = box
    x, y = _middle(box)
    is_settled = row == len(ROWS) - 1
    title = COLUMNS[column][is_settled]
    under = f"{states} state{'s' if states > 1 else ''}"
    under += "" if is_settled else f", {ROWS[row]}"
    return (
        f'<g class="{"settled" if is_settled else "open"}">'
        f'<rect x="{x - _WIDTH // 2}" y="{y - _HEIGHT // 2}" width="{_WIDTH}" height="{_HEIGHT}"'
        f' rx="6"/><text x="{x}" y="{y - 4}">{title}</text>'
        f'<text class="number" x="{x}" y="{y + 15}">{under}</text></g>'
    )


def _drawn_arrows(found: Mapping[tuple[Box, Box], set[str]]) -> Iterator[str]:
    for (start, end), kinds in sorted(found.items()):
        for number, kind in enumerate(sorted(kinds)):
            line = _line(start, end, 12 * number)
            yield f'<path class="{kind}" marker-end="url(#head)" d="{line}"/>'


def _line(start: Box, end: Box, aside: int) -> str:
    """From edge to edge. Over more than a row of one column it bends around what is between."""
    (x1, y1), (x2, y2) = _middle(start), _middle(end)
    across, down = end[0] - start[0], end[1] - start[1]
    if not across and abs(down) > 1:
        x, bend = x1 + _WIDTH // 2, 10 + 18 * abs(down)
        return f"M{x} {y1 + 8}C{x + bend} {y1 + 30} {x + bend} {y2 - 40} {x} {y2 - 10}"
    if down:
        side = _HEIGHT // 2 if down > 0 else -_HEIGHT // 2
        lean = (30 if across > 0 else -30 if across < 0 else 0) * (1 if down > 0 else 2)
        return f"M{x1 + lean + aside} {y1 + side}L{x2 - lean + aside} {y2 - side}"
    side = _WIDTH // 2 if across > 0 else -_WIDTH // 2
    apart = (-8 if across > 0 else 8) + aside
    return f"M{x1 + side} {y1 + apart}L{x2 - side} {y2 + apart}"


def _drawn_legend(top: int) -> Iterator[str]:
    for number, (kind, words) in enumerate(_LEGEND):
        y = top + 20 * number
        yield f'<path class="{kind}" marker-end="url(#head)" d="M{_LEFT} {y}h60"/>'
        yield f'<text class="legend" x="{_LEFT + 72}" y="{y + 4}">{words}</text>'


def _middle(box: Box) -> tuple[int, int]:
    column, row = box
    return _LEFT + _WIDTH // 2 + column * _ACROSS, _TOP + _HEIGHT // 2 + row * _DOWN
