"""What a dashboard consists of, independent of what draws it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

RATE_WINDOW: Final = "$__rate_interval"
"""Grafana's variable for the window of a rate; whoever draws without Grafana puts a span in its place."""


class Kind(StrEnum):
    """How a panel draws its series."""

    LINES = "lines"  # one line a series, over time
    STACKED = "stacked"  # the same, one upon the other: parts of a whole
    NUMBER = "number"  # the newest value, large


class Unit(StrEnum):
    """Unit of a panel's values, by Grafana's name for it."""

    COUNT = "short"
    SHARE = "percentunit"
    SECONDS = "s"
    PER_SECOND = "ops"
    BYTES = "bytes"
    AUD = "currencyAUD"
    SWITCH = "bool"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    expression: str
    legend: str = ""
    """`{{label}}` stands for the series' own label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One drawing."""

    title: str
    queries: tuple[Query, ...]
    do: str
    """What to do when it looks wrong."""
    runbook: str
    """Its section of docs/operations.md."""
    unit: Unit = Unit.COUNT
    kind: Kind = Kind.LINES
    width: int = 8
    """Of the 24 columns of a page."""
    alarm_at: float | None = None
    """Value from which on it is red."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One dashboard."""

    uid: str
    title: str
    about: str
    """For whom it is, and what it answers."""
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    tags: tuple[str, ...] = field(default=("self-healing-workflows",))

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels in their order."""
        return tuple(panel for _, panels in self.rows for panel in panels)


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Return the rate of a counter, summed by labels."""
    return f"sum{f' by ({by}) ' if by else ''}(rate({metric}{{{where}}}[{RATE_WINDOW}]))".replace("{}", "")


def increase(metric: str, window: str, by: str = "", where: str = "") -> str:
    """Return how much a counter has risen within a window, summed by labels."""
    return f"sum{f' by ({by}) ' if by else ''}(increase({metric}{{{where}}}[{window}]))".replace("{}", "")


def quantile(share: float, histogram: str, by: str = "", where: str = "") -> str:
    """Return a quantile of a histogram, by labels."""
    inner = f"rate({histogram}_bucket{{{where}}}[{RATE_WINDOW}])".replace("{}", "")
    return f"histogram_quantile({share}, sum by (le{', ' if by else ''}{by}) ({inner}))"
