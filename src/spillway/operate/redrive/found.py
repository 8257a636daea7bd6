"""What was in the dead-letter queues, and what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from orders.domain.order import OrderKey
from spillway.operate.redrive.dead_letters import DeadLetter, order_keys

#: Limits: different reasons that are kept apart, orders that are named for each, and messages that
#: are kept to be read.
REASONS_MAX = 50
ORDERS_NAMED_MAX = 5
KEPT_MAX = 50

OTHER_REASONS = "other reasons"


@dataclass(slots=True)
class Group:
    dead_letters: int = 0
    moved: int = 0
    orders: list[OrderKey] = field(default_factory=list)


@dataclass(slots=True)
class Found:
    """What was in one dead-letter queue at the start, and what became of it.

    At the start `visible` dead letters were counted, approximately, and `elsewhere` were in flight,
    held by another redrive. `dead_letters` were received: `groups` are by reason, `not_moved`
    counts by why not. `came_meanwhile` were dead-lettered by our code (for the first time or again)
    during the work, and left; what SQS dead-lettered meanwhile looks older, and is moved. `kept`:
    the first of them, with their reasons.
    """

    visible: int = 0
    dead_letters: int = 0
    groups: dict[str, Group] = field(default_factory=dict)
    not_moved: Counter[str] = field(default_factory=Counter)
    came_meanwhile: int = 0
    elsewhere: int = 0
    kept: list[tuple[str, DeadLetter]] = field(default_factory=list)

    @property
    def moved(self) -> int:
        return sum(group.moved for group in self.groups.values())

    @property
    def reasons(self) -> list[tuple[str, Group]]:
        return sorted(self.groups.items(), key=lambda item: -item[1].dead_letters)

    def add(self, queue: str, reason: str, dead_letter: DeadLetter) -> Group:
        if len(self.kept) < KEPT_MAX:
            self.kept.append((reason, dead_letter))
        if reason not in self.groups and len(self.groups) >= REASONS_MAX:
            reason = OTHER_REASONS
        group = self.groups.setdefault(reason, Group())
        self.dead_letters += 1
        group.dead_letters += 1
        for order in order_keys(queue, dead_letter.body):
            if len(group.orders) < ORDERS_NAMED_MAX and order not in group.orders:
                group.orders.append(order)
        return group
