"""The file of orders that could not be migrated, one JSON object a line; and what to do about each.

    {"key": "4711", "reasons": [{"rule": "date_impossible", "detail": "'0000-00-00'"}], "at": ...}
    {"key": "4711", "resolved": true, "at": ...}

The last line about a key counts. The state table has the keys that are in quarantine now; the file
is for people. After a kill it may have an order twice, and after a while many that are resolved:
each process that writes to it begins by leaving one line for each order that is still there.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from spillway.errors import SpillwayError, why_not
from spillway.migrate.old.mapping import Reason, Unmapped

#: What to do about a rule, where its name and an example do not say it.
REMEDIES: Mapping[str, str] = {
    "amount_has_a_fraction": 'money.fractions = "round" rounds to whole minor units',
    "amount_not_a_number": "a view can turn it into 1234.56",
    "channel_unknown": "translate the words with order.channel.map",
    "currency_not_accepted": "add it to currencies",
    "currency_unknown": 'translate it with order.currency.map, as { gbp = "GBP" }',
    "customer_ambiguous": "keep one subject for each customer",
    "customer_invalid": "a customer's id is one line of at most 255 characters",
    "customer_missing": 'customers.guests = "one_each" makes each guest a customer of its own',
    "customer_unknown": "add the customer where the subjects come from",
    "date_ambiguous": 'times.ambiguous = "earlier" or "later" takes one of the two',
    "date_implausible": "times.not_before is the oldest that counts; numbers may be milliseconds",
    "date_nonexistent": 'times.nonexistent = "shift" takes a clock that was not put forward',
    "date_unreadable": "a view can turn it into 2019-07-01 10:00:00, with STR_TO_DATE()",
    "json_name_twice": "keep one of the two in the JSON",
    "key_not_unique": 'source.shape = "row_per_line" takes several rows as one order',
    "lines_disagree": "put it right in all rows of the order",
    "sku_not_a_text": "write the article's number in quotes",
    "status_unknown": 'give the word a meaning in [statuses]; "" is for NULL and empty',
    "text_invalid": 'texts.too_long = "cut", texts.unprintable = "space"',
    "text_missing": "a default fills it",
    "total_does_not_add_up": (
        "prices that include tax: leave out order.tax; a penny off: leave out order.total, or"
        " tolerate the rule for settled orders"
    ),
    "total_missing": "without order.total it is what the order adds up to",
}


def by_rule(orders: Iterable[Sequence[Reason]]) -> Counter[str]:
    """How many orders each rule keeps in quarantine; one with two reasons counts for both."""
    return Counter(rule for reasons in orders for rule in {reason.rule for reason in reasons})


@dataclass(slots=True)
class Quarantine:
    path: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_compact: bool = False

    def add(self, unmapped: Sequence[Unmapped]) -> None:
        self._append(map(asdict, unmapped))

    def resolve(self, keys: Sequence[str]) -> None:
        self._append({"key": key, "resolved": True} for key in keys)

    def _append(self, lines: Iterable[Mapping[str, object]]) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        text = "".join(json.dumps({**line, "at": at}, ensure_ascii=False) + "\n" for line in lines)
        try:
            with self._lock:
                if not self._is_compact:
                    self._compact()
                self._write(self.path, "a", text)
        except OSError as error:
            raise SpillwayError(f"{self.path} cannot be written: {why_not(error)}.") from error

    def _compact(self) -> None:
        # Not what is no file: a device must not be replaced by one.
        if self.path.is_file():
            with self.path.open(encoding="utf-8", errors="surrogateescape") as file:
                last = dict(_keyed(file))
            kept = (line for line in last.values() if "resolved" not in json.loads(line))
            path = self.path.resolve()
            beside = path.with_name(f"{path.name}.new")
            self._write(beside, "w", "".join(kept))
            beside.replace(path)
        self._is_compact = True

    @staticmethod
    def _write(path: Path, mode: str, text: str) -> None:
        # What is wrong with an order may name a customer: for the operator's eyes only.
        path.touch(mode=0o600, exist_ok=True)
        with path.open(mode, encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def _keyed(file: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each line with its key. What a kill left unfinished is written again by whoever goes on."""
    for line in file:
        try:
            yield json.loads(line)["key"], line.rstrip("\n") + "\n"
        except (ValueError, KeyError, TypeError):
            continue
