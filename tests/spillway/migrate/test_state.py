"""What a migration's own table keeps is read as it was written."""

from __future__ import annotations

import pytest

from spillway.errors import SpillwayError
from spillway.migrate.new.state import NUMBER_BYTES_MAX, State, Verified, index_key
from spillway.run.stack.aws import client
from tests.tables import make_table


def test_the_last_verify_is_kept_with_its_numbers(aws: str) -> None:
    dynamodb = client(aws, "dynamodb")
    state = State(dynamodb, make_table(dynamodb, "migration"))
    assert state.verified() is None
    noted = Verified(1_790_000_000_123, "differs", "2 of 3 differ", 3, 2, 2, sampled=True)
    state.note_verified(noted)
    assert state.verified() == noted


def test_a_migration_goes_on_with_its_own_old_table_alone(aws: str) -> None:
    dynamodb = client(aws, "dynamodb")
    table = make_table(dynamodb, "migration")
    with State(dynamodb, table, "shop.orders").lease("copy", ["new"]):
        pass
    assert State(dynamodb, table, "shop.orders").standing().source == "shop.orders"
    # `status` asks without a configuration's table.
    assert State(dynamodb, table).standing().source == "shop.orders"
    for other in ("shop.order_lines", "staging.orders"):
        state = State(dynamodb, table, other)
        for work in (state.standing, state.lease("copy", ["new"]).__enter__):
            with pytest.raises(SpillwayError, match=f"from shop.orders, and not from {other}"):
                work()


def test_a_number_that_no_item_can_have_is_told_with_what_to_do() -> None:
    assert index_key("ü" * (NUMBER_BYTES_MAX // 2))
    with pytest.raises(SpillwayError, match=r"has 1,002 bytes, .* source\.where"):
        index_key("ü" * (NUMBER_BYTES_MAX // 2 + 1))
