"""What each function costs at each size of memory, and how long it then takes.

Lambda gives a function a share of a processor in proportion to its memory, a whole one at 1,769 MB:
with more memory it computes faster, and waits at a higher price.
"""

from __future__ import annotations

from spillway.plan.cost.batches import CROWD, ONE_BY_ONE, BatchFill
from spillway.plan.cost.durations import work
from spillway.plan.cost.model import MILLION, CostModel
from spillway.plan.cost.usage import billed, rebatched
from spillway.plan.prices import Usage, Use, priced
from spillway.plan.tables import Table

MEMORIES_MB = (128, 256, 512, 1024, 1769)


def sizing(model: CostModel) -> Table:
    """Every measured function: milliseconds of a full batch, and the dollars of its time for a
    million orders (for reads: looks), in a crowd and one by one. The deployed size is bold."""
    head = ("function", "batch", *(f"{memory:,} MB" for memory in MEMORIES_MB))
    names = [name for name in model.measurement.functions if name in model.processor]
    rows = [(name, f"{_records(model, name):.0f}", *_cells(model, name)) for name in names]
    return Table("Sizing", head, rows, range(1, len(head)))


def _cells(model: CostModel, name: str) -> list[str]:
    cells = []
    for memory in MEMORIES_MB:
        seconds, crowd = cost_at(model, name, memory, CROWD)
        _, single = cost_at(model, name, memory, ONE_BY_ONE)
        cell = f"{seconds * 1000:.0f} ms, {crowd:.3f}, {single:.3f}"
        cells.append(f"**{cell}**" if memory == model.settings.memory_mb[name] else cell)
    return cells


def _records(model: CostModel, name: str) -> float:
    use = rebatched(model.measurement, CROWD).functions[name]
    return use.records / use.invocations


def cost_at(model: CostModel, name: str, memory_mb: float, fill: BatchFill) -> tuple[float, float]:
    """Seconds that a batch takes with so much memory, and dollars for a million orders."""
    use = rebatched(model.measurement, fill).functions[name]
    takes = work(name, use, model.processor[name], memory_mb, model.figures)
    seconds = takes.seconds(use.records / use.invocations)
    # Reads were counted by looks, and fewer of them than orders.
    each = use.records if name == "reads" else model.measurement.orders
    time = billed(seconds) * use.invocations / each * MILLION
    usage = Usage((Use(name, "lambda.gb_seconds", time * memory_mb / 1024),))
    return seconds, priced(usage, model.book).dollars
