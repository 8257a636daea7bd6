"""The workflows: such as GitHub takes, of what a person runs, trusting nothing that changes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

every_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def test_github_would_take_them() -> None:
    done = subprocess.run(  # noqa: S603 - the command is ours
        (
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)),
        ),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@every_workflow
def test_every_action_is_pinned_by_its_commit_and_says_its_version(workflow: Path) -> None:
    used = re.findall(r"uses: (.*)", workflow.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@every_workflow
def test_a_workflow_may_read_the_code_and_nothing_else(workflow: Path) -> None:
    content = yaml.safe_load(workflow.read_text())
    assert content["permissions"] == {"contents": "read"}
    for name, job in content["jobs"].items():
        allowed = {"contents": "read", "id-token": "write"} if name == "deploy" else None
        assert job.get("permissions") == allowed


@every_workflow
def test_nothing_from_outside_becomes_part_of_a_command(workflow: Path) -> None:
    assert not [step for step in steps(workflow) if "${{" in step.get("run", "")]


def test_no_key_of_aws_is_stored() -> None:
    text = "".join(path.read_text() for path in WORKFLOWS)
    assert not re.search("access-key|ACCESS_KEY|secret-access", text)
    assert set(re.findall(r"secrets\.(\w+)", text)) == {"SMOKE_TOKEN"}


@every_workflow
def test_every_command_is_one_that_a_person_can_run(workflow: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for step in steps(workflow):
        command = step.get("run")
        if command is not None:
            made = re.match(r"make ([a-z-]+)", command)
            known = (".venv/bin/spillway ", "sudo apt-get ")
            assert made is not None or command.startswith(known)
            assert made is None or made[1] in targets


def test_the_stages_that_can_be_deployed_are_those_there_are() -> None:
    deploy = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
    [options] = re.findall(r"options: \[(.*)\]", deploy)
    known = {path.stem for path in (ROOT / "infra" / "stages").glob("*.toml")} - {"local"}
    assert set(options.split(", ")) == known
