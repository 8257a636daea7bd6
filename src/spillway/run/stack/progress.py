"""What a starting supervisor tells the process that waits for it: one JSON object a line."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Progress:
    """Writes events to a pipe for as long as somebody reads them.

    | event | with |
    | --- | --- |
    | began | name, title |
    | took | name, title, seconds |
    | ready | port |
    | failed | message |
    | part_ended | part (`emulator` or `proxy`), status |
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @contextmanager
    def phase(self, name: str, title: str) -> Iterator[None]:
        """Report that a phase began and, unless it fails, how long it took."""
        self.report("began", name=name, title=title)
        began = time.monotonic()
        yield
        self.report("took", name=name, title=title, seconds=round(time.monotonic() - began, 3))

    def report(self, event: str, **details: Any) -> None:
        """Report one event; to nobody, once the reader has gone."""
        line = json.dumps({"event": event, **details}) + "\n"
        with suppress(BrokenPipeError):
            os.write(self._descriptor, line.encode())
