"""The file of orders that could not be migrated, one JSON object a line.

    {"key": "4711", "reasons": [{"rule": "date_impossible", "detail": "'0000-00-00'"}], "at": ...}
    {"key": "4711", "resolved": true, "at": ...}

The last line about a key counts. The state table has the keys that are in quarantine now. The file
is for people, and may have an order twice after a kill.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from spillway.errors import SpillwayError, why_not
from spillway.migrate.old.mapping import Unmapped


@dataclass(frozen=True, slots=True)
class Quarantine:
    path: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, unmapped: Sequence[Unmapped]) -> None:
        self._append(map(asdict, unmapped))

    def resolve(self, keys: Sequence[str]) -> None:
        self._append({"key": key, "resolved": True} for key in keys)

    def _append(self, lines: Iterable[Mapping[str, object]]) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        text = "".join(json.dumps({**line, "at": at}, ensure_ascii=False) + "\n" for line in lines)
        try:
            # What is wrong with an order may name a customer: for the operator's eyes only.
            self.path.touch(mode=0o600, exist_ok=True)
            with self._lock, self.path.open("a", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SpillwayError(f"{self.path} cannot be written: {why_not(error)}.") from error
