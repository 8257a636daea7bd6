"""Rows as the server sends them become orders, and no value changes on the way."""

from __future__ import annotations

import json
import random
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orders.aws.items import decompressed
from spillway.errors import SpillwayError
from spillway.migrate.old.connection import account, connected, run
from spillway.migrate.old.description import describe
from spillway.migrate.old.mapping import Mapped, Mapper, OldOrder, Unmapped
from spillway.migrate.old.payloads import PayloadCursor, halves
from spillway.migrate.old.table import OldTable
from tests.spillway.migrate.legacy import Shop, lines, order
from tests.spillway.migrate.tables import config_for

NOW = 1_795_428_000_000  # 2026-11-23
SIZES = (0, 1, 250, 251, 255, 256, 65_535, 65_536, 100_000)
PER_LINE = pytest.mark.parametrize("shop", ["row-per-line"], indirect=True)


def payload(values: tuple[str | None, ...]) -> bytes:
    """As MySQL's protocol has it: each value behind its length."""
    return b"".join(map(_with_length, values))


def _with_length(value: str | None) -> bytes:
    if value is None:
        return b"\xfb"
    content = value.encode()
    length = len(content)
    if length <= 250:
        return bytes([length]) + content
    if length < 1 << 16:
        return b"\xfc" + length.to_bytes(2, "little") + content
    if length < 1 << 24:
        return b"\xfd" + length.to_bytes(3, "little") + content
    return b"\xfe" + length.to_bytes(8, "little") + content


texts = st.none() | st.sampled_from(["", "A", "AB", "1", "é", "🎁", "x" * 250, "y" * 70_000])


@given(
    rows=st.lists(st.tuples(*[texts] * 5), max_size=12), first=st.integers(min_value=0, max_value=5)
)
def test_halves_put_together_are_the_rows(rows: list[tuple[str | None, ...]], first: int) -> None:
    found = list(halves(map(payload, rows), first, 5 - first))
    assert [own + line for own, line in found] == rows
    assert all(len(own) == first for own, _ in found)


def test_rows_that_begin_alike_share_their_beginning() -> None:
    rows = [("1", "Leeds", "A"), ("1", "Leeds", "B"), ("1", "Leed", "sA")]
    one, same, other = (own for own, _ in halves(map(payload, rows), 2, 1))
    assert one is same
    assert other == ("1", "Leed")


def test_the_cursor_hands_out_what_the_drivers_own_cursor_reads(shop: Shop, tmp_path: Path) -> None:
    """Of every length that the protocol writes in another way, on the real server."""
    rng = random.Random(4)
    for size in SIZES:
        shop.insert(order(rng, items=json.dumps("x" * size), street="é" * min(size, 100), notes=""))
    statement = "SELECT id, notes, coupon, placed_at, street, total, items FROM orders ORDER BY id"
    config = config_for(shop, "unused", tmp_path)
    with connected(account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})) as old:
        usual = run(old, statement)
        with old.cursor(PayloadCursor) as cursor:
            cursor.execute(statement)
            read = list(halves(iter(cursor.read_next, None), 4, 3))  # type: ignore[arg-type]
        # The connection is as good as before.
        assert run(old, statement) == usual
    assert [own + line for own, line in read] == usual
    assert len(usual) == len(SIZES)


def read(shop: Shop, tmp_path: Path) -> tuple[list[OldOrder], Mapper]:
    config = config_for(shop, "unused", tmp_path)
    with connected(account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})) as old:
        reader = OldTable(old, config, lambda old: old)
        return list(reader.after(None)), Mapper(config, lambda old: old, NOW, frozenset())


@PER_LINE
def test_what_lines_share_is_told_once(shop: Shop, tmp_path: Path) -> None:
    shop.fill({**lines(random.Random(1), "A1")[0], "stock_code": f"S{n}"} for n in range(3))

    (found,), mapper = read(shop, tmp_path)

    assert len(found.own) == 1
    assert [sku for sku, *_ in found.lines] == ["S0", "S1", "S2"]
    assert isinstance(mapper.order(found), Mapped)


@PER_LINE
def test_a_line_added_later_does_not_make_the_order_another(shop: Shop, tmp_path: Path) -> None:
    template = lines(random.Random(1), "A1")[0]
    for day in ("05", "03", "05"):
        shop.insert({**template, "invoiced_at": f"2022-06-{day} 12:00:00"})

    (found,), mapper = read(shop, tmp_path)

    mapped = mapper.order(found)
    assert isinstance(mapped, Mapped)
    assert mapped.accepted_at == 1_654_254_000_000  # 2022-06-03 11:00 UTC
    assert len(found.lines) == 3


