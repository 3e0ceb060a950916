"""deploy/kubernetes: valid by the cluster's own schemas, held to our policies, and built by kustomize."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from consumer.settings import Settings
from tests.support.paths import ROOT

KUBERNETES: Final = ROOT / "deploy" / "kubernetes"
OVERLAYS: Final = sorted((KUBERNETES / "overlays").iterdir())
VERSION: Final = "1.32"
OTHERS: Final = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "Kustomization"}
"""Kinds of other projects, of which the cluster's schemas say nothing."""
BASE: Final = [path for path in sorted((KUBERNETES / "base").glob("*.yaml")) if path.name != "kustomization.yaml"]


def documents(paths: list[Path]) -> list[dict[str, Any]]:
    return [document for path in paths for document in yaml.safe_load_all(path.read_text())]


def built(overlay: Path) -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is missing: no kustomize to build the overlays with")
    ran = subprocess.run([kubectl, "kustomize", str(overlay)], check=False, capture_output=True, text=True)
    if "unknown field" in ran.stderr or "invalid Kustomization" in ran.stderr:
        pytest.skip(f"kubectl is too old for these overlays: {ran.stderr.strip()[-200:]}")
    assert ran.returncode == 0, ran.stderr
    assert "deprecated" not in ran.stderr
    return list(yaml.safe_load_all(ran.stdout))


def of_kind(found: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [one for one in found if one["kind"] in kinds]


def pods(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in of_kind(found, "Deployment", "Job"):
        yield one["spec"]["template"]["spec"]


def assert_valid(found: list[dict[str, Any]]) -> None:
    for one in found:
        if one["kind"] not in OTHERS:
            kubernetes_validate.validate(one, VERSION, strict=True)


def test_every_object_is_valid_by_the_clusters_schemas() -> None:
    assert_valid(documents(BASE))
    for overlay in OVERLAYS:
        assert_valid(
            documents([path for path in overlay.glob("*.yaml") if path.stem not in ("kustomization", "catalog")])
        )


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_an_overlay_is_built_whole(overlay: Path) -> None:
    found = built(overlay)
    assert_valid(found)
    assert_keeps_the_policies(found)
    assert {one["metadata"].get("namespace") for one in found} == {"self-healing-workflows"}
    [deployment] = of_kind(found, "Deployment")
    [scaler] = of_kind(found, "ScaledObject", "HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    pod = deployment["spec"]["template"]
    for one in of_kind(found, "PodDisruptionBudget", "Service", "ServiceMonitor"):
        selector = one["spec"]["selector"]
        wanted = selector.get("matchLabels", selector)
        labels = pod["metadata"]["labels"] if one["kind"] != "ServiceMonitor" else _labels_of(found, "Service")
        assert wanted.items() <= labels.items(), one["kind"]
    maps = {one["metadata"]["name"] for one in of_kind(found, "ConfigMap")}
    named = {
        source["configMapRef"]["name"]
        for c in pod["spec"]["containers"]
        for source in c["envFrom"]
        if "configMapRef" in source
    }
    mounted = {volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume}
    assert named | mounted == maps
    assert "self-healing-workflows-catalog" in maps, "a hash in its name would restart every pod for a new catalog"


def _labels_of(found: list[dict[str, Any]], kind: str) -> dict[str, str]:
    [one] = of_kind(found, kind)
    labels: dict[str, str] = one["metadata"]["labels"]
    return labels


def test_the_policies_hold_for_the_base() -> None:
    assert_keeps_the_policies(documents(BASE))


def assert_keeps_the_policies(found: list[dict[str, Any]]) -> None:
    assert not of_kind(found, "Secret"), "secrets are referred to"
    assert of_kind(found, "NetworkPolicy")
    assert of_kind(found, "PodDisruptionBudget")
    for pod in pods(found):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert all("hostPath" not in volume for volume in pod["volumes"])
        for container in pod["containers"]:
            own = container["securityContext"]
            assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
            assert own["capabilities"] == {"drop": ["ALL"]}
            for bound in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][bound].keys()
            assert re.search(r":\d", container["image"]), "an image is pinned to a version"
            for variable in container.get("env", ()):
                assert "value" not in variable or not re.search("DSN|SECRET|PASSWORD", variable["name"])


def test_the_deployment_probes_what_the_service_serves_and_is_given_its_time_to_drain() -> None:
    [deployment] = of_kind(documents(BASE), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    assert pod["terminationGracePeriodSeconds"] >= Settings().drain.total_seconds() + 5
    assert {one["topologyKey"] for one in pod["topologySpreadConstraints"]} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_keda_scales_by_lag_and_by_what_is_due_and_never_beyond_the_partitions() -> None:
    found = documents([KUBERNETES / "overlays" / "keda" / "scaledobject.yaml"])
    [scaled] = of_kind(found, "ScaledObject")
    kafka, due = scaled["spec"]["triggers"]
    settings = Settings().kafka
    assert (kafka["type"], due["type"]) == ("kafka", "prometheus")
    assert kafka["metadata"]["excludePersistentLag"] == "true"
    assert (kafka["metadata"]["topic"], kafka["metadata"]["consumerGroup"]) == (
        settings.failures_topic,
        settings.group_id,
    )
    assert "allowIdleConsumers" not in kafka["metadata"]
    partitions = re.search(r"shw topics --partitions (\d+)", (ROOT / "docs" / "operations.md").read_text())
    assert partitions is not None
    assert scaled["spec"]["maxReplicaCount"] == int(partitions[1])
    assert "shw_open_failures" in due["metadata"]["query"]


def test_the_settings_of_an_overlay_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for overlay in OVERLAYS:
        for line in (overlay / "settings.env").read_text().splitlines():
            monkeypatch.setenv(*line.split("=", 1))
    monkeypatch.setenv("SHW_KAFKA__SASL_USERNAME", "shw")
    monkeypatch.setenv("SHW_KAFKA__SASL_PASSWORD", "not-a-secret")
    assert Settings().kafka.security_protocol == "SASL_SSL"
