"""Whose account a command asks, and in which Region."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from spillway.errors import SpillwayError
from spillway.target.service import session_of, stacks_of


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.usefixtures("keys")
def test_the_region_is_the_one_that_the_cdk_deploys_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert session_of().region_name == "us-east-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert session_of().region_name == "eu-west-1"
    assert session_of(region="eu-central-1").region_name == "eu-central-1"


@pytest.mark.usefixtures("keys")
def test_without_a_region_it_says_how_to_choose_one() -> None:
    with pytest.raises(SpillwayError, match="`export AWS_REGION="):
        session_of()


def test_without_credentials_it_says_how_to_get_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with pytest.raises(SpillwayError, match="no AWS credentials"):
        session_of()
    with pytest.raises(SpillwayError, match="no AWS profile 'another-shop'"):
        session_of(profile="another-shop")


class ManyStacks:
    """CloudFormation of an account where two stages are deployed, one named like the other."""

    def describe_stacks(self, **asked: str) -> dict[str, list[dict[str, Any]]]:
        every = [{"StackName": f"spillway-{name}"} for name in ("dev-data", "dev-x-web")]
        found = [
            one for one in every if one["StackName"] == asked.get("StackName", one["StackName"])
        ]
        if not found:
            error: Any = {"Error": {"Code": "ValidationError", "Message": "does not exist"}}
            raise ClientError(error, "DescribeStacks")
        return {"Stacks": found}


def test_a_stage_has_no_stacks_of_another_whose_name_begins_like_its_own() -> None:
    assert stacks_of(ManyStacks(), "dev") == {"data": {"StackName": "spillway-dev-data"}}
    assert stacks_of(ManyStacks(), "dev-x") == {"web": {"StackName": "spillway-dev-x-web"}}
