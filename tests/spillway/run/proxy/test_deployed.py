"""The deployed functions reach AWS through the proxy, and feel its faults."""

import httpx
import pytest

from spillway.run.stack import Stack

pytestmark = pytest.mark.timeout(180)


def _my_orders(stack: Stack, token: str) -> httpx.Response:
    return httpx.get(
        f"{stack.api}/orders",
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30,
    )


def test_a_functions_calls_are_counted_under_its_name(stack: Stack) -> None:
    token = stack.token("other")
    kind = {
        "service": "dynamodb",
        "operation": "Query",
        "resource": stack.tables["orders"],
        "function": "reads",
        "status": 200,
    }
    before = stack.proxy.counts().requests(**kind)
    answers = [_my_orders(stack, token) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert stack.proxy.counts().requests(**kind) == before + 3


def test_a_refusing_table_fails_the_function_until_the_fault_is_over(stack: Stack) -> None:
    token = stack.token("other")
    with stack.proxy.inject(
        service="dynamodb", operation="Query", function="reads", refuse="ThrottlingException"
    ) as fault:
        assert _my_orders(stack, token).status_code == 503
    assert fault.fired() >= 1
    assert _my_orders(stack, token).status_code == 200


def test_the_clients_of_the_stack_go_round_it(stack: Stack) -> None:
    with stack.proxy.inject(service="sqs", operation="ListQueues", cut=True) as fault:
        assert stack.client("sqs").list_queues()["QueueUrls"]
    assert fault.fired() == 0
