"""The first deployment's page: what stays, what is counted, and what nobody may use."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from infra.bundle import AWS
from infra.stage import STACKS, Recreated, load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "first-deployment.md").read_text()
INVENTORY = (ROOT / "docs" / "production-inventory.md").read_text()
AFTER_DESTROY = "Both tables, the two overflow queues, the user pool and three buckets stay."


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_what_stays_when_all_is_destroyed_is_what_the_templates_keep() -> None:
    kept: dict[str, list[str]] = {}
    # Of each stack.
    for type_, names in re.findall(r"^\| AWS::(\S+) \| (\S+) \| kept \|$", INVENTORY, re.M):
        kept.setdefault(type_, []).extend(names.split("<br>"))
    assert {type_: len(names) for type_, names in kept.items()} == {
        "DynamoDB::GlobalTable": 2,
        "SQS::Queue": 2,
        "Cognito::UserPool": 1,
        "S3::Bucket": 3,
    }
    assert all("-overflow" in name for name in kept["SQS::Queue"])
    assert AFTER_DESTROY in section("Destroy, and deploy again")


def test_every_stack_that_can_be_counted_is_named() -> None:
    again = section("Destroy, and deploy again")
    for name in msgspec.structs.fields(Recreated):
        assert f"`{name.name}`" in again or f"\n  {name.name} = 1" in again, name.name
        assert name.name in STACKS


def test_its_commands_name_what_the_stage_has() -> None:
    steps = section("From nothing to a store")
    assert f"`.venv/bin/uv python install {AWS.python_version}`" in steps
    assert f"--group-name {load('dev').orders.wholesale_group}\n" in steps


def test_every_stack_in_a_command_is_one_there_is() -> None:
    commands = re.findall(r"(?:destroy|import|--stack-name) ((?:spillway-dev-\w+ ?)+)", PAGE)
    named = {name.removeprefix("spillway-dev-") for found in commands for name in found.split()}
    assert named == {"web", "operations", "service", "data", "identity"}


def test_what_only_an_account_can_tell_says_what_to_do_what_to_see_and_what_else() -> None:
    table = section("What only an account can tell")
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", table, re.M)[2:]
    assert len(rows) == table.count("\n| ") - 2 > 0
    assert all(len(cell) > 5 for row in rows for cell in row)


def test_nothing_reverts_drift_which_would_replace_what_did_not_change() -> None:
    used = [ROOT / "Makefile", *(ROOT / ".github" / "workflows").glob("*.yml")]
    assert not [path for path in used if "revert-drift" in path.read_text()]
    assert "Never use `cdk deploy --revert-drift`" in section("When a deployment fails")
