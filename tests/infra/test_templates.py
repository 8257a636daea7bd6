"""The templates as others judge them: cfn-lint, and the page that lists all there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from infra.bundle import ROOT
from spillway.plan.docs import INVENTORY, inventory_page
from spillway.plan.templates import Templates as Read
from tests.infra.templates import Templates

#: The CDK names a dependency that a reference has made already. Nothing follows from it.
IGNORED = "W3005"


def lint(templates: dict[str, object], directory: Path) -> str:
    for name, template in templates.items():
        (directory / f"{name}.template.json").write_text(json.dumps(template))
    done = subprocess.run(  # noqa: S603 - the command is ours
        (
            *(
                sys.executable,
                "-c",
                "import sys; from cfnlint.runner import main; sys.exit(main())",
            ),
            *("--regions", "eu-west-1", "us-east-1"),
            *("--ignore-checks", IGNORED, "--", str(directory / "*.template.json")),
        ),
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_cfn_lint_has_nothing_to_say(
    local: Templates, dev: Templates, prod: Templates, tmp_path: Path
) -> None:
    github = msgspec.yaml.decode((ROOT / "infra" / "github-role.yaml").read_text())
    every = {**local.by_stack, **dev.by_stack, **prod.by_stack, "github-role": github}
    assert lint(dict(every), tmp_path) == ""


def test_cfn_lint_speaks_up_where_there_is_something_to_say(tmp_path: Path) -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": "soon"}}
    assert "E3012" in lint({"careless": {"Resources": {"Queue": queue}}}, tmp_path)


def test_the_page_lists_what_is_deployed(prod: Templates) -> None:
    assert INVENTORY.read_text() == inventory_page(Read(prod.by_stack)), "run: make docs"


def test_a_stage_can_be_in_two_regions_of_an_account(prod: Templates) -> None:
    """What they share has the Region in its name. All else is in a Region, or AWS names it."""
    named = [
        *prod.resources("AWS::CloudWatch::Dashboard"),
        *prod.resources("AWS::CloudFront::Function"),
        *(
            one[f"{type_}Config"]
            for type_ in ("OriginAccessControl", "ResponseHeadersPolicy")
            for one in prod.resources(f"AWS::CloudFront::{type_}")
        ),
    ]
    names = [one.get("DashboardName", one.get("Name")) for one in named]
    assert len(names) == 5
    assert all({"Ref": "AWS::Region"} in name["Fn::Join"][1] for name in names)
    assert not [role for role in prod.resources("AWS::IAM::Role") if "RoleName" in role]
    assert not [bucket for bucket in prod.resources("AWS::S3::Bucket") if "BucketName" in bucket]


@pytest.mark.parametrize("type_", ["AWS::DynamoDB::GlobalTable", "AWS::Lambda::Function"])
def test_no_resource_of_a_kind_is_left_out(prod: Templates, type_: str) -> None:
    [names] = re.findall(rf"^\| {type_} \| (.+?) \|", INVENTORY.read_text(), re.MULTILINE)
    assert len(names.split("<br>")) == len(prod.resources(type_))