@PER_LINE
def test_lines_that_say_different_things_of_their_order_are_no_order(
    shop: Shop, tmp_path: Path
) -> None:
    template = {**lines(random.Random(1), "A1")[0], "customer_id": "77"}
    shop.fill(iter([template, {**template, "customer_id": "78"}, template]))

    (found,), mapper = read(shop, tmp_path)

    refused = mapper.order(found)
    assert isinstance(refused, Unmapped)
    assert [reason.rule for reason in refused.reasons] == ["lines_disagree"]
    assert len(found.lines) == 3


@PER_LINE
def test_no_spelling_of_a_number_that_is_spelled_in_two_ways_is_an_order(
    shop: Shop, tmp_path: Path
) -> None:
    template = lines(random.Random(1), "A1")[0]
    shop.fill({**template, "invoice": number} for number in ("A1", "a1", "A1", "A2"))

    found, mapper = read(shop, tmp_path)

    assert [(order.key, len(order.lines)) for order in found] == [("A1", 2), ("a1", 1), ("A2", 1)]
    for twice in found[:2]:
        refused = mapper.order(twice)
        assert isinstance(refused, Unmapped)
        assert [reason.rule for reason in refused.reasons] == ["key_spelled_differently"]
    assert isinstance(mapper.order(found[2]), Mapped)


def test_json_in_a_blob_is_read_as_in_a_text(shop: Shop, tmp_path: Path) -> None:
    shop.run("ALTER TABLE orders MODIFY items LONGBLOB")
    shop.insert(order(random.Random(1)))

    (found,), mapper = read(shop, tmp_path)

    assert isinstance(mapper.order(found), Mapped)


@pytest.mark.parametrize("reference", [None, "voucher"])
def test_an_order_that_cost_nothing_has_no_payment(
    shop: Shop, tmp_path: Path, reference: str | None
) -> None:
    free = {"shipping": None, "discount": "10.00", "coupon": "ALL", "total": "0.00"}
    one = '[{"code": "A", "qty": 1, "price": "10.00"}]'
    shop.insert(order(random.Random(1), items=one, payment_ref=reference, **free))

    (found,), mapper = read(shop, tmp_path)

    mapped = mapper.order(found)
    assert isinstance(mapped, Mapped)
    stored = decompressed(mapped.content)
    assert (stored.total, stored.discounted, stored.payment) == (0, 1_000, None)


@pytest.mark.parametrize(
    "items",
    [
        b'[{"code": "caf\xe9", "qty": 1, "price": "1.00"}]',
        b'[{"code": "\\ud800", "qty": 1, "price": "1.00"}]',
    ],
    ids=["latin1", "lone_surrogate"],
)
def test_bytes_that_are_no_text_are_refused_and_not_repaired(
    shop: Shop, tmp_path: Path, items: bytes
) -> None:
    shop.run("ALTER TABLE orders MODIFY items LONGBLOB")
    shop.insert(order(random.Random(1), items=items, total="4.95"))

    (found,), mapper = read(shop, tmp_path)

    refused = mapper.order(found)
    assert isinstance(refused, Unmapped)
    assert [reason.rule for reason in refused.reasons] == ["text_invalid"]


def test_a_column_of_bytes_is_named_before_anything_is_read(shop: Shop, tmp_path: Path) -> None:
    shop.run("ALTER TABLE orders ADD number BINARY(16)")
    config = config_for(shop, "unused", tmp_path)
    config = replace(config, order=replace(config.order, created_at="number"))
    with (
        connected(account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})) as old,
        pytest.raises(SpillwayError, match="column number of orders holds bytes, not text: name"),
    ):
        describe(old, config)


def test_what_is_placed_while_the_table_is_followed_is_not_of_the_future(
    shop: Shop, tmp_path: Path
) -> None:
    config = config_for(shop, "orders", tmp_path)
    clock = [NOW / 1000]
    with connected(account(config.source, {"OLD_SHOP": shop.server.url(shop.database)})) as old:
        table = OldTable(old, config, lambda customer: customer, lambda: clock[0])
        for later in (600, 7 * 86_400):
            at = f"{datetime.fromtimestamp(clock[0] + later, ZoneInfo('Europe/London')):%F %T}"
            number = str(shop.insert(order(random.Random(1), placed_at=at)))
            ((early,),) = table.readings([number])
            assert isinstance(early, Unmapped)
            clock[0] += later
            ((now,),) = table.readings([number])
            assert isinstance(now, Mapped)
