"""A page drawn as SVG from the answers to its own queries: what Grafana would show, without a Grafana."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from html import escape
from itertools import pairwise
from typing import Final

from dashboards.panel import Kind, Page, Panel, Query, Unit
from dashboards.prometheus import Prometheus, Series

WIDTH: Final = 1440
COLUMN: Final = WIDTH / 24
GAP: Final = 8
TALL: Final = 270
SHORT: Final = 120
PALETTE: Final = (
    "#3274d9", "#e0752d", "#299c46", "#b877d9", "#d44a3a", "#17a2b8", "#c9a400", "#8a8f98", "#ff7eb6", "#6f5aa8",
)  # fmt: skip
LEGEND_ROWS: Final = 5
STEPS: Final = 120
"""Points of a line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One drawn series."""

    name: str
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1] if self.points else math.nan


async def draw(page: Page, prometheus: Prometheus, start: float, end: float) -> str:
    """Ask each query of a page over a span of time, and draw the answers."""
    step = max(1.0, (end - start) / STEPS)
    answers = {
        panel.title: [
            line
            for query in panel.queries
            for line in lines(query, await prometheus.over_time(query.expression, start, end, step))
        ]
        for panel in page.panels
    }
    return to_svg(page, answers, start, end)


def lines(query: Query, answer: Sequence[Series]) -> Iterator[Line]:
    """Name each series of an answer by the query's legend; values that are no numbers are left out."""
    for series in answer:
        name = re.sub(r"\{\{(\w+)\}\}", partial(_label, series.labels), query.legend)
        yield Line(name, [point for point in series.points if math.isfinite(point[1])])


def _label(labels: Mapping[str, str], named: re.Match[str]) -> str:
    return labels.get(named[1], "") or "none"


