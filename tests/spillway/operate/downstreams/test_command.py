"""`spillway downstreams` on a stack."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from spillway.cli import app
from spillway.run.stack import Stack

CHECK = ["downstreams", "check"]


@pytest.mark.emulator
def test_each_downstream_of_a_stack_answers_and_it_is_said_why(stack: Stack) -> None:
    port = ["--port", str(stack.port)]
    done = CliRunner().invoke(app, [*CHECK, "--json", *port])
    document = json.loads(done.stdout)
    assert (done.exit_code, document["stage"], document["right"]) == (0, "local", True)
    found = {one["downstream"]: one for one in document["downstreams"]}
    assert {(one["step"], one["means"]) for one in found.values()} == {
        ("reserve", "nothing"),
        ("ship", "nothing"),
        ("post", "nothing"),
    }
    assert found["accounting"]["express_ms"] == 1_000
    sent = CliRunner().invoke(app, [*CHECK, "accounting", "--step", "post", "--send", *port])
    assert sent.exit_code == 0
    assert "POST http" in sent.stdout
    assert 'means = "done"' in sent.stdout
    assert "MUG-SAGE" in sent.stdout
    # Its order is made up: whoever audits the stack after this would find it half done.
    assert made_up_effects_taken_away(stack) == 1


def made_up_effects_taken_away(stack: Stack) -> int:
    dynamodb, table = stack.client("dynamodb"), stack.tables["accounting"]
    found = dynamodb.scan(
        TableName=table,
        FilterExpression="begins_with(customer_id, :check)",
        ExpressionAttributeValues={":check": {"S": "spillway-check-"}},
    )["Items"]
    for item in found:
        dynamodb.delete_item(TableName=table, Key={name: item[name] for name in ("pk", "sk")})
    return len(found)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["stock"], "stock isn't a downstream"),
        (["--send"], "name it"),
    ],
)
@pytest.mark.emulator
def test_bad_usage_is_one_sentence(stack: Stack, words: list[str], says: str) -> None:
    done = CliRunner().invoke(app, [*CHECK, *words, "--port", str(stack.port)])
    assert done.exit_code != 0
    assert says in str(done.exception)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["order_returned", "--number", "1"], "order_returned is of all of the order"),
        (["lost"], "'lost' is not one of"),
    ],
)
def test_what_no_parcel_can_become_is_said_before_anybody_is_asked(
    words: list[str], says: str
) -> None:
    id_ = "019aafcf-6ac0-7c3e-b1a5-5f0c8f1f2a10"
    done = CliRunner().invoke(app, ["downstreams", "parcel", id_, *words])
    assert done.exit_code != 0
    assert says in f"{done.output}{done.exception}"
