"""No answer tells of the inside, whatever breaks there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orders.failures import TransientFailure
from orders.flow.reads import Reads
from orders.handlers import intake, reads
from simulation.world.runtime import MemoryLog, MemoryOverflow, SetClock
from tests.builders import NOW, an_intake, order_body, order_id
from tests.orders.handlers.api_events import request
from tests.security.leaks import leaks

TELLING = (
    "An error occurred (AccessDeniedException) when calling the PutItem operation: User:"
    " arn:aws:sts::111122223333:assumed-role/spillway-prod-intake is not authorized to perform:"
    " dynamodb:PutItem on resource: arn:aws:dynamodb:eu-west-1:111122223333:table/spillway-prod"
    " (/var/task/orders/aws/table.py, line 60)"
)


class Breaking:
    """A table that fails in every way that it can be asked."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def break_(*_: Any, **__: Any) -> Any:
            raise self._failure

        return break_


def answers(failure: Exception) -> list[dict[str, Any]]:
    """What each route answers when the table fails like this."""
    table: Any = Breaking(failure)
    log = MemoryLog()
    taking = an_intake(table, MemoryOverflow(failing=True)), log
    showing = Reads(table, SetClock(NOW)), log
    id_ = order_id()
    cancel = "PUT /orders/{order_id}/cancellation"
    return [
        intake.handle(
            request("PUT /orders/{order_id}", order_id=id_, body=order_body(id_)), *taking
        ),
        intake.handle(request(cancel, order_id=id_), *taking),
        reads.handle(request("GET /orders/{order_id}", order_id=id_), *showing),
        reads.handle(request("GET /orders"), *showing),
    ]


@pytest.mark.parametrize(
    ("failure", "status"),
    [(TransientFailure(TELLING), 503), (RuntimeError(TELLING), 500), (KeyError(TELLING), 500)],
    ids=["the table is down", "a bug", "another bug"],
)
def test_an_answer_says_that_something_is_wrong_and_not_what(
    failure: Exception, status: int
) -> None:
    for answer in answers(failure):
        assert answer["statusCode"] == status
        assert leaks(answer["body"]) == []
        assert leaks(" ".join(f"{name} {value}" for name, value in answer["headers"].items())) == []


def test_a_leak_would_be_noticed() -> None:
    assert len(leaks(TELLING)) > 5
    assert leaks('Traceback (most recent call last):\n  File "x.py", line 3')
    assert leaks("ValidationException: one or more parameter values were invalid")


def test_what_a_client_sent_may_be_said_back_to_it() -> None:
    assert leaks("unknown field 'lambda'", sent="{'lambda': 1}") == []
    assert leaks("unknown field 'lambda'") == ["lambda"]
