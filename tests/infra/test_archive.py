"""The archive that plain CloudFormation deploys: docs/without-the-cdk.md."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import zipfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from infra import bundle
from infra.bundle import ROOT
from spillway.errors import SpillwayError
from spillway.operate.archive import BUCKET, PAGE, Files, files, tar
from spillway.run.storefront import site
from tests.infra.templates import Reviewed, Templates

each_stage = pytest.mark.parametrize("name", ["local", "dev", "prod", "unusual", "private"])


@pytest.fixture(scope="session")
def archive(every_stage: Reviewed) -> Files:
    return files(every_stage.assembly, stage="prod", version="1.2.3")


@pytest.fixture
def manifest(archive: Files) -> Any:
    return json.loads(archive["manifest.json"])


def described(archive: Files) -> dict[str, Any]:
    """The stacks by name, in the order of the manifest."""
    return {stack["name"]: stack for stack in json.loads(archive["manifest.json"])["stacks"]}


@each_stage
def test_templates_are_the_cdk_s_but_for_where_code_is_and_the_bootstrap(
    every_stage: Reviewed, name: str
) -> None:
    """So a stage goes from the one to the other, and nothing is replaced."""
    packed = files(every_stage.assembly, stage=name, version="1.2.3")
    stacks = described(packed)
    assert stacks.keys() == every_stage.stages[name].by_stack.keys()
    for stack, of_the_cdk in every_stage.stages[name].by_stack.items():
        expected, ours = deepcopy(dict(of_the_cdk)), json.loads(packed[stacks[stack]["template"]])
        parameters, rules = expected.pop("Parameters"), expected.pop("Rules")
        del parameters["BootstrapVersion"], rules["CheckBootstrapVersion"]
        assert rules == {}
        for resource in expected["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Function":
                resource["Properties"]["Code"]["S3Bucket"] = {"Ref": BUCKET}
                parameters[BUCKET] = ours["Parameters"][BUCKET]
        assert ours == expected | ({"Parameters": parameters} if parameters else {})
        assert stacks[stack]["parameters"] == sorted(parameters)
    assert [stack for stack in stacks if BUCKET in stacks[stack]["parameters"]] == [
        f"spillway-{name}-service"
    ]


@each_stage
def test_stacks_come_in_an_order_in_which_each_finds_what_it_refers_to(
    every_stage: Reviewed, name: str
) -> None:
    """The names of the files too, because a shell sorts them."""
    templates = every_stage.stages[name]
    stacks = described(files(every_stage.assembly, stage=name, version="1.2.3"))
    prefix = templates.stage.resource_name("")
    order = [stack.removeprefix(prefix) for stack in stacks]
    for stack, before, _ in templates.references():
        assert order.index(before) < order.index(stack)
    for stack, found in stacks.items():
        assert set(found["after"]) == {
            f"{prefix}{one}" for one in templates.after[stack.removeprefix(prefix)]
        }
    paths = [stack["template"] for stack in stacks.values()]
    assert paths == sorted(paths)
    assert [re.sub(r"^templates/\d-|\.json$", "", path) for path in paths] == list(stacks)


def test_the_manifest_says_what_the_cdk_does_outside_of_templates(
    archive: Files, prod: Templates
) -> None:
    stacks = described(archive)
    protected = {name for name, stack in stacks.items() if stack["termination_protection"]}
    assert protected == prod.protected != set()
    capable = {name for name, stack in stacks.items() if stack["capabilities"]}
    assert capable == {
        name
        for name, template in prod.by_stack.items()
        if "AWS::IAM::Role" in {one["Type"] for one in template["Resources"].values()}
    }
    # A role of a fixed name would need another capability.
    assert not [role for role in prod.resources("AWS::IAM::Role") if "RoleName" in role]


def test_all_code_that_templates_name_is_there(archive: Files, manifest: Any) -> None:
    text = "".join(archive[stack["template"]].decode() for stack in manifest["stacks"])
    keys = set(re.findall(r'"S3Key": "(.+?)"', text))
    assert keys == {asset["key"] for asset in manifest["assets"]["files"]}
    [asset] = manifest["assets"]["files"]
    built = bundle.build(bundle.LOCAL).path
    with zipfile.ZipFile(io.BytesIO(archive[asset["file"]])) as packed:
        assert {entry.filename: packed.read(entry) for entry in packed.infolist()} == {
            path.relative_to(built).as_posix(): path.read_bytes()
            for path in built.rglob("*")
            if path.is_file()
        }
        # Lambda runs as somebody else than whoever packed it.
        assert {entry.external_attr >> 16 for entry in packed.infolist()} == {0o644}


def test_the_storefront_is_the_published_one(archive: Files, manifest: Any) -> None:
    said = {file["key"]: file for file in manifest["storefront"]["files"]}
    [settings] = manifest["storefront"]["outputs"]
    for file in site.build({}):
        one = settings if file.key == settings["key"] else said.pop(file.key)
        assert (one["content_type"], one["cache_control"], one["metadata"]) == (
            file.media_type,
            file.cache_control,
            file.metadata,
        )
        if one is not settings:
            assert archive[one["file"]] == file.content
    assert said == {}


def test_each_file_has_a_place_to_go_or_is_for_people(archive: Files, manifest: Any) -> None:
    named = {
        *(stack["template"] for stack in manifest["stacks"]),
        *(file["file"] for part in ("assets", "storefront") for file in manifest[part]["files"]),
    }
    assert archive.keys() - named == {
        "README.md",
        "SHA256SUMS",
        "execution-policy.json",
        "manifest.json",
    }
    sums = dict(re.findall(r"^(\w{64})  (.+)$", archive["SHA256SUMS"].decode(), re.M))
    assert set(sums.values()) == archive.keys() - {"SHA256SUMS"}
    assert all(hashlib.sha256(archive[path]).hexdigest() == digest for digest, path in sums.items())


def test_the_page_in_it_has_every_command_and_no_link_to_what_is_not_there(archive: Files) -> None:
    page = archive["README.md"].decode()
    assert not re.findall(r"\]\((?!https?:)", page)
    assert re.findall("```.+?```", page, re.S) == re.findall("```.+?```", PAGE.read_text(), re.S)


def test_the_same_sources_make_the_same_bytes_at_any_time_on_any_disk(
    every_stage: Reviewed, archive: Files, tmp_path: Path
) -> None:
    copy = tmp_path / "assembly"
    # Without times and modes.
    shutil.copytree(every_stage.assembly, copy, copy_function=shutil.copyfile)
    again = files(copy, stage="prod", version="1.2.3")
    assert again == archive
    backwards = dict(sorted(again.items(), reverse=True))
    assert tar(backwards, folder="it") == tar(archive, folder="it")


def test_what_still_needs_the_bootstrap_is_not_packed(
    every_stage: Reviewed, tmp_path: Path
) -> None:
    copy = tmp_path / "assembly"
    shutil.copytree(every_stage.assembly, copy)
    path = copy / "spillway-prod-web.template.json"
    image = {"Fn::Sub": "${AWS::AccountId}.dkr.ecr/cdk-hnb659fds-container-assets"}
    path.write_text(json.dumps({**json.loads(path.read_text()), "Metadata": {"Image": image}}))
    with pytest.raises(SpillwayError, match=r"spillway-prod-web still needs the CDK's bootstrap"):
        files(copy, stage="prod", version="1.2.3")


def test_who_deploys_may_leave_the_tests_out(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "package-lock.json", "requirements/dev.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shown = subprocess.run(
        ("make", "--dry-run", "templates", "STAGE=dev"),  # noqa: S607
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr
    assert "npm" in shown.stdout
    assert "mysql" not in shown.stdout
