"""A stage's CloudFormation templates, synthesised here: nothing is deployed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spillway.errors import SpillwayError

Template = Mapping[str, Any]


def synthesised(stage: str) -> dict[str, Template]:
    """Templates by the stacks' names. Takes some seconds.

    Raises SpillwayError when there is no such stage.
    """
    from infra import bundle  # first: it says which Node the CDK's library runs on
    from infra.app import add_stacks
    from infra.stage import StageError, load

    # isort: split
    from aws_cdk import App

    context = json.loads((bundle.ROOT / "cdk.json").read_text())["context"]
    with tempfile.TemporaryDirectory() as folder:
        app = App(outdir=f"{folder}/out", context=context, analytics_reporting=False)
        # The functions' code does not matter here, so any folder will do.
        code = Path(folder, "code")
        code.mkdir()
        (code / "empty.py").touch()
        try:
            add_stacks(app, stage=load(stage), code=code)
        except StageError as error:
            raise SpillwayError(str(error)) from error
        return {stack.stack_name: stack.template for stack in app.synth().stacks}


def resources(
    templates: Mapping[str, Template], *types: str
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Each resource of these types, or of all: its stack, its logical id, and the resource."""
    for stack, template in templates.items():
        for logical_id, found in template["Resources"].items():
            if not types or found["Type"] in types:
                yield stack, logical_id, found


def properties(templates: Mapping[str, Template], *types: str) -> Iterator[Mapping[str, Any]]:
    """The properties of each resource of these types."""
    return (found["Properties"] for _, _, found in resources(templates, *types))
