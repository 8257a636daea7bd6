"""The saga changed: goods leave only once the order is booked.

What is owed is decided anew from what is on record, so nothing in it is for orders that began with
the code before. Its limit: while an old `ship` is still under way and `post` is refused, the new
code would take the order for one that was never commanded to ship. Whoever makes such a change lets
the queue of fulfilment run empty first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType

from orders.domain.saga import Facts

SAGA = "domain/saga.py"
#: Each text of the saga, which is there exactly once, and what stands in its place.
CHANGES = {
    "ONCE_RESERVED = (Step.SHIP, Step.POST)": "ONCE_RESERVED = (Step.POST,)",
    """        steps |= {*ONCE_RESERVED}
""": """        steps |= {*ONCE_RESERVED}
        if facts.done(Step.POST):
            steps.add(Step.SHIP)
""",
    """        facts.refused(Step.SHIP)
        or facts.done(Step.CANCEL_SHIPMENT)
""": """        facts.refused(Step.SHIP)
        or (facts.refused(Step.POST) and not facts.known(Step.SHIP))
        or facts.done(Step.CANCEL_SHIPMENT)
""",
}


def changed(sources: Mapping[str, str]) -> dict[str, str]:
    """The service's source, text by file, with the change."""
    saga = sources[SAGA]
    for old, new in CHANGES.items():
        if saga.count(old) != 1:
            raise ValueError(f"The saga has changed, and the change of it must follow: {old!r}")
        saga = saga.replace(old, new)
    return {**sources, SAGA: saga}


def settled_by(sources: Mapping[str, str]) -> Callable[[Facts], bool]:
    """The saga's own `settled` in this source."""
    module = ModuleType("changed_saga")
    sys.modules[module.__name__] = module  # its dataclasses look themselves up there
    exec(compile(sources[SAGA], SAGA, "exec"), module.__dict__)  # noqa: S102 - it is our own
    settled: Callable[[Facts], bool] = module.settled
    return settled
