"""`spillway smoke` against the deployed service."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from spillway.cli import app
from spillway.run.stack import Stack


def test_the_deployed_service_passes_and_nothing_is_left_behind(stack: Stack) -> None:
    table = stack.client("dynamodb")
    before = table.scan(TableName=stack.tables["orders"], Select="COUNT")["Count"]
    done = CliRunner().invoke(app, ["smoke", "--json", "--port", str(stack.port)])
    found = json.loads(done.stdout)
    assert [finding for finding in found["findings"] if finding["fault"]] == []
    assert (done.exit_code, found["right"], len(found["findings"])) == (0, True, 10)
    assert table.scan(TableName=stack.tables["orders"], Select="COUNT")["Count"] == before


def test_an_invalid_token_is_reported_and_ends_with_1(stack: Stack) -> None:
    command = ["smoke", "--port", str(stack.port), "--token", "none"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "answered 401, not 200" in done.stdout


def test_an_api_can_be_named_by_its_address_alone(stack: Stack) -> None:
    done = CliRunner().invoke(app, ["smoke", "--url", stack.api], env={"SPILLWAY_TOKEN": ""})
    assert "SPILLWAY_TOKEN" in done.stdout
