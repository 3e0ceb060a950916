"""Alerts and recording rules of deploy/prometheus: each fires on its fault, resolves, and has its runbook."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.alert_cases import CASES
from tests.support.alert_rules import ALERTS, PROMETHEUS, RECORDING, at_start, families_in, rules_of, write_tests
from tests.support.paths import ROOT
from tests.support.required_tools import require_tool

OPERATIONS: Final = (ROOT / "docs" / "operations.md").read_text()
RULES: Final = rules_of(ALERTS)
DECLARED: Final = {"shw_missing_context_total": {"source", "strategy", "field"}, "up": {"job", "instance"}}
"""Labels of series that no replica has at its start."""


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^a-z0-9_ -]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.needs_tool("promtool")
def test_each_alert_fires_on_its_fault_resolves_and_is_quiet_on_a_restart(tmp_path: Path) -> None:
    ran = subprocess.run(
        [require_tool("promtool"), "test", "rules", *map(str, write_tests(tmp_path))],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.needs_tool("promtool")
@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml"])
def test_the_configuration_is_one_that_prometheus_reads(name: str) -> None:
    checked = subprocess.run(
        [require_tool("promtool"), "check", "config", str(PROMETHEUS / name)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_has_its_case() -> None:
    assert {case.alert for case in CASES} == {rule["alert"] for rule in RULES}
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    page, _, section = rule["annotations"]["runbook"].partition("#")
    assert page == "docs/operations.md"
    assert section in anchors(OPERATIONS)
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert re.search(rf"^\| `{rule['alert']}` \|", OPERATIONS, re.MULTILINE), "it has no row in the table of alerts"


@pytest.mark.parametrize("rule", [*RULES, *rules_of(RECORDING)], ids=lambda rule: rule.get("alert", rule.get("record")))
def test_a_rule_names_what_a_replica_has(rule: dict[str, Any]) -> None:
    for family in families_in(rule["expr"]):
        assert family in at_start() or family in DECLARED, family
    for family, inner in re.findall(r"\b((?:shw|process)_[a-z_]+)\{([^}]*)\}", rule["expr"]):
        for label, operator, value in re.findall(r'([a-z_]+)(=~|!~|!=|=)"([^"]*)"', inner):
            if label == "job":
                continue
            values = set(re.findall(rf'{label}="([^"]*)"', " ".join(at_start()[family])))
            wanted = re.compile(value if "~" in operator else re.escape(value))
            assert any(wanted.fullmatch(one) for one in values), f"{family} has no {label} like {value}"


def test_an_alert_of_one_cause_silences_what_follows_from_it_and_names_no_other() -> None:
    known = {rule["alert"] for rule in RULES}
    manager = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())
    receivers = {one["name"] for one in manager["receivers"]}
    routes = [manager["route"], *manager["route"]["routes"]]
    assert {route["receiver"] for route in routes} == receivers
    for inhibited in manager["inhibit_rules"]:
        matchers = (*inhibited["source_matchers"], *inhibited["target_matchers"])
        for operator, pattern in re.findall(r'alertname (=~|!=|=) "([^"]+)"', " ".join(matchers)):
            for one in pattern.split("|"):
                assert any(re.fullmatch(one, name) for name in known), (operator, one)
