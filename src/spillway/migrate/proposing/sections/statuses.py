"""[statuses] and the way back: what the words of the status mean."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spillway.migrate.config import TODO, Losable
from spillway.migrate.proposing.choosing import STATES_MAX, TEXTS, WORD_MAX, Guess
from spillway.migrate.proposing.looking import Column
from spillway.migrate.proposing.notes import toml
from spillway.migrate.proposing.words import state_of

#: An order's id, as a text.
ORDER_ID_LENGTH = 36
#: The others (another channel, country or coupon than the table can hold) better wait for a person.
OF_MOST_ORDERS: tuple[Losable, ...] = (
    "payment_reference",
    "address.name",
    "address.lines",
    "address.city",
    "address.postal_code",
    "address.state",
    "address.phone",
    "address.email",
)


def statuses(g: Guess) -> None:
    notes = g.notes
    column = g.status
    notes.section("statuses")
    if column is None:
        notes.set("TODO", {"is": TODO}, "The value above, and what it means.")
        return
    stated = {word: n for word, n in g.states.items() if word and word.strip()}
    where = "" if g.table.all_counted else " in the newest rows (`check` reads all)"
    notes.note(
        f"Every word of {column.name}, with its rows{where}. confirmed: delivered and paid;"
        " cancelled; rejected with a reason; open: the new service finishes it after the switch"
        ' (done = ["reserve"] if its stock is held already). An order that is not paid is no'
        " order: exclude it with where, and delete its line."
    )
    if not stated or len(stated) > STATES_MAX:
        notes.set(TODO, {"is": TODO}, "Too many different words, or none: say what each means.")
        return
    for word, count in stated.items():
        if len(word) > WORD_MAX:
            continue
        meaning = state_of(word)
        setting: dict[str, str] = {"is": meaning if meaning not in ("", "unclear") else TODO}
        hint = ""
        if meaning == "rejected":
            setting["reason"] = "out_of_stock"
        if meaning == "unclear":
            hint = ", the money may not have come, or gone back"
        elif meaning == "":
            hint = ", not a word that init knows"
        notes.set(word, setting)
        notes.lines[-1] += f"  # {count:,} row{'' if count == 1 else 's'}{hint}"


def way_back(g: Guess) -> None:
    """As a comment: what only matters after the switch must not stop the first check."""
    key, notes = g.key, g.notes
    notes.lines.append("")
    if g.view is not None:
        notes.note(
            "[back] (a way to return after the switch) writes one table: with a view there is"
            " none, see the guide."
        )
        return
    notes.note(
        "The way back, for a return after the switch. Take the signs away when `check` is"
        " ready; each status needs one of the words above. may_lose: what most new orders"
        " have and no column here can hold; without it they wait."
    )
    kind = _key_of_new_orders(g, key)
    by_meaning = {state_of(word): word for word in reversed(list(_known_words(g)))}
    opened, confirmed = by_meaning.get("open", TODO), by_meaning.get("confirmed", TODO)
    rejected, cancelled = by_meaning.get("rejected", TODO), by_meaning.get("cancelled", TODO)
    first = ["first_key = 900_000_000"] if kind == "numbered" else []
    meanings = {
        "accepted": opened,
        "confirmed": confirmed,
        "rejecting": opened,
        "rejected": rejected,
        "cancelling": opened,
        "cancelled": cancelled,
    }
    lost = _without_a_column(g)
    if lost:
        first.append(f"may_lose = {toml(lost)}")
    said = [f"{name} = {toml(word)}" for name, word in meanings.items()]
    notes.lines += [
        f"# {line}".rstrip()
        for line in ("[back]", f'key = "{kind}"', *first, "", "[back.statuses]", *said)
    ]


def _without_a_column(g: Guess) -> list[str]:
    """What nearly every new order would lose. A day loses the time of it."""
    is_day = g.created is not None and g.created.kind == "date"
    lost = (name for name in OF_MOST_ORDERS if f"order.{name}" not in g.notes.of_columns)
    return [*(("created_at",) if is_day else ()), *lost]


def _key_of_new_orders(g: Guess, key: Column | None) -> str:
    if key is not None and key.counts_up and g.shape == "row_per_order":
        return "auto_increment"
    length = re.search(r"\((\d+)\)", key.type) if key is not None and key.kind in TEXTS else None
    return "order_id" if length and int(length[1]) >= ORDER_ID_LENGTH else "numbered"


def _known_words(g: Guess) -> Iterator[str]:
    if g.status is not None:
        yield from (word for word in g.states if word)
