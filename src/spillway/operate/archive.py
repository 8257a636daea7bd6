"""A stage for those who deploy with plain CloudFormation: docs/without-the-cdk.md.

`make templates STAGE=dev` synthesises the stage and runs this module, with the stage's name and the
folder of the synthesised templates. It writes `dist/spillway-<version>-<stage>.tar.gz`.

The templates are the CDK's own, changed in two places. Code comes from a bucket that a parameter
names, not from the bootstrap's, and the bootstrap's version is not asked for. A second synthesis
with another synthesiser would not do: the name of a function's version is a digest of the
function's properties, where its code is among them, so a stage that changes from the CDK to plain
CloudFormation would make new versions of what did not change.

The bytes depend on the sources, on the Python that compiled the functions' code and on the zlib
that packs them: on nothing else of the machine, and on no clock.
"""

import gzip
import hashlib
import io
import json
import re
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from infra.bundle import MODIFIED_AT
from infra.stage import STACKS
from spillway.errors import SpillwayError
from spillway.paths import PROJECT
from spillway.run.storefront import site

#: The templates' parameter: the bucket that the files of `assets/` are in.
BUCKET = "AssetsBucket"
PAGE = PROJECT / "docs" / "without-the-cdk.md"
#: Its key in the site's bucket is the web stack's output of this name: it is known only then.
_SETTINGS = "config.json"
_SETTINGS_OUTPUT = "StorefrontSettings"
_PARAMETER = {
    "Type": "String",
    "MinLength": 3,
    "Description": "The bucket in this Region that the archive's assets were copied to",
}
_FILE_MODE = 0o644
_UNIX = 3  # what made a zip, so that its files have modes

Files = dict[str, bytes]
"""Contents by path."""


def main() -> None:
    stage, assembly = sys.argv[1:]
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    name = f"spillway-{version}-{stage}"
    try:
        packed = tar(files(Path(assembly), stage=stage, version=version), folder=name)
    except SpillwayError as error:
        sys.exit(str(error))
    path = PROJECT / "dist" / f"{name}.tar.gz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(packed)
    digest = hashlib.sha256(packed).hexdigest()
    sys.stdout.write(f"Wrote {path.relative_to(PROJECT)}, SHA-256 {digest}.\n")


def files(assembly: Path, *, stage: str, version: str) -> Files:
    """What is in the archive of the stage that `assembly` was synthesised for."""
    stacks = list(_stacks(assembly, stage))
    paths = {one.name: f"templates/{at}-{one.name}.json" for at, one in enumerate(stacks, 1)}
    assets = {key: content for one in stacks for key, content in _assets(one, assembly)}
    pages = [file for file in site.build({}) if file.key != _SETTINGS]
    packed = {
        **{paths[one.name]: _json(one.template) for one in stacks},
        **{f"assets/{key}": content for key, content in assets.items()},
        **{f"storefront/{page.key}": page.content for page in pages},
        "README.md": _without_links(PAGE.read_text()).encode(),
        "execution-policy.json": (PROJECT / "infra" / "execution-policy.json").read_bytes(),
    }
    web = f"spillway-{stage}-web"
    settings = site.File(_SETTINGS, b"", site.ASK_AGAIN)
    packed["manifest.json"] = _json(
        {
            "version": version,
            "stage": stage,
            "stacks": [
                {
                    "name": one.name,
                    "template": paths[one.name],
                    "after": one.after,
                    "parameters": sorted(one.template.get("Parameters", ())),
                    "capabilities": ["CAPABILITY_IAM"] if one.has_roles else [],
                    "termination_protection": one.protected,
                }
                for one in stacks
            ],
            "assets": {
                "bucket": {"parameter": BUCKET},
                "files": [{"file": f"assets/{key}", "key": key} for key in assets],
            },
            "storefront": {
                "bucket": {"stack": web, "output": "SiteBucketName"},
                "files": [{"file": f"storefront/{page.key}", **_served(page)} for page in pages],
                "outputs": [{"stack": web, "output": _SETTINGS_OUTPUT, **_served(settings)}],
            },
        }
    )
    sums = [f"{hashlib.sha256(packed[path]).hexdigest()}  {path}\n" for path in sorted(packed)]
    packed["SHA256SUMS"] = "".join(sums).encode()
    return packed


