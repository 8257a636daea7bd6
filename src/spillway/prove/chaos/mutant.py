"""A mutant of the service (spillway/prove/mutants), deployed over a running stack for a while."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spillway.errors import SpillwayError
from spillway.prove.mutants.mutations import Mutant, Sources, TargetMissing, mutated
from spillway.prove.mutants.service import PACKAGE, descriptions, sources
from spillway.run.stack import Stack

#: What callers call: see infra.constructs.release.
ALIAS = "live"
#: Their names, in a page of functions: the CDK may have helpers of its own among them.
_OUR_FUNCTIONS = f"Functions[?Handler && starts_with(Handler, '{PACKAGE}.handlers.')].FunctionName"


@contextmanager
def deployed(stack: Stack, mutant: Mutant) -> Iterator[None]:
    """All of the stack's functions run the mutant during the block, afterwards their old version.

    Raises `SpillwayError` when the service has changed so that the mutant cannot be made.
    """
    try:
        code = mutated([mutant], sources())
    except TargetMissing as missing:
        raise SpillwayError(str(missing)) from missing
    with code_deployed(stack, code):
        yield


@contextmanager
def code_deployed(stack: Stack, code: Sources) -> Iterator[None]:
    """All of the stack's functions run this source during the block, afterwards their old version.

    Invocations that are under way finish with the code that they began with.
    """
    content = zipped(code)
    lambda_ = stack.client("lambda")
    before = {
        name: lambda_.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"]
        for name in lambda_.get_paginator("list_functions").paginate().search(_OUR_FUNCTIONS)
    }
    try:
        for name in before:
            made = lambda_.update_function_code(FunctionName=name, ZipFile=content, Publish=True)
            _point(lambda_, name, made["Version"])
        yield
    finally:
        for name, version in before.items():
            _point(lambda_, name, version)


def zipped(code: Sources) -> bytes:
    """The source as a function's code, with the files that it reads."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in {**code, **descriptions()}.items():
            archive.writestr(f"{PACKAGE}/{file}", text)
    return content.getvalue()


def _point(lambda_: Any, function: str, version: str) -> None:
    lambda_.update_alias(FunctionName=function, Name=ALIAS, FunctionVersion=version)
