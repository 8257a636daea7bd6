"""The workflows: such as GitHub takes, of what a person runs, trusting nothing that changes."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from tests.needs import NEEDS

ROOT = Path(__file__).parents[2]
MARKS = (*NEEDS, "slow")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

#: The files that GitHub reads, by check-jsonschema's name for what they must be.
SCHEMAS = {
    "github-workflows": ".github/workflows/*.yml",
    "dependabot": ".github/dependabot.yml",
    "github-issue-forms": ".github/ISSUE_TEMPLATE/[bf]*.yml",
    "github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
}

every_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = msgspec.yaml.decode(workflow.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_github_would_take_them(schema: str) -> None:
    from check_jsonschema import main as check_jsonschema

    files = sorted(ROOT.glob(SCHEMAS[schema]))
    assert files
    done = CliRunner().invoke(
        check_jsonschema, ["--builtin-schema", f"vendor.{schema}", *map(str, files)]
    )
    assert done.exit_code == 0, done.output


@every_workflow
def test_every_action_is_pinned_by_its_commit_and_says_its_version(workflow: Path) -> None:
    used = re.findall(r"uses: (.*)", workflow.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@every_workflow
def test_a_workflow_may_read_the_code_and_nothing_else(workflow: Path) -> None:
    content = msgspec.yaml.decode(workflow.read_text())
    assert content["permissions"] == {"contents": "read"}
    for name, job in content["jobs"].items():
        allowed = {"contents": "read", "id-token": "write"} if name == "deploy" else None
        assert job.get("permissions") == allowed


@every_workflow
def test_nothing_from_outside_becomes_part_of_a_command(workflow: Path) -> None:
    assert not [step for step in steps(workflow) if "${{" in step.get("run", "")]


def test_no_secret_is_stored() -> None:
    """No key of AWS, and no customer's token: it would have expired by the next deployment."""
    text = "".join(path.read_text() for path in WORKFLOWS)
    assert not re.search("access-key|ACCESS_KEY|secret-access", text)
    assert not re.findall(r"secrets\.\w+", text)


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


def test_the_jobs_of_a_change_run_each_test_that_make_test_runs_and_none_twice() -> None:
    """Whichever marks a test has."""
    text = (ROOT / "Makefile").read_text() + (WORKFLOWS[0].parent / "check.yml").read_text()
    everything = re.findall(r"^MARKS \?= (.*)", text, re.MULTILINE)
    parts = [*re.findall(r"^FAST := (.*)", text, re.MULTILINE), *re.findall(r'MARKS="(.*?)"', text)]
    assert (len(everything), len(parts)) == (1, 3)
    for has in itertools.product((False, True), repeat=len(MARKS)):
        marks = dict(zip(MARKS, has, strict=True))
        chosen = [eval(part, {}, dict(marks)) for part in parts]  # noqa: S307 -- our own
        assert sum(chosen) == eval(everything[0], {}, marks)  # noqa: S307


def test_the_container_for_development_is_one_that_can_be_read() -> None:
    folder = ROOT / ".devcontainer"
    settings = json.loads((folder / "devcontainer.json").read_text())
    text = (folder / settings["build"]["dockerfile"]).read_text()
    version = (ROOT / ".python-version").read_text().strip()
    assert f"FROM python:{version}-" in text
    assert {"chromium-headless-shell", "firefox-esr", "mariadb-server", "make"} <= set(text.split())


def test_the_hooks_of_a_commit_are_commands_of_make_check() -> None:
    hooks = msgspec.yaml.decode((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    called = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in hooks}
    assert called == {"ruff", "mypy", "lint-imports"}
    checked = (ROOT / "Makefile").read_text().partition("check: install")[2].partition("\n\n")[0]
    assert all(f"$(BIN)/{command}" in checked for command in called)
