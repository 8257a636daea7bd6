"""One schedule with a bug planted, in a process of its own: this one has the service as it is."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from spillway.prove.simulate.hunt import plant


def tell_with(bug: str, seed: int, trace: bool) -> bool:
    """As `spillway.prove.simulate.telling.tell`."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_tell, bug, seed, trace).result()


def _tell(bug: str, seed: int, trace: bool) -> bool:
    plant(bug, anew=True)
    from rich.console import Console

    from spillway.prove.simulate.telling import tell

    return tell(seed, trace, bug, Console())
