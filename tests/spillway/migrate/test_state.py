"""What a migration's own table keeps is read as it was written."""

from __future__ import annotations

from spillway.migrate.new.state import State, Verified
from spillway.run.stack.aws import client
from tests.tables import make_table


def test_the_last_verify_is_kept_with_its_numbers(aws: str) -> None:
    dynamodb = client(aws, "dynamodb")
    state = State(dynamodb, make_table(dynamodb, "migration"))
    assert state.verified() is None
    noted = Verified(1_790_000_000_123, "differs", "2 of 3 differ", 3, 2, 2, sampled=True)
    state.note_verified(noted)
    assert state.verified() == noted
