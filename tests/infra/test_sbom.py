"""`make sbom` lists what ships to Lambda, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess

from infra.bundle import REQUIREMENTS, ROOT


def test_it_lists_every_library_of_the_bundle_with_its_hashes() -> None:
    subprocess.run(("/usr/bin/env", "make", "sbom"), cwd=ROOT, check=True, capture_output=True)
    listed = json.loads((ROOT / ".spillway" / "sbom.json").read_text())
    assert listed["bomFormat"] == "CycloneDX"
    assert listed["metadata"]["component"]["name"] == "spillway"
    shipped = dict(re.findall(r"^([\w.-]+)==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE))
    components = listed["components"]
    assert {component["name"]: component["version"] for component in components} == shipped
    for component in components:
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        assert any(reference["hashes"] for reference in component["externalReferences"])