def to_svg(page: Page, answers: Mapping[str, Sequence[Line]], start: float, end: float) -> str:
    """Draw a page."""
    parts, top = [], 70.0
    for title, panels in page.rows:
        parts.append(_text(GAP, top + 18, title, size=15, weight=600))
        top, left, height = top + 28, 0.0, 0.0
        for panel in panels:
            if left + panel.width > 24:  # noqa: PLR2004 - the columns of a page
                top, left, height = top + height + GAP, 0.0, 0.0
            tall = SHORT if panel.kind is Kind.NUMBER else TALL
            box = Box(left * COLUMN + GAP, top, panel.width * COLUMN - GAP, tall)
            parts += _panel(panel, answers.get(panel.title, ()), box, start, end)
            left, height = left + panel.width, max(height, tall)
        top += height + GAP
    when = f"{_clock(start)} to {_clock(end)} UTC"
    head = [
        _text(GAP, 30, page.title, size=22, weight=700),
        _text(GAP, 52, f"{page.about} {when}", size=13, fill="#6b7280"),
    ]
    body = "\n".join((*head, *parts))
    size = f'width="{WIDTH + GAP}" height="{top:.0f}" viewBox="0 0 {WIDTH + GAP} {top:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">\n'
        f'<rect width="100%" height="100%" fill="#f4f5f7"/>\n{body}\n</svg>\n'
    )


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the drawing."""

    left: float
    top: float
    width: float
    height: float


def _panel(panel: Panel, found: Sequence[Line], box: Box, start: float, end: float) -> Iterator[str]:
    yield (
        f'<rect x="{box.left:.0f}" y="{box.top:.0f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="4" '
        f'fill="#fff" stroke="#d8dbe0"><title>{escape(panel.do)} ({escape(panel.runbook)})</title></rect>'
    )
    yield _text(box.left + 10, box.top + 20, panel.title, size=13, weight=600)
    if panel.kind is Kind.NUMBER:
        value = sum(line.last for line in found if line.points) if found else math.nan
        if panel.unit is Unit.COUNT and math.isfinite(value):
            value = round(value)  # an increase is extrapolated: there is no third of a relapse
        red = panel.alarm_at is not None and value >= panel.alarm_at
        yield _text(
            box.left + 12,
            box.top + 78,
            shown(value, panel.unit),
            size=38,
            weight=700,
            fill="#c4162a" if red else "#1f7a3a",
        )
        return
    visible = sorted((line for line in found if line.points), key=lambda line: -max(v for _, v in line.points))
    if not visible:
        yield _text(box.left + box.width / 2 - 30, box.top + box.height / 2, "no data", size=13, fill="#9aa0a6")
        return
    rows = min(LEGEND_ROWS, math.ceil(len(visible) / 2))
    plot = Box(box.left + 62, box.top + 34, box.width - 76, box.height - 66 - 16 * rows)
    yield from _plot(panel, visible, plot, start, end)
    yield from _legend(panel, visible, box, plot)


def _plot(panel: Panel, found: Sequence[Line], plot: Box, start: float, end: float) -> Iterator[str]:
    drawn = _stacked(found) if panel.kind is Kind.STACKED else [(line, line.points) for line in found]
    values = [value for _, points in drawn for _, value in points]
    low, high = min(0.0, *values), max(*values, 0.0)
    if panel.unit is Unit.SWITCH:
        low, high = 0.0, 1.0
    if panel.alarm_at is not None and (high == 0 or high > panel.alarm_at / 3):
        high = max(high, panel.alarm_at * 1.05)
    ticks = [low, high] if panel.unit is Unit.SWITCH else _ticks(low, high if high > low else low + 1)
    low, high = ticks[0], ticks[-1]

    def at(point: tuple[float, float]) -> tuple[float, float]:
        return (
            plot.left + plot.width * (point[0] - start) / max(1.0, end - start),
            plot.top + plot.height * (1 - (point[1] - low) / (high - low)),
        )

    for tick in ticks:
        y = at((start, tick))[1]
        yield f'<path d="M{plot.left:.0f} {y:.1f}h{plot.width:.0f}" stroke="#e6e8eb"/>'
        yield _text(plot.left - 6, y + 4, shown(tick, panel.unit), size=10, fill="#6b7280", anchor="end")
    for n in range(4):
        moment = start + (end - start) * n / 3
        anchor = ("start", "middle", "middle", "end")[n]
        yield _text(
            at((moment, low))[0], plot.top + plot.height + 14, _clock(moment), size=10, fill="#6b7280", anchor=anchor
        )
    # What is stacked highest is drawn first, so that what lies below it stays visible.
    for n, (_, points) in reversed(list(enumerate(drawn))):
        colour = PALETTE[n % len(PALETTE)]
        path = " ".join(
            f"{letter}{x:.0f} {y:.1f}" for letter, (x, y) in ((letter, at(one)) for letter, one in _strokes(points))
        )
        if panel.kind is Kind.STACKED and len(points) > 1:
            foot = at((points[0][0], 0.0))[1]
            area = f"{path} L{at(points[-1])[0]:.1f} {foot:.1f} L{at(points[0])[0]:.1f} {foot:.1f}Z"
            yield f'<path d="{area}" fill="{colour}" stroke="none"/>'
        yield f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-linejoin="round"/>'
    if panel.alarm_at is not None and low <= panel.alarm_at <= high:
        y = at((start, panel.alarm_at))[1]
        yield f'<path d="M{plot.left:.0f} {y:.1f}h{plot.width:.0f}" stroke="#c4162a" stroke-dasharray="4 3"/>'


def _strokes(points: Sequence[tuple[float, float]]) -> Iterator[tuple[str, tuple[float, float]]]:
    """Return the points that a path needs, each with its letter: it breaks where a series was not scraped."""
    usual = min((later[0] - one[0] for one, later in pairwise(points)), default=0.0)
    for n, point in enumerate(points):
        if n == 0 or point[0] - points[n - 1][0] > 2.5 * usual:
            yield "M", point
        elif n + 1 == len(points) or not points[n - 1][1] == point[1] == points[n + 1][1]:
            yield "L", point


def _stacked(found: Sequence[Line]) -> list[tuple[Line, list[tuple[float, float]]]]:
    """Add each line to those below it, at each moment."""
    below: dict[float, float] = {}
    stacked = []
    for line in found:
        points = []
        for at, value in line.points:
            below[at] = below.get(at, 0.0) + value
            points.append((at, below[at]))
        stacked.append((line, points))
    return stacked


def _legend(panel: Panel, found: Sequence[Line], box: Box, plot: Box) -> Iterator[str]:
    top, half = plot.top + plot.height + 34, (box.width - 20) / 2
    fits = max(14, int(half / 5.5) - 10)
    for n, line in enumerate(found[: 2 * LEGEND_ROWS]):
        x, y = box.left + 10 + half * (n % 2), top + 16 * (n // 2)
        name = line.name if len(line.name) <= fits else line.name[: fits - 1] + "…"
        if n == 2 * LEGEND_ROWS - 1 and len(found) > 2 * LEGEND_ROWS:
            name = f"and {len(found) - n} more"
        yield f'<rect x="{x:.0f}" y="{y - 8:.0f}" width="12" height="4" fill="{PALETTE[n % len(PALETTE)]}"/>'
        yield _text(x + 18, y, f"{name}  {shown(line.last, panel.unit)}", size=11, fill="#374151")


def _ticks(low: float, high: float) -> list[float]:
    """Return four to seven round values that span a range."""
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [n * step for n in range(first, last + 1)]


def shown(value: float, unit: Unit) -> str:
    """Return a value as a person reads it, in its unit."""
    return "none" if math.isnan(value) else _SHOWN[unit](value)


def _count(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"  # noqa: PLR2004


def _switch(value: float) -> str:
    return {0.0: "no", 1.0: "yes"}.get(value, f"{value:.2g}")


def _seconds(value: float) -> str:
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.3g} s" if abs(value) >= 1 or value == 0 else f"{1000 * value:.3g} ms"


_SHOWN: Final[Mapping[Unit, Callable[[float], str]]] = {
    Unit.SHARE: lambda value: f"{100 * value:.3g} %",
    Unit.SECONDS: _seconds,
    Unit.BYTES: lambda value: f"{value / 2**20:,.0f} MiB",
    Unit.AUD: lambda value: f"A${value:,.2f}",
    Unit.PER_SECOND: lambda value: f"{value:.3g}/s",
    Unit.SWITCH: _switch,
    Unit.COUNT: _count,
}


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S")


def _text(
    x: float, y: float, text: str, *, size: int, weight: int = 400, fill: str = "#111827", anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
