"""The fakes over HTTP, for a test."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from simulation.downstreams.ledger import Ledger
from simulation.downstreams.server import application, uvicorn_config
from spillway.run.stack.ports import listen, port_of
from spillway.run.stack.serving import serving

API_KEYS = {"inventory": "key-i", "fulfilment": "key-f", "accounting": "key-a"}


@contextmanager
def served(ledgers: Mapping[str, Ledger]) -> Iterator[str]:
    """The fakes on a port of their own: its URL."""
    with listen(0) as listener:
        port = port_of(listener)
        with serving(uvicorn_config(application(ledgers, API_KEYS), port), listener):
            yield f"http://127.0.0.1:{port}"
