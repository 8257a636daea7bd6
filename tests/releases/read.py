"""What stored and sent data means to the code that reads it.

It is kept with each release, in one archive with its code, for what a release calls its parts may
change: `python orders.zip < written.json` is then that release's own eyes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from orders.aws import archive_file, items, messages
from orders.handlers.changes import change_of


def meaning(written: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """By kind, what each sample says, as plain JSON. Raises whatever the code raises."""
    readers: dict[str, Callable[[Any], Any]] = {
        "order_item": items.accepted_order,
        "void_item": items.in_orders_place,
        "stub_item": items.location_of,
        "archive_line": lambda line: archive_file.items_of(line.encode()),
        "progress_item": items.facts,
        "stream_record": change_of,
        "command": messages.command_of,
        "overflow": messages.overflowed_order_of,
        "check": messages.check_of,
        "batch": messages.messages_in,
        # Its readers are other people's: what it means is what it says.
        "event": json.loads,
    }
    return {
        kind: [msgspec.to_builtins(readers[kind](sample)) for sample in samples]
        for kind, samples in written.items()
        if kind in readers
    }


if __name__ == "__main__":
    json.dump(meaning(json.load(sys.stdin)), sys.stdout, indent=1, sort_keys=True)
