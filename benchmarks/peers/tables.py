"""The figures of a run as tables. Whatever compares systems comes from them, nothing by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.peers.audit import KINDS
from spillway.plan.tables import Table
from spillway.ui.formatting import duration

Results = Mapping[str, Any]
_NOTHING = "-"


def tables(results: Results) -> Iterator[Table]:
    """Those that have a row. `results` are as `make peers` writes them."""
    for table in (
        speed(results),
        parts(results),
        _verdicts(results),
        _operations(results),
        _missing(results),
    ):
        if table.rows:
            yield table


def in_short(figures: Mapping[str, Any]) -> str:
    """How a test went, in a few words."""
    if "audit" not in figures:
        return str(figures.get("not_run") or figures["failed"])
    audit = figures["audit"]
    kinds = (*KINDS, "unfinished", "unanswered")
    found = [f"{audit[kind]} {kind.replace('_', ' ')}" for kind in kinds if audit.get(kind)]
    return ", ".join(found) or "all well"


def of_the_run(results: Results) -> str:
    run = results["run"]
    gib = run["peak_memory_bytes"] / 2**30
    left = ", ".join(run["left_running"]) or "nothing"
    return (
        f"It took {run['minutes']:.0f} minutes and at most {gib:.1f} GiB, all processes together, "
        f"and left {left} running."
    )


def markdown(results: Results) -> str:
    shown = [f"## {table.title}\n\n{table.markdown()}" for table in tables(results)]
    notes = [
        f"- {system['title']}: {' '.join(system['notes'])}"
        for system in results["systems"].values()
        if system["notes"]
    ]
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    return "\n".join([f"Measured on: {machine}.\n", *shown, *notes]) + "\n"


def speed(results: Results) -> Table:
    rows = []
    for title, test in _tests(results, "healthy"):
        if "crowd" not in test:
            continue
        crowd, paced = test["crowd"], test["paced"]
        rows.append(
            [
                title,
                f"{crowd['settled_per_second']:.1f}" if crowd["settled_per_second"] else _NOTHING,
                _spread(crowd["accept_seconds"]),
                _spread(crowd["settle_seconds"]),
                _kilobytes(crowd["logged_bytes_an_order"]),
                _kilobytes(crowd["stored_bytes_an_order"]),
                _spread(test["first"]["accept_seconds"]),
                _spread(paced["accept_seconds"]),
                _spread(paced["settle_seconds"]),
            ]
        )
    head = [
        "system",
        "crowd: settled a second",
        "accepted after",
        "settled after",
        "an order: log, kB",
        "kept, kB",
        "the first orders: accepted after",
        "paced: accepted after",
        "settled after",
    ]
    return Table("Where all is well (p50 / p99)", head, rows, numbers=range(1, 9))


def parts(results: Results) -> Table:
    rows = []
    for title, test in _tests(results, "healthy"):
        if "crowd" not in test:
            continue
        for part, an_order in test["crowd"]["an_order"].items():
            rest = test["at_rest"][part]
            rows.append(
                [
                    title,
                    part,
                    f"{an_order['processor_seconds']:.3f}",
                    f"{rest['processor_seconds_a_second']:.3f}",
                    f"{rest['memory_bytes'] / 2**20:.0f}",
                ]
            )
    head = [
        "system",
        "part",
        "an order: processor, s",
        "at rest: processor, s/s",
        "memory, MiB",
    ]
    return Table("What each part takes", head, rows, numbers=range(2, 5))


def _verdicts(results: Results) -> Table:
    rows = []
    for system in results["systems"].values():
        for name, test in system["tests"].items():
            if "audit" not in test:
                continue
            audit = test["audit"]
            until = test.get("seconds_until_whole")
            rows.append(
                [
                    system["title"],
                    name + (f" ({sum(test['kills'].values())} times)" if "kills" in test else ""),
                    str(audit["acknowledged"]),
                    *(str(audit[kind]) for kind in (*KINDS, "unfinished", "unanswered")),
                    _NOTHING if until is None else duration(until),
                    "; ".join(test.get("by_hand", ())) or _NOTHING,
                ]
            )
    head = ["system", "test", "acknowledged", *(kind.replace("_", " ") for kind in KINDS)]
    head += ["unfinished", "unanswered", "all well after", "what a person had to do"]
    return Table("What became of the orders", head, rows, numbers=range(2, len(head) - 1))


def _operations(results: Results) -> Table:
    rows = []
    for system in results["systems"].values():
        for name, test in system["tests"].items():
            for world in ("fulfilled", "undone"):
                if world not in test:
                    continue
                counted = test[world]
                rows.append(
                    [
                        system["title"],
                        f"{name}, {world}",
                        f"{sum(counted['operations'].values()):.1f}",
                        *(
                            f"{counted[number]:.1f}" if number in counted else _NOTHING
                            for number in ("checkpoints", "payload_bytes", "invocations")
                        ),
                    ]
                )
    head = ["system", "orders", "operations", "checkpoints", "payload, bytes", "invocations"]
    return Table("What an order takes of a service that is only counted", head, rows, range(2, 6))


def _missing(results: Results) -> Table:
    rows = [
        [system["title"], name, test.get("not_run") or test["failed"]]
        for system in results["systems"].values()
        for name, test in system["tests"].items()
        if "not_run" in test or "failed" in test
    ]
    return Table("What is missing", ["system", "test", "why"], rows)


def _tests(results: Results, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for system in results["systems"].values():
        if name in system["tests"]:
            yield system["title"], system["tests"][name]


def _spread(seconds: Mapping[str, float | None]) -> str:
    shown: Sequence[str] = [duration(seconds[share]) for share in ("p50", "p99")]
    return " / ".join(shown)


def _kilobytes(count: float | None) -> str:
    """Where files did not grow, what is kept was not on the disk yet: that is no figure either."""
    return f"{count / 1000:.1f}" if count else _NOTHING
