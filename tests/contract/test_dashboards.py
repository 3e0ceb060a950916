"""Grafana's dashboards: they are generated, the SDK reads back what was written, and every metric is drawn."""

import json
import re
import subprocess
import sys
from typing import Any, Final

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.grafana import FOLDER, MARKS, expected
from dashboards.pages import ALL
from dashboards.panel import Page, Panel
from dashboards.picture import Line, to_svg
from tests.contract.test_alerts import OPERATIONS, anchors
from tests.support.alert_rules import ALERTS, RECORDING, at_start, families_in, rules_of
from tests.support.metric_names import CONTRACT, PROCESS
from tests.support.paths import ROOT

PANELS: Final = [(page, panel) for page in ALL for panel in page.panels]
NAMES: Final = [f"{page.uid}: {panel.title}" for page, panel in PANELS]


def test_the_generated_dashboards_are_up_to_date() -> None:
    assert {path: path.read_text() for path in FOLDER.glob("*.json")} == expected()
    checked = subprocess.run(
        [sys.executable, "-m", "dashboards", "--check"], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.uid)
def test_a_dashboard_round_trips_through_the_sdk(page: Page) -> None:
    """The SDK drops a key that Grafana does not know, and raises for a value of a wrong type."""
    written = json.loads((FOLDER / f"{page.uid}.json").read_text())
    assert json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(written))) == written
    drawn = [panel for panel in written["panels"] if panel["type"] != "row"]
    assert [panel["title"] for panel in drawn] == [panel.title for panel in page.panels]
    assert all(panel["description"] and panel["links"][0]["url"].startswith("${runbooks:raw}#") for panel in drawn)
    assert {mark["name"] for mark in written["annotations"]["list"]} == {name for name, _, _ in MARKS}
    assert not _overlapping(drawn)


def _overlapping(panels: list[dict[str, Any]]) -> list[tuple[str, str]]:
    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        return {(at.get("x", 0) + n, at["y"] + m) for n in range(at["w"]) for m in range(at["h"])}

    return [
        (one["title"], other["title"])
        for n, one in enumerate(panels)
        for other in panels[:n]
        if cells(one) & cells(other) or max(x for x, _ in cells(one)) > 23
    ]


@pytest.mark.parametrize(("page", "panel"), PANELS, ids=NAMES)
def test_a_panel_says_what_to_do_and_names_what_there_is(page: Page, panel: Panel) -> None:  # noqa: ARG001 - its name
    assert panel.do.endswith(".")
    assert panel.runbook in anchors(OPERATIONS)
    recorded = {rule["record"] for rule in rules_of(RECORDING)}
    for query in panel.queries:
        assert set(re.findall(r"shw:[a-z0-9_:]+", query.expression)) <= recorded
        for family in families_in(query.expression):
            assert family in at_start() or family.removesuffix("_bucket") in CONTRACT, family
        for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
            assert label in ("instance", "version", "python") or label in _labels_of(query.expression), label


def _labels_of(expression: str) -> set[str]:
    recorded = {rule["record"]: rule["expr"] for rule in rules_of(RECORDING)}
    for name in re.findall(r"shw:[a-z0-9_:]+", expression):
        expression += recorded[name]
    return {label.strip() for by in re.findall(r"by \(([^)]*)\)", expression) for label in by.split(",")}


def test_every_metric_stands_in_a_dashboard_or_an_alert() -> None:
    drawn = {family for _, panel in PANELS for query in panel.queries for family in families_in(query.expression)}
    watched = {family for rule in rules_of(ALERTS) for family in families_in(rule["expr"])}
    named = {re.sub(r"_(bucket|sum|count)$", "", family) for family in drawn | watched}
    assert not (CONTRACT.keys() | PROCESS) - named


def test_every_metric_that_a_dashboard_does_not_draw_is_none() -> None:
    drawn = {family for _, panel in PANELS for query in panel.queries for family in families_in(query.expression)}
    undrawn = CONTRACT.keys() - {re.sub(r"_(bucket|sum|count)$", "", family) for family in drawn}
    assert not undrawn


def test_provisioning_finds_the_dashboards() -> None:
    provisioning = FOLDER.parent / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    [provider] = yaml.safe_load((provisioning / "dashboards" / "self-healing-workflows.yml").read_text())["providers"]
    assert (source["type"], provider["type"]) == ("prometheus", "file")


def test_each_page_has_its_picture_in_the_docs_with_every_panel_filled() -> None:
    for page in ALL:
        picture = (ROOT / "docs" / "dashboards" / f"{page.uid}.svg").read_text()
        assert f"dashboards/{page.uid}.svg" in OPERATIONS
        # What no rule knows is for the agent to heal, and the demo has none.
        assert picture.count(">no data<") == (1 if page.uid == "shw-type-unknown" else 0), page.uid
        assert all(panel.title.replace("'", "&#x27;") in picture for panel in page.panels), page.uid


def test_a_picture_draws_what_was_answered() -> None:
    page = ALL[0]
    points = [(0.0, 0.0), (60.0, 5.0), (120.0, 2.0)]
    answers = {panel.title: [Line("a <b>", points), Line("gone", [])] for panel in page.panels}
    drawn = to_svg(page, answers, 0.0, 120.0)
    assert "a &lt;b&gt;" in drawn
    assert ">no data<" not in drawn
    assert to_svg(page, {}, 0.0, 120.0).count(">no data<") == sum(panel.kind != "number" for panel in page.panels)
