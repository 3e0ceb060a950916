"""What a scenario leaves behind: a table with bars, and a line of JSON for each run."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from rich.table import Table

from consumer.local.progress import to_stderr

OUT: Final = Path(".local/bench")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Where the lines of one call of the benchmark go, with the facts that stand in each."""

    facts: Mapping[str, object]
    scenario: str

    def line(self, **told: object) -> None:
        """Append a line, and say it."""
        line = orjson.dumps({"scenario": self.scenario, **self.facts, **told})
        OUT.mkdir(parents=True, exist_ok=True)
        with (OUT / "runs.jsonl").open("ab") as lines:
            lines.write(line + b"\n")
        to_stderr(orjson.dumps({"scenario": self.scenario, **told}).decode())


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Lay out a table: the first column is text, the others are figures."""
    drawn = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        drawn.add_column(column, justify="right" if number else "left")
    for row in rows:
        drawn.add_row(*row)
    return drawn


def at_least(value: float, bar: float, unit: str = "x") -> str:
    """Judge a value that must not be below its bar."""
    return f">= {bar:g}{unit} {'met' if value >= bar else 'MISSED'}"


def at_most(value: float, bar: float, unit: str = "") -> str:
    """Judge a value that must not be above its bar."""
    return f"<= {bar:g}{unit} {'met' if value <= bar else 'MISSED'}"


def median(values: Sequence[float]) -> float:
    """Give the median; 0 of nothing."""
    return statistics.median(values) if values else 0.0


def percentile(values: Sequence[float], part: float) -> float:
    """Give the smallest value that at least this part of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * part) - 1)] if ordered else 0.0
