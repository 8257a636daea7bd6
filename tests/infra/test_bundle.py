"""The Lambda bundle."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from infra import bundle
from infra.bundle import AWS, LOCAL, SERVICES, BundleError, Target, build
from orders.downstream.description import DESCRIPTIONS
from tests.needs import starts

HOST = Target("host", requirements=True)
HANDLERS = ("deliver", "intake", "reads", "relay")

IMPORT_FROM_BUNDLE = """
import sys
sys.path.insert(0, sys.argv[1])
from importlib import import_module
assert callable(import_module(sys.argv[2]).handler)
strangers = [
    module.__file__ for module in sys.modules.values()
    if "site-packages" in (getattr(module, "__file__", None) or "")
]
assert not strangers, strangers
import botocore.session
for service in sys.argv[3].split(","):
    botocore.session.get_session().create_client(service, region_name="eu-west-1")
"""


@pytest.fixture(scope="module")
@starts("cdk")
def installs() -> None:
    """For tests that install the functions' libraries, as a deployment does."""


@pytest.fixture(scope="module")
def host(installs: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle as for AWS, for this machine."""
    return build(HOST, bundles=tmp_path_factory.mktemp("bundles")).path


def contents(directory: Path) -> dict[str, tuple[bytes, float]]:
    return {
        path.relative_to(directory).as_posix(): (path.read_bytes(), path.stat().st_mtime)
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_two_builds_are_the_same_byte_for_byte(host: Path, tmp_path: Path) -> None:
    assert contents(build(HOST, bundles=tmp_path).path) == contents(host)


def test_a_second_build_of_the_same_content_is_the_first(tmp_path: Path) -> None:
    first = build(LOCAL, bundles=tmp_path).path
    made_at = first.stat().st_ctime_ns
    assert build(LOCAL, bundles=tmp_path).path == first
    assert first.stat().st_ctime_ns == made_at
    assert list(tmp_path.iterdir()) == [first]


def test_the_local_bundle_is_the_service_alone_with_its_bytecode(tmp_path: Path) -> None:
    built = build(LOCAL, bundles=tmp_path)
    assert built.compiled
    sources = {
        f"orders/{path.relative_to(bundle.SOURCE).as_posix()}"
        for path in bundle.SOURCE.rglob("*.py")
    }
    descriptions = {
        f"orders/downstream/descriptions/{path.stem}.json" for path in DESCRIPTIONS.glob("*.toml")
    }
    tag = sys.implementation.cache_tag
    bytecode = {
        f"{name.rpartition('/')[0]}/__pycache__/{Path(name).stem}.{tag}.pyc" for name in sources
    }
    assert set(contents(built.path)) == sources | bytecode | descriptions


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_and_its_clients_need_nothing_but_the_bundle(host: Path, handler: str) -> None:
    services = ",".join(sorted(SERVICES))
    done = subprocess.run(  # noqa: S603 - the command is ours
        (
            *(sys.executable, "-I", "-S", "-c", IMPORT_FROM_BUNDLE),
            *(str(host), f"orders.handlers.{handler}", services),
        ),
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


ENDPOINTS = """
import json, sys
if sys.argv[1]:
    sys.path.insert(0, sys.argv[1])
import botocore.session
session = botocore.session.get_session()
regions = {
    region
    for partition in session.get_available_partitions()
    for region in session.get_available_regions("dynamodb", partition)
} | {"aws-global", "eu-neverland-1"}
found = {}
for service in sys.argv[2].split(","):
    for region in sorted(regions):
        client = session.create_client(
            service, region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
        )
        found[f"{service} in {region}"] = client.meta.endpoint_url
    found[service] = sorted(client.meta.service_model.operation_names)
print(json.dumps(found))
"""


def test_what_was_cut_from_botocore_changes_no_endpoint_and_no_operation(host: Path) -> None:
    cut, whole = (
        subprocess.run(  # noqa: S603 - the command is ours
            [sys.executable, "-I", "-c", ENDPOINTS, path, ",".join(SERVICES)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for path in (str(host), "")
    )
    assert json.loads(cut) == json.loads(whole)
    assert len(json.loads(whole)) > 100


def test_of_botocore_s_service_models_only_ours_are_shipped(host: Path) -> None:
    data = host / "botocore" / "data"
    assert {path.name for path in data.iterdir() if path.is_dir()} == SERVICES


def test_the_bundle_for_aws_has_lambda_s_own_wheels(installs: None) -> None:
    built = build(AWS, allow_uncompiled=True)
    extensions = [path.name for path in built.path.rglob("*.so")]
    assert extensions
    assert all(name.endswith(".cpython-313-aarch64-linux-gnu.so") for name in extensions)


def test_without_a_python_to_compile_with_nothing_is_built_unless_that_is_allowed(
    tmp_path: Path,
) -> None:
    """Else a deployment from another machine makes eight new versions, at half the speed."""
    moon = replace(LOCAL, python_version="3.99")
    # From the clone's folder, as all of README's commands are run: nothing else need be installed.
    fetch = r"`\.venv/bin/uv python install 3\.99`"
    with pytest.raises(BundleError, match=rf"^There is no Python 3\.99 .*{fetch}"):
        build(moon, bundles=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not build(moon, bundles=tmp_path, allow_uncompiled=True).compiled


def test_a_failed_installation_says_why_and_leaves_nothing_behind(
    installs: None, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match=r"Could not install the functions' libraries: .*moon"):
        build(replace(HOST, python_platform="moon"), bundles=tmp_path)
    assert list(tmp_path.iterdir()) == []
