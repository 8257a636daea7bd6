"""Mutants of the service (spillway/prove/mutants), deployed over a running stack.

The control that runs with one must come to its accident, or the audit would not notice the real one
either.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator

from spillway.errors import SpillwayError
from spillway.prove.mutants.mutations import Mutant, Sources, TargetMissing, mutated
from spillway.prove.mutants.service import PACKAGE, sources
from spillway.run.stack import Stack

#: What callers call: see infra.constructs.release.
ALIAS = "live"


def plant(stack: Stack, mutants: Iterable[Mutant]) -> None:
    """Deploy the service with these mutations, as all of the stack's functions.

    Functions that run meanwhile finish with the code they began with. SpillwayError: the service
    has changed, and a mutant must follow.
    """
    try:
        code = zipped(mutated(mutants, sources()))
    except TargetMissing as missing:
        raise SpillwayError(str(missing)) from missing
    lambda_ = stack.client("lambda")
    for name in _function_names(lambda_):
        made = lambda_.update_function_code(FunctionName=name, ZipFile=code, Publish=True)
        lambda_.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=made["Version"])


def zipped(code: Sources) -> bytes:
    """The source as a function's code."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in code.items():
            archive.writestr(f"{PACKAGE}/{file}", text)
    return content.getvalue()


def _function_names(lambda_: object) -> Iterator[str]:
    paginator = lambda_.get_paginator("list_functions")  # type: ignore[attr-defined]
    for page in paginator.paginate():
        for function in page["Functions"]:
            # Only ours: the CDK may have helpers of its own among them.
            if function.get("Handler", "").startswith(f"{PACKAGE}.handlers."):
                yield function["FunctionName"]
