"""Deploying: what is kept, and what is said when it fails."""

import json
import re
import shutil
from pathlib import Path

import pytest

from spillway.errors import SpillwayError
from spillway.run.stack.assembly import assembly
from spillway.run.stack.cdk import cdk
from spillway.run.stack.deployment import bootstrap, deploy
from spillway.run.stack.emulator import emulator


def test_the_error_for_a_missing_cdk_names_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(SpillwayError, match=r"CDK command line is not installed: run `make inst"):
        cdk(["--version"], folder=tmp_path, package=tmp_path / "node_modules" / "aws-cdk")


def test_the_cdk_runs_without_a_node_of_the_machines_own(
    cdk_library: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert cdk(["--version"], folder=tmp_path) == 0

    assert (tmp_path / "cdk.log").read_text().startswith("2.")


@pytest.mark.usefixtures("own_stacks")
@pytest.mark.timeout(600)
class TestDeployment:
    def test_the_same_sources_are_synthesised_once(self, tmp_path: Path) -> None:
        first = assembly(tmp_path)
        again = tmp_path / "again"
        again.mkdir()

        assert assembly(again) == first

        assert (first / "manifest.json").exists()
        assert not (again / "cdk.log").exists()

    def test_the_synthesis_is_silent_but_for_the_command_line_s_own_words(
        self, tmp_path: Path
    ) -> None:
        said = (assembly(tmp_path) / "cdk.log").read_text()

        own = r"Successfully synthesized to \S+\nSupply a stack id \(spillway-local-data, .+\) .+\n"
        assert re.fullmatch(own, said), said

    @pytest.mark.parametrize(
        ("impossible", "reason"),
        [
            (
                {
                    "Type": "AWS::SSM::Parameter",  # one of this name is there since the bootstrap
                    "Properties": {
                        "Name": "/cdk-bootstrap/hnb659fds/version",
                        "Type": "String",
                        "Value": "1",
                    },
                },
                "Impossible in spillway-local-data: ",
            ),
            ({"Type": "AWS::No::Such"}, "ValidationError: Template format error: "),
        ],
        ids=["a resource that cannot be made", "a template that is not taken"],
    )
    def test_the_error_for_a_failure_has_its_reason_and_its_log(
        self, tmp_path: Path, impossible: dict[str, object], reason: str
    ) -> None:
        broken = tmp_path / "assembly"
        shutil.copytree(assembly(tmp_path), broken)
        template = broken / "spillway-local-data.template.json"
        content = json.loads(template.read_text())
        content["Resources"]["Impossible"] = impossible
        template.write_text(json.dumps(content))

        with emulator(tmp_path) as running:
            bootstrap(running.url)
            with pytest.raises(SpillwayError) as failure:
                deploy(broken, endpoint=running.url, parameters={}, folder=tmp_path)

        message = str(failure.value)
        assert message.startswith(f"The deployment failed: {reason}")
        assert message.endswith(f". The CDK's log is {tmp_path / 'cdk.log'}.")
        assert "\n" not in message
