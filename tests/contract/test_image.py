"""The image, compose and what they mount: linted, resolved, without rights; the inventory names every package."""

import importlib.util
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.paths import ROOT

IMAGE: Final = ROOT / "deploy" / "image"
CONTAINERFILE: Final = (IMAGE / "Containerfile").read_text()
COMPOSE: Final = ROOT / "compose.yaml"
TOOLS: Final = Path(sys.executable).parent


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_hadolint_finds_nothing() -> None:
    ran = subprocess.run([TOOLS / "hadolint", IMAGE / "Containerfile"], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_what_an_image_runs_has_no_rights_and_says_whether_it_is_well() -> None:
    stages = dict(re.findall(r"^FROM (\S+) AS (\S+)$", CONTAINERFILE, re.MULTILINE))
    assert list(stages.values())[-1] == "core", "it is built where no target is named"
    runtime = CONTAINERFILE.partition("AS runtime")[2]
    assert "USER 10001:10001" in runtime
    assert "HEALTHCHECK" in runtime
    # OCI's format, the default of podman and buildah, has none: the image would be built without it.
    for place in ("deploy/image/build.sh", "deploy/image/Containerfile", "docs/deploy.md"):
        for command in re.findall(r"(?:podman build|buildah bud) .*", (ROOT / place).read_text()):
            assert "--format docker" in command, place
    assert "ensurepip" not in runtime
    assert CONTAINERFILE.count("--require-hashes") == CONTAINERFILE.count(".lock \\") + CONTAINERFILE.count(".lock\n")
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.MULTILINE):
        assert all((ROOT / one).exists() for one in copied.split()), copied


@pytest.mark.parametrize(
    ("given", "tags"),
    [
        ([], ["localhost/self-healing-workflows:0.1.0"]),
        (["--target", "media"], ["localhost/self-healing-workflows:0.1.0-media"]),
        (["--target=media", "--build-arg", "a=b"], ["localhost/self-healing-workflows:0.1.0-media"]),
        (["--target", "media", "--tag", "own:1"], ["own:1"]),
        (["-t", "own:1", "--tag=own:2"], ["own:1", "own:2"]),
    ],
)
def test_what_is_built_moves_no_tag_of_another_target(given: list[str], tags: list[str], tmp_path: Path) -> None:
    buildah = tmp_path / "buildah"
    buildah.write_text(f'#!/bin/sh\n[ "$1" = bud ] || exit 0\nprintf "%s\\n" "$@" > {tmp_path / "said"}\n')
    buildah.chmod(0o755)
    subprocess.run([IMAGE / "build.sh", *given], check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    said = (tmp_path / "said").read_text().splitlines()
    after = [word for before, word in itertools.pairwise(said) if before in {"--tag", "-t"}]
    assert sorted(after + [word.removeprefix("--tag=") for word in said if word.startswith("--tag=")]) == tags
    for word in given:
        assert word in said
    assert said[-1] == "."


def test_the_locks_of_the_image_hold_what_the_project_asks_for() -> None:
    core, media = (_locked(name) for name in ("requirements.lock", "requirements-media.lock"))
    assert core.keys() <= media.keys()
    assert {"av", "pillow"} <= media.keys()


def _locked(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)", (ROOT / name).read_text(), re.MULTILINE))


def test_the_inventory_names_every_package_with_its_licence(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("inventory", IMAGE / "inventory.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path)
    bom = json.loads((tmp_path / "sbom.cdx.json").read_text())
    listed = {part["name"]: part for part in bom["components"]}
    assert {"aiokafka", "asyncpg", "self-healing-workflows"} <= listed.keys()
    assert "pip" not in listed
    assert listed["self-healing-workflows"]["licenses"] == [{"license": {"name": "Apache-2.0"}}]
    lines = (tmp_path / "licences.txt").read_text().splitlines()
    assert len(lines) == len(listed)
    assert not [
        line for line in lines if re.search(r"\bAGPL|\bGPL-[23]", line) and line.startswith(("aiokafka", "asyncpg"))
    ]


def test_compose_is_one_that_compose_reads() -> None:
    ran = subprocess.run(
        [TOOLS / "docker-compose", "-f", COMPOSE, "config", "-q"], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("name", sorted(services()))
def test_a_service_of_compose_is_pinned_and_mounts_what_is_there(name: str) -> None:
    service = services()[name]
    assert re.search(r":v?\d", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        assert not source.startswith("./") or (ROOT / source).exists(), source
        assert not source.startswith("./") or volume.endswith(":ro")


def test_compose_runs_two_replicas_without_rights_after_the_migrations() -> None:
    consumer = services()["consumer"]
    assert consumer["deploy"]["replicas"] == 2
    assert (consumer["read_only"], consumer["cap_drop"]) == (True, ["ALL"])
    assert consumer["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert {"prometheus", "alertmanager", "grafana", "kafka", "postgres"} <= services().keys()
