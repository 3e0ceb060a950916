"""Grafana's JSON of a page, built with its own SDK."""

import json
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import StackingMode
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    DashboardLinkType,
    DataSourceRef,
    GridPos,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.dashboard import Dashboard as DashboardModel

from dashboards.pages import ALL
from dashboards.panel import Kind, Page, Panel

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboards"
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOKS: Final = "https://example.org/self-healing-workflows/docs/operations.md"
"""Where the runbook is served; each deployment sets its own in the variable `runbooks`."""
ROW_HEIGHT: Final = 8
NUMBER_HEIGHT: Final = 5
MARKS: Final = (
    ("Deploys", "blue", "(count by (version) (shw_build_info)) unless (count by (version) (shw_build_info offset 2m))"),
    ("Starts", "semi-dark-blue", "sum by (instance) (changes(process_start_time_seconds[1m])) > 0"),
    ("Pauses", "orange", "max by (reach) (shw_pauses) > 0"),
    ("Catalog changes", "purple", "sum by (outcome) (increase(shw_catalog_reloads_total[1m])) > 0"),
)
"""Annotations of every page: name, colour and query."""


def to_json(page: Page) -> str:
    """Return the JSON that Grafana imports."""
    encoded: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(_build(page)))
    return json.dumps(encoded, indent=2, sort_keys=True) + "\n"


def _build(page: Page) -> DashboardModel:
    board = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.about)
        .tags(list(page.tags))
        .readonly()
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(dashboard.ConstantVariable("runbooks").label("Where docs/operations.md is").value(RUNBOOKS))
        .annotations([_mark(*mark) for mark in MARKS])
        .link(
            dashboard.DashboardLink("The other pages")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(list(page.tags))
            .as_dropdown(as_dropdown=True)
            .keep_time(keep_time=True)
        )
    )
    top, number = 0, 0
    for title, panels in page.rows:
        board = board.with_row(dashboard.Row(title).grid_pos(GridPos(x=0, y=top, h=1, w=24)))
        top, left, height = top + 1, 0, 0
        for panel in panels:
            if left + panel.width > 24:  # noqa: PLR2004 - the columns of a page
                top, left, height = top + height, 0, 0
            number += 1
            tall = NUMBER_HEIGHT if panel.kind is Kind.NUMBER else ROW_HEIGHT
            place = GridPos(x=left, y=top, w=panel.width, h=tall)
            board = board.with_panel(_panel(panel).id(number).grid_pos(place))
            left, height = left + panel.width, max(height, tall)
        top += height
    return board.build()


def _panel(panel: Panel) -> Any:  # noqa: ANN401 - the SDK's builders share no type
    if panel.kind is Kind.NUMBER:
        drawn: Any = stat.Panel()
    else:
        drawn = timeseries.Panel().fill_opacity(10).legend(common.VizLegendOptions().show_legend(show_legend=True))
        if panel.kind is Kind.STACKED:
            drawn = drawn.fill_opacity(40).stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    steps = [Threshold(value=None, color="green")]
    if panel.alarm_at is not None:
        steps.append(Threshold(value=panel.alarm_at, color="red"))
    drawn = (
        drawn.title(panel.title)
        .description(panel.do)
        .unit(panel.unit.value)
        .datasource(SOURCE)
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .links(
            [
                dashboard.DashboardLink("What to do")
                .type(DashboardLinkType.LINK)
                .url(f"${{runbooks:raw}}#{panel.runbook}")
                .target_blank(target_blank=True)
            ]
        )
    )
    for n, query in enumerate(panel.queries):
        drawn = drawn.with_target(
            prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id(chr(ord("A") + n))
        )
    return drawn


def _mark(name: str, color: str, expression: str) -> Any:  # noqa: ANN401 - as above
    mark = AnnotationQuery(name=name, datasource=SOURCE, enable=True, icon_color=color, expr=expression)

    class Built:
        def build(self) -> AnnotationQuery:
            return mark

    return Built()


def write(folder: Path = FOLDER) -> list[Path]:
    """Write the JSON of every page, and return what has changed."""
    changed = []
    for path, text in expected(folder).items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(path)
    return changed


def expected(folder: Path = FOLDER) -> dict[Path, str]:
    """Return each file and the text that it should have."""
    return {folder / f"{page.uid}.json": to_json(page) for page in ALL}
