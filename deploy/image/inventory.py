"""Write what an environment consists of, by its packages' own metadata: `sbom.cdx.json`, `licences.txt`."""

import json
import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

TOOLS = {"pip", "setuptools", "wheel"}
"""What installs, and is taken out before the image is done."""


def licence_of(one: Distribution) -> str:
    """Return a package's licence as it states it: expression, classifier or words; "not stated" where it says none."""
    told = one.metadata
    if expression := told.get("License-Expression"):
        return str(expression)
    classifiers = [entry for entry in told.get_all("Classifier") or () if entry.startswith("License ::")]
    if classifiers:
        return " and ".join(entry.rpartition(" :: ")[2] for entry in classifiers)
    words = str(told.get("License") or "").strip()
    return words.splitlines()[0][:100] if words else "not stated"


def component(one: Distribution) -> dict[str, Any]:
    """Return a package as CycloneDX describes it."""
    name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{one.version}",
        "name": name,
        "version": one.version,
        "purl": f"pkg:pypi/{name}@{one.version}",
        "licenses": [{"license": {"name": licence_of(one)}}],
    }


def inventory() -> list[dict[str, Any]]:
    """Return all packages of this environment, by name."""
    found = {entry["name"]: entry for entry in map(component, distributions()) if entry["name"] not in TOOLS}
    return [found[name] for name in sorted(found)]


def main(folder: Path) -> None:
    """Write both files."""
    parts = inventory()
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": parts}
    (folder / "sbom.cdx.json").write_text(json.dumps(bom, indent=2) + "\n")
    lines = [f"{part['name']} {part['version']}: {part['licenses'][0]['license']['name']}" for part in parts]
    (folder / "licences.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
