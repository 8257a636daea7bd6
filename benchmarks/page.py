"""The page docs/performance.md, made from the recorded run and today's prices.

`make bench ARGS=--record` measures anew, and with `--instructions` these; `make costs` renews what
follows from prices and settings. A test holds the page against what this would write now.
"""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks import tables
from benchmarks.results import RECORDED, Results, recorded
from benchmarks.sizing import MEMORIES_MB, Sized, sized
from benchmarks.tables import Rows
from spillway.plan.cost.reckoning import Reckoning, reckoning

PAGE = RECORDED.parents[1] / "performance.md"

#: Why a function has the memory that it has, by its name in the stage's settings.
WHY = {
    "intake": "a customer waits for it, and for its cold start, which half the memory makes twice"
    " as long",
    "reads": "as intake",
    "relay": "the first bottleneck of a spike: one batch at a time for each shard of the stream",
    "deliver": "it waits for its downstream, and waiting is paid by memory; nobody waits for it",
    "watchdog": "nobody waits for it",
}

_INTRO = """This page is made by `make bench` from a run on {measured} ({machine}), and from the \
prices and settings of today. Times are this machine's, and of its processor: other work \
disturbs them least. What carries over are the ratios within one run, the instructions, the counts \
and the sizes. A bound that is missed makes `make bench` fail.
"""

_COLD = """A fresh process with compiled bytecode that imports a function and makes its first \
clients, from the bundle that is deployed. Of the peers, aws-serverless-ecommerce-platform took \
429 to 480 ms for its imports alone, and aws-lambda-handler-cookbook 544 (on two processors too, \
CPython 3.11). What is left out here: \
[0011](decisions/aws.md#0011-the-bundle-has-only-the-endpoints-that-we-use).
"""

_WARM = """The handlers as deployed, on the events that AWS hands them, with clients that answer \
at once: the median order of the shops whose sales were measured (13 lines), and their largest \
(1,114). The SDK is not in these figures, and takes far longer for a small order: see the \
processor times under *Sizing*.
"""

_CUT = """What was cut: shape checks of `wire` from 134 to 6 µs for a small order (msgspec first, \
our own readers only for what it refuses); unknown fields of a line are told by their number; \
content is packed at zlib's own level, which takes 0.23 ms for the largest order where the highest \
took 0.89, for 2% more bytes ([decision 0003](decisions/README.md)); an order that is shown is \
not taken apart before it is encoded.
"""

_COUNTED = """The same by callgrind, which counts the same on however noisy a machine; the ratio \
says that the last lines of an order cost what the first ones do.
"""

_BUNDLE = """As zipped for Lambda, by what lies in its root; bytecode comes on top where there is \
a Python 3.13 to make it.
"""

_SCALING = """Sizes in orders, for relay in records of the stream. Histories are read through the \
real handler and adapter from the simulation's model of the table; relay gets its records in \
batches as deployed; the audit reads tables that are made up page by page, in a process of \
its own whose whole memory is given. An audit's memory grows until SQLite's cache is full, with \
some 30,000 orders, and no further; less than 0.1 MB more is the interpreter's own pools.
"""

_SIZING = """Lambda gives a share of a processor by memory, a whole one at 1,769 MB. *Processor* \
and *waits* are of one full batch on a whole one; then for each size how long the batch takes, and \
the dollars of its time for a million orders (looks, for reads): in a crowd, and one by one. The \
bold size is the one in `prod` and `dev`. Drain has nothing to do in such a run; it works as \
deliver does, and waits for the table.
"""

_ONLY_AWS = """**Measured here**: processor time with the real SDK, on the emulator \
(`spillway cost --measure`); memory (see *Cold start*, and the largest batch); invocations and \
calls. **Estimates**, each with its source in `src/spillway/plan/cost/calibration.toml`: how long \
DynamoDB, SQS, SNS and a downstream take to answer, and that an arm64 processor of Lambda's is as \
fast as this one. **What only AWS can tell**: how long a cold start takes with its machine, its \
runtime and the code to be fetched, and whether it has more than its share of a processor \
meanwhile. In `dev`, the REPORT lines (`logs.system_level = "INFO"`) tell: `Init Duration`, \
`Duration` and `Max Memory Used`. Should that be above 100 MB for a function with 128, or the p99 \
of intake be no better than with half its memory, change `[functions]`, which is one deployment.
"""


_SAID = {
    tables.COLD: _COLD,
    tables.WARM: _WARM,
    tables.PARTS: _CUT,
    tables.COUNTED: _COUNTED,
    tables.SCALING: _SCALING,
    tables.BUNDLE: _BUNDLE,
}


def write() -> None:
    """Write the page."""
    PAGE.write_text(text(recorded(), reckoning()), encoding="utf-8")


def text(results: Results, ours: Reckoning) -> str:
    """The page, the same for the same run, prices and settings."""
    measured = [_section(title, rows, _SAID[title]) for title, rows in tables.tables(results)]
    return "\n".join(
        (
            "# How fast it is, and how much memory it gets\n",
            _INTRO.format(measured=results.measured, machine=results.machine),
            *measured,
            _section("Sizing", _sizes(sized(ours)), _SIZING),
            _ONLY_AWS,
        )
    )


def _section(title: str, rows: Rows, said: str = "") -> str:
    return f"## {title}\n\n{said}{chr(10) if said else ''}{_table(rows)}"


def _sizes(found: Iterable[Sized]) -> Rows:
    head = (
        "function",
        "batch",
        "processor, ms",
        "waits, ms",
        *(f"{memory:,} MB" for memory in MEMORIES_MB),
        "why",
    )
    return [
        head,
        *(
            (
                one.function,
                f"{one.records:.0f}",
                f"{one.processor * 1000:.1f}",
                f"{one.waits * 1000:.0f}",
                *_cells(one),
                WHY[one.function.partition("-")[0]],
            )
            for one in found
        ),
    ]


def _cells(one: Sized) -> Iterable[str]:
    for size in one.sizes:
        cell = f"{size.seconds * 1000:.0f} ms, {size.crowd:.3f}, {size.one_by_one:.3f}"
        yield f"**{cell}**" if size.memory_mb == one.chosen_mb else cell


def _table(rows: Rows) -> str:
    head, *body = rows
    rule = ("---", *("--:" for _ in head[1:]))
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *body))


if __name__ == "__main__":
    write()
