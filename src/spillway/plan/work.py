"""How long a function takes for a batch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """How long a function takes for a batch, in seconds.

    `wait`: what each record waits for, `at_once` of them at a time. While some wait the processor
    works on others: what takes longer, working on all or waiting for one after the other, says how
    long the batch takes.
    """

    fixed: float
    per_record: float = 0.0
    wait: float = 0.0
    at_once: int = 1

    def seconds(self, records: float) -> float:
        working = self.per_record * records + self.wait
        turns = max(1.0, records / self.at_once)
        return self.fixed + max(working, turns * (self.per_record + self.wait))

    def rate(self, records: float) -> float:
        """Records a second of one environment that is given batches of so many."""
        return records / self.seconds(records)
