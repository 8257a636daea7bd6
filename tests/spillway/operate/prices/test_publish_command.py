"""`spillway prices` on a stage: a book is published, looked into, corrected and taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from spillway.cli import app
from spillway.errors import SpillwayError
from spillway.run.stack.aws import client
from spillway.run.stack.processes import EMULATOR_ONLY, REGION
from spillway.target.service import QUEUES, outputs_of
from tests.spillway.price_book.files import written

STAGE = ["--stage", "test", "--region", REGION]


@pytest.fixture
def stage(emulated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage whose data stack has empty buckets for prices and pages, and nothing else that is
    real."""
    names = [
        f"{name.capitalize()}{kind}" for name in QUEUES for kind in ("Queue", "DeadLetterQueue")
    ]
    outputs: dict[str, Any] = {
        **{f"{name}Url": {"Value": "none"} for name in (*names, "RelayDeadLetterQueue")},
        "PricesBucketName": {"Value": {"Ref": "Prices"}},
        "SiteBucketName": {"Value": {"Ref": "Site"}},
    }
    template = {
        "Resources": {name: {"Type": "AWS::S3::Bucket"} for name in ("Prices", "Site")},
        "Outputs": outputs,
    }
    cloudformation = client(emulated, "cloudformation")
    cloudformation.delete_stack(StackName="spillway-test-data")
    cloudformation.create_stack(StackName="spillway-test-data", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="spillway-test-data", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    for name, value in {**EMULATOR_ONLY, "AWS_ENDPOINT_URL": emulated}.items():
        monkeypatch.setenv(name, value)


def prices(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["prices", *map(str, arguments), *STAGE])


def answer(*arguments: object) -> dict[str, Any]:
    done = prices(*arguments, "--json")
    assert done.exit_code == 0, (done.stderr, done.exception)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def site_bucket(emulated: str) -> str:
    stacks = client(emulated, "cloudformation").describe_stacks(StackName="spillway-test-data")
    outputs = stacks["Stacks"][0]["Outputs"]
    [found] = [one["OutputValue"] for one in outputs if one["OutputKey"] == "SiteBucketName"]
    return str(found)


def public(emulated: str) -> object:
    """What the storefront shows that a mug costs now."""
    s3, site = client(emulated, "s3"), site_bucket(emulated)
    listed = json.loads(s3.get_object(Bucket=site, Key="prices.json")["Body"].read())
    key = listed["books"][0]["catalogue"].lstrip("/")
    goods = json.loads(s3.get_object(Bucket=site, Key=key)["Body"].read())["goods"]
    return goods[0]["prices"]["retail GBP"]


def test_a_book_is_published_corrected_and_taken_back(
    emulated: str, stage: None, tmp_path: Path
) -> None:
    assert "No price book" in prices("history").stdout
    tried = answer("publish", written(tmp_path), "--dry-run")
    assert (tried["published"], tried["changes"]["first"]) == (False, True)
    assert answer("history") == {"books": []}

    first = answer("publish", written(tmp_path))
    assert first["published"]
    # A price with a digit too few: asked about, then published all the same.
    wrong = written(tmp_path, ("14.00", "1.40"))
    refused = prices("publish", wrong)
    assert isinstance(refused.exception, SpillwayError)
    assert "14.00 → 1.40" in refused.stdout
    assert len(answer("history")["books"]) == 1
    assert public(emulated) == 1_400
    second = answer("publish", wrong, "--yes", "--at-once")
    assert public(emulated) == 140
    assert second["suspicions"]

    shown = answer("show", "MUG-SAGE", "--coupon", "WELCOME10")
    assert shown["in_force"]["version"] == second["version"]
    assert shown["in_force"]["found"]["MUG-SAGE"]["prices"]["retail GBP"] == 140
    assert shown["in_force"]["coupon"]["rate"] == 125_000
    unknown = prices("show", "JUG")
    assert "JUG" in str(unknown.exception)

    back = answer("publish", "--rollback", first["version"], "--at-once")
    assert back["back_to"] == first["version"]
    assert public(emulated) == 1_400
    assert (
        answer("show", "MUG-SAGE")["in_force"]["found"]["MUG-SAGE"]["prices"]["retail GBP"] == 1_400
    )
    books = answer("history")["books"]
    assert [book["in_force"] for book in books].count(True) == 1
    assert all(book["by"] for book in books)


def test_what_people_read_names_what_scripts_read(
    emulated: str, stage: None, tmp_path: Path
) -> None:
    published = prices("publish", written(tmp_path))
    assert published.exit_code == 0, published.exception
    version = published.stdout.rpartition("Published as ")[2].strip(". \n")
    assert version in prices("history").stdout
    for facts, arguments in (
        (["7.00, from 48 6.50", "case"], ["MUG-SAGE"]),
        (["12.5 % off", "20.00 GBP"], ["--coupon", "WELCOME10"]),
        (["retail GBP, wholesale GBP", "WELCOME10"], []),
    ):
        shown = prices("show", *arguments).stdout
        assert all(fact in shown for fact in facts), shown
    # The storefront is repaired where its publisher got no further.
    client(emulated, "s3").delete_object(Bucket=site_bucket(emulated), Key="prices.json")
    again = prices("publish", written(tmp_path))
    assert public(emulated) == 1_400
    assert (again.exit_code, "nothing is to be published" in again.stdout) == (0, True)


def test_a_stage_is_not_mixed_up_with_one_whose_name_begins_like_its_own(
    emulated: str, stage: None
) -> None:
    template = {
        "Resources": {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
        "Outputs": {"OfTheOther": {"Value": "none"}},
    }
    cloudformation = client(emulated, "cloudformation")
    cloudformation.create_stack(StackName="spillway-test-x-data", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="spillway-test-x-data", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    assert "PricesBucketName" in outputs_of("test", profile=None, region=REGION)
    assert "OfTheOther" not in outputs_of("test", profile=None, region=REGION)
    assert outputs_of("test-x", profile=None, region=REGION) == {"OfTheOther": "none"}


def test_a_stage_without_a_bucket_for_prices_is_told_so(
    emulated: str, stage: None, tmp_path: Path
) -> None:
    client(emulated, "cloudformation").delete_stack(StackName="spillway-test-data")
    done = prices("history")
    assert isinstance(done.exception, SpillwayError)
