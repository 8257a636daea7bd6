"""Synthesises stages with the CDK. Importing this module starts Node, so only tests marked `cdk`
do, and in their functions."""

from __future__ import annotations

import json
from pathlib import Path

from infra import bundle  # first: it says which Node the CDK's library runs on
from infra.app import add_stacks
from infra.stage import Stage
from tests.infra.templates import CONTEXT, Reviewed, Templates

# isort: split
from aws_cdk import App, Validations
from aws_cdk.cx_api import CloudAssembly, CloudFormationStackArtifact
from cdk_nag import AwsSolutionsChecks


def app_of(*stages: Stage, directory: Path) -> App:
    """An app as `cdk` would run it, for several stages, with this machine's bundle as code."""
    app = App(outdir=str(directory), context=CONTEXT, analytics_reporting=False)
    code = bundle.build(bundle.LOCAL).path
    for stage in stages:
        add_stacks(app, stage=stage, code=code)
    return app


def reviewed(*stages: Stage, directory: Path) -> Reviewed:
    """The stages in one app: synthesis takes seconds, however many they are."""
    app = app_of(*stages, directory=directory)
    Validations.of(app).add_plugins(AwsSolutionsChecks())
    assembly = app.synth()  # raises for an error; warnings stand in the report
    report = json.loads((directory / "validation-report.json").read_text())
    return Reviewed(
        {
            stage.name: Templates(
                stage,
                {stack.stack_name: stack.template for stack in stacks},
                {stack.stack_name for stack in stacks if stack.termination_protection},
                {_short(stage, stack): _before(stage, stack) for stack in stacks},
            )
            for stage in stages
            for stacks in [_stacks_of(stage, assembly)]
        },
        report["pluginReports"],
        directory,
    )


def _before(stage: Stage, stack: CloudFormationStackArtifact) -> set[str]:
    return {
        _short(stage, needed)
        for needed in stack.dependencies
        if isinstance(needed, CloudFormationStackArtifact)
    }


def _short(stage: Stage, stack: CloudFormationStackArtifact) -> str:
    return stack.stack_name.removeprefix(stage.resource_name(""))


def _stacks_of(stage: Stage, assembly: CloudAssembly) -> list[CloudFormationStackArtifact]:
    prefix = stage.resource_name("")
    return [stack for stack in assembly.stacks if stack.stack_name.startswith(prefix)]
