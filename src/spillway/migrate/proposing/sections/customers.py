"""[customers]: who has ordered, and what the identity provider calls them."""

from __future__ import annotations

from spillway.migrate.config import TODO
from spillway.migrate.proposing.choosing import INTEGERS, Guess, described
from spillway.migrate.proposing.looking import Column, DescribedTable, is_of_customers, matches
from spillway.migrate.proposing.words import plain


def customers(g: Guess) -> None:
    notes = g.notes
    notes.section("customers")
    by_id = g.customer
    if by_id is None:
        notes.todo("column", "No column says whose order it is.")
        notes.set("by", "subject")
        notes.todo("prefix", "See the guide.")
        return
    values = g.table.values(by_id.name)
    is_email = sum("@" in value for value in values) * 2 > len(values) or plain(
        by_id.name
    ).endswith("mail")
    notes.set("column", by_id.name, f"Likely: {described(by_id)}.")
    owner = _with_subjects(g, by_id)
    if owner is not None:
        table, key, subject = owner
        notes.set(
            "by", "table", f"Likely: {table.name} has {subject}, by its name what the identity"
            " provider calls a customer. Compare one with a token of theirs."
        )  # fmt: skip
        notes.set("table", table.name)
        notes.set("key", key)
        notes.set("subject", subject)
    elif is_email:
        notes.set(
            "by",
            "csv",
            "Customers are known by e-mail: export the identity provider's users as a file with"
            " the header customer,subject.",
        )
        notes.todo("file", "The file's path.")
    else:
        notes.set(
            "by",
            "subject",
            "Which subject has customer 4711 in a token of the identity provider? If it is a"
            " prefix and the number, say the prefix (empty: the number alone); if not, by ="
            ' "csv" with file, or by = "table" with table, key and subject.',
        )
        notes.set("prefix", TODO)
    rows = g.table.sample
    empty = sum(not (row.get(by_id.name) or "").strip() for row in rows)
    zeros = sum(row.get(by_id.name) == "0" for row in rows)
    if zeros:
        notes.note(
            f"{by_id.name} is 0 in {zeros:,} of {len(rows):,} rows seen: 0 is no account but a"
            " guest (guest_ids)."
        )
    notes.set(
        "guests",
        "one_each" if empty or zeros or by_id.nullable else "quarantine",
        f"{empty:,} of {len(rows):,} rows seen have no customer. one_each: each such order"
        " gets a subject of its own; quarantine: it is set aside.",
    )


def _with_subjects(g: Guess, of: Column) -> tuple[DescribedTable, str, str] | None:
    """Another table that has the subject by what this column has."""
    for table in g.looked.others:
        subject = [
            (place, column.name)
            for column in table.columns
            if (place := matches(column.name, "subject")) is not None
        ]
        if not subject or len(table.primary) != 1 or not is_of_customers(table.name):
            continue
        key = table.by_name[table.primary[0]]
        if (key.kind in INTEGERS) == (of.kind in INTEGERS):
            return table, key.name, min(subject)[1]
        g.notes.note(
            f"{table.name} has {min(subject)[1]} by {key.name}: a view that shows {key.name}"
            ' beside each order makes by = "table" possible.'
        )
    return None
