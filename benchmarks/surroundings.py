"""What a deployed function finds around it: its bundle and its environment, as synthesised."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from infra import bundle
from spillway.run.stack.assembly import assembly

#: The bundle of AWS, libraries trimmed and all, but for the Python and the machine that measure.
HERE = bundle.Target("here", requirements=True)

_CREDENTIALS = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
}


@cache
def bundled() -> Path:
    return bundle.build(HERE).path


@cache
def environments() -> Mapping[str, Mapping[str, str]]:
    """Each function's environment by its name without the stage, from the local stage's template.

    What only a deployment knows stands there as an address that leads nowhere.
    """
    with tempfile.TemporaryDirectory() as folder:
        [template] = assembly(Path(folder)).glob("*-service.template.json")
        resources = json.loads(template.read_text())["Resources"].values()
    return {
        found["FunctionName"].removeprefix("spillway-local-"): _CREDENTIALS
        | {
            name: value if isinstance(value, str) else f"https://nowhere.invalid/{name}"
            for name, value in found["Environment"]["Variables"].items()
        }
        for found in (
            resource["Properties"]
            for resource in resources
            if resource["Type"] == "AWS::Lambda::Function"
        )
    }
