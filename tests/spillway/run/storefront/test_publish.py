"""`spillway publish`, as a person runs it: with AWS settings of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

from infra.bundle import ROOT
from spillway.errors import SpillwayError
from spillway.run.stack import Stack
from spillway.run.stack.processes import own_environment


def publish(stack: Stack, stage: str) -> subprocess.CompletedProcess[str]:
    """With the emulator for AWS."""
    return subprocess.run(  # noqa: S603 - the command is ours
        (str(Path(sys.executable).with_name("spillway")), "publish", "--stage", stage, "--json"),
        cwd=ROOT,
        env={**own_environment(), "AWS_ENDPOINT_URL": stack.emulator, "HOME": os.devnull},
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_missing_stage_is_one_clear_error(stack: Stack) -> None:
    done = publish(stack, "moon")
    assert done.returncode == SpillwayError.exit_code
    [sentence] = done.stderr.strip().splitlines()
    assert "moon" in sentence


def test_it_uploads_the_site_again_and_customers_have_it_at_once(stack: Stack) -> None:
    s3 = stack.client("s3")
    [bucket] = [found["Name"] for found in s3.list_buckets()["Buckets"] if "-web-" in found["Name"]]
    settings = s3.get_object(Bucket=bucket, Key="config.json")["Body"].read()
    s3.put_object(Bucket=bucket, Key="basket.html", Body=b"an old page")
    try:
        done = publish(stack, "local")
    finally:
        # On AWS the issuer is where it says; the tests beside this one need the emulator's.
        s3.put_object(
            Bucket=bucket, Key="config.json", Body=settings, ContentType="application/json"
        )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["address"].startswith("https://")
    assert printed["files"] > 30
    page = httpx.get(f"{stack.origin}/basket", trust_env=False)
    assert "<h1>Your basket</h1>" in page.text
    assert page.headers["cache-control"] == "no-cache"