@dataclass(frozen=True)
class _Stack:
    """`after` are those that are deployed before it. `files` is what its template is deployed
    with, as the CDK's asset manifest has it: the template itself is among them."""

    name: str
    template: dict[str, Any]
    after: list[str]
    protected: bool
    files: list[dict[str, Any]]

    @property
    def has_roles(self) -> bool:
        resources = self.template["Resources"].values()
        return any(resource["Type"] == "AWS::IAM::Role" for resource in resources)


def _stacks(assembly: Path, stage: str) -> Iterator[_Stack]:
    """The stage's stacks in the order of their deployment."""
    names = {f"spillway-{stage}-{stack}" for stack in STACKS}
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    after = {
        name: [before for before in artifact["dependencies"] if before in names]
        for name, artifact in artifacts.items()
        if name in names
    }
    for name in TopologicalSorter(after).static_order():
        properties = artifacts[name]["properties"]
        template = json.loads((assembly / properties["templateFile"]).read_text())
        manifest = json.loads((assembly / f"{name}.assets.json").read_text())
        described = list(manifest["files"].values())
        yield _Stack(
            name=name,
            template=_for_any_account(template, name, described),
            after=after[name],
            protected=properties["terminationProtection"],
            files=described,
        )


def _for_any_account(
    template: dict[str, Any], name: str, files: list[dict[str, Any]]
) -> dict[str, Any]:
    """The template with `BUCKET`, and without the bootstrap."""
    del template["Parameters"]["BootstrapVersion"], template["Rules"]["CheckBootstrapVersion"]
    buckets = [
        {"Fn::Sub": destination["bucketName"]}
        for file in files
        for destination in file["destinations"].values()
    ]
    located: dict[str, Any] = _replaced(template, buckets, {"Ref": BUCKET})
    if located != template:
        located["Parameters"][BUCKET] = _PARAMETER
    if re.search("hnb659fds|cdk-bootstrap", json.dumps(located)):
        raise SpillwayError(
            f"The template of {name} still needs the CDK's bootstrap: tell"
            " src/spillway/operate/archive.py how it is done without."
        )
    return {section: content for section, content in located.items() if content}


def _replaced(value: Any, old: list[Any], new: Any) -> Any:
    """`value` with `new` wherever one of `old` is in it."""
    if value in old:
        return new
    if isinstance(value, dict):
        return {name: _replaced(inner, old, new) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, old, new) for inner in value]
    return value


def _assets(stack: _Stack, assembly: Path) -> Iterator[tuple[str, bytes]]:
    """Keys and contents of all that the template refers to."""
    for file in stack.files:
        source = assembly / file["source"]["path"]
        if source.name.endswith(".template.json"):
            continue
        for destination in file["destinations"].values():
            packed = file["source"]["packaging"] == "zip"
            yield destination["objectKey"], _zip(source) if packed else source.read_bytes()


def _zip(folder: Path) -> bytes:
    """As Lambda takes it. The same files make the same bytes, whatever their times and modes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
            entry.create_system, entry.external_attr = _UNIX, _FILE_MODE << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def tar(contents: Mapping[str, bytes], *, folder: str) -> bytes:
    """The files below `folder`, compressed. The same contents make the same bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(contents):
            entry = tarfile.TarInfo(f"{folder}/{path}")
            entry.size, entry.mode, entry.mtime = len(contents[path]), _FILE_MODE, MODIFIED_AT
            archive.addfile(entry, io.BytesIO(contents[path]))
    return gzip.compress(packed.getvalue(), mtime=0)


def _served(file: site.File) -> dict[str, Any]:
    """Its key in the bucket, and the headers that it is answered with."""
    return {
        "key": file.key,
        "content_type": file.media_type,
        "cache_control": file.cache_control,
        "metadata": file.metadata,
    }


def _without_links(page: str) -> str:
    """The page for those who have the archive and nothing beside it."""
    return re.sub(r"\[([^\]]+)\]\((?!http)[^)]+\)", r"\1", page)


def _json(content: object) -> bytes:
    return f"{json.dumps(content, indent=1, ensure_ascii=False)}\n".encode()


if __name__ == "__main__":
    main()
