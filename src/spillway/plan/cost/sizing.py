"""What each function costs at each size of memory, and how long it then takes.

Lambda gives a function a share of a processor in proportion to its memory, a whole one at 1,769 MB:
with more memory it computes faster, and waits at a higher price.
"""

from __future__ import annotations

from spillway.plan.cost.batches import CROWD, ONE_BY_ONE
from spillway.plan.cost.model import MILLION, CostModel
from spillway.plan.cost.usage import billed
from spillway.plan.tables import Table

MEMORIES_MB = (128, 256, 512, 1024, 1769)


def sizing(model: CostModel) -> Table:
    """Every measured function: milliseconds of a full batch, and the dollars of its time for a
    million orders (for reads: looks), in a crowd and one by one. The deployed size is bold."""
    head = ("function", "batch", *(f"{memory:,} MB" for memory in MEMORIES_MB))
    rows = [_row(model, name) for name in model.measurement.functions if name in model.processor]
    return Table("Sizing", head, rows, range(1, len(head)))


def _row(model: CostModel, name: str) -> list[str]:
    full, single = (
        model.taken(model.measurement, fill).functions[name] for fill in (CROWD, ONE_BY_ONE)
    )
    # Reads were counted by looks, and fewer of them than orders.
    each = full.records if name == "reads" else model.measurement.orders
    row = [name, f"{full.records / full.invocations:.0f}"]
    for memory in MEMORIES_MB:
        times, dollars = [], []
        for use in (full, single):
            seconds = model.work(name, use, memory).seconds(use.records / use.invocations)
            gb_seconds = billed(seconds) * use.invocations * memory / 1024
            times.append(seconds)
            dollars.append(model.price_list["lambda.gb_seconds"].of(gb_seconds / each * MILLION))
        cell = f"{times[0] * 1000:.0f} ms, {dollars[0]:.3f}, {dollars[1]:.3f}"
        row.append(f"**{cell}**" if memory == model.stage.memory_mb[name] else cell)
    return row
