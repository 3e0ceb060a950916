"""Output of the demo to a person: a live table on a terminal, plain lines in a log."""

import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from consumer.demo.checks import Check
from consumer.demo.crowd import NAME, CrowdStanding
from consumer.demo.drift import NAME as DRIFT_NAME
from consumer.demo.drift import DriftStanding
from consumer.demo.state import DemoFailure, Look
from schemas.names import FailureType, StrategyName

_COLOURS: Final[Mapping[str, str]] = {
    "resolved": "green",
    "healing": "cyan",
    "pending": "cyan",
    "deferred": "yellow",
    "needs_person": "magenta",
    "given_up": "red",
}
_EVIDENCE_ON_A_LINE: Final = 110
_LOG_WIDTH: Final = 200
_DETAILS_OF_A_CHECK: Final = 10
_ROOM_FOR_DISPOSITIONS: Final = 190
_ROOM_FOR_STRATEGIES: Final = 180
_ROOM_FOR_DIAGNOSES: Final = 130
"""Columns of a terminal from which on the diagnosis and the attempts are told; below, the evidence has that room."""
_ROOM_FOR_CODES: Final = 100
NEXT: Final = (
    ("make dev", "the same world, kept running"),
    (".venv/bin/shw console --demo", "plans that wait for you, and each story"),
    ("docs/your-own-service.md", "your own service, healed in five minutes"),
)
"""What to do after the demo: a command or a page, and what it brings."""


class View:
    """Shows the failures' state as it changes, and messages on what happens."""

    def __init__(self, console: Console, live: Live | None) -> None:
        self._console = console
        self._live = live
        self._started = time.monotonic()
        self._last_states: dict[str, tuple[str, int, str]] = {}

    def say(self, line: str) -> None:
        """Print one message, with the elapsed time."""
        self._console.print(Text(f"{self._elapsed:5.1f} s  {line}"), soft_wrap=True)

    def show(self, look: Look) -> None:
        """Show the state of the failures; without a terminal, only of those that changed."""
        if self._live is not None:
            self._live.update(self._table(look), refresh=True)
            return
        for one in look.standings:
            now = (status_of(one), one.step, one.strategy)
            if self._last_states.get(one.name) != now:
                self._last_states[one.name] = now
                self.say(_line(one))

    def end(self, look: Look, checks: Iterable[Check], words: str) -> None:
        """Show the final table, the checks and the outcome."""
        if self._live is not None:
            self._live.update(Text(""), refresh=True)
            self._live.stop()
        self._console.print(self._table(look))
        for line in _repairs(look):
            self._console.print(Text(line), soft_wrap=True)
        for check in checks:
            self._console.print(Text.assemble(_mark(check), " ", check.name), soft_wrap=True)
            for detail in _first_details(check.details):
                self._console.print(Text(f"         {detail}"), soft_wrap=True)
        self._console.print(Text(words), style="bold", soft_wrap=True)
        self._console.print(Text("\nWhat to do next:"))
        for what, why in NEXT:
            self._console.print(Text.assemble(f"  {what:<31}", (why, "dim")), soft_wrap=True)

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _table(self, look: Look) -> Table:
        counts = _counts(look)
        caption = f"{counts} · {self._elapsed:.1f} s"
        table = Table(box=SIMPLE_HEAD, expand=True, pad_edge=False, caption=caption, caption_justify="left")
        of_attempt = *self._strategy("strategy"), *self._tries("attempts")
        for column in ("failure", *self._diagnosis("diagnosis"), *of_attempt, "result"):
            table.add_column(column, no_wrap=True)
        table.add_column("evidence", ratio=1, no_wrap=True, overflow="ellipsis")
        for one in look.standings:
            table.add_row(*self._row(one))
        if look.crowd.failures:
            table.add_row(*self._crowd_row(look.crowd))
        if look.drift.failures:
            table.add_row(*self._drift_row(look.drift))
        return table

    def _drift_row(self, drift: DriftStanding) -> Iterator[Text]:
        status = "resolved" if drift.healed else "pending"
        yield Text(DRIFT_NAME)
        yield from map(Text, self._diagnosis(FailureType.INVALID_SCHEMA))
        yield from map(Text, self._strategy(StrategyName.SCHEMA_AUTOFIX))
        yield from map(Text, self._tries(""))
        yield Text.assemble((f"{drift.resolved} of {drift.failures} resolved", _COLOURS[status]))
        yield Text("; ".join(f"producer drift: {one.fix}" for one in drift.found))

    def _crowd_row(self, crowd: CrowdStanding) -> Iterator[Text]:
        status = "resolved" if crowd.healed else "pending"
        yield Text(NAME)
        yield from map(Text, self._diagnosis(self._diagnosis_cell(crowd)))
        yield from map(Text, self._strategy(StrategyName.AUTO_RETRY))
        yield from map(Text, self._tries(f"<= {crowd.attempts}"))
        yield Text.assemble((f"{crowd.resolved:,} of {crowd.failures:,} resolved", _COLOURS[status]))
        yield Text("breaker open, one probe at a time" if crowd.is_open else "")

    def _strategy(self, name: str) -> tuple[str, ...]:
        """Return the strategy's cell; none on a terminal too narrow to leave room for the evidence."""
        return (name,) if self._console.width >= _ROOM_FOR_STRATEGIES else ()

    def _diagnosis(self, said: str) -> tuple[str, ...]:
        """Return the diagnosis' cell; likewise."""
        return (said,) if self._console.width >= _ROOM_FOR_DIAGNOSES else ()

    def _tries(self, said: str) -> tuple[str, ...]:
        """Return the cell of the attempts; likewise."""
        return (said,) if self._console.width >= _ROOM_FOR_DIAGNOSES else ()

    def _diagnosis_cell(self, one: DemoFailure | CrowdStanding) -> str:
        return _diagnosis(one) if self._console.width >= _ROOM_FOR_DISPOSITIONS else one.failure_type

    def _row(self, one: DemoFailure) -> Iterator[Text]:
        status = status_of(one)
        yield Text(one.name)
        yield from map(Text, self._diagnosis(self._diagnosis_cell(one)))
        yield from map(Text, self._strategy(one.strategy))
        yield from map(Text, self._tries(str(one.attempts)))
        code = f" {_code_or_result(one)}".rstrip() if self._console.width >= _ROOM_FOR_CODES else ""
        yield Text.assemble((status, _COLOURS.get(status, "")), code)
        yield Text(one.evidence)


@asynccontextmanager
async def open_view() -> AsyncIterator[View]:
    """Open the view: a live table where stdout is a terminal, else plain lines."""
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _LOG_WIDTH, highlight=False)
    live = Live(console=console, auto_refresh=False, transient=True) if terminal else None
    with live or nullcontext():
        yield View(console, live)


def status_of(standing: DemoFailure) -> str:
    """Return a failure's status for the table: one that has a claim is healing."""
    return "healing" if standing.healing else standing.status


def _diagnosis(one: DemoFailure | CrowdStanding) -> str:
    return f"{one.failure_type} / {one.disposition}" if one.failure_type else ""


def _code_or_result(one: DemoFailure) -> str:
    """Return the last attempt's code, or its result where it has none."""
    return "" if one.healing else one.code or one.result


def _repairs(look: Look) -> Iterator[str]:
    yield from (f"{one.name} was repaired by {one.patch}" for one in look.standings if one.patch)
    for found in look.drift.found:
        patch = f", as JSON Patch {json.dumps(found.patch)}" if found.patch else ""
        yield f"producer drift in {found.workflow_name}: {found.fix}{patch}"


def _line(one: DemoFailure) -> str:
    told = f"{status_of(one):13} {one.name}"
    if one.healing:
        return f"{told}: {_diagnosis(one)}, {one.strategy}"
    if not one.result:
        return told
    evidence = f" ({one.evidence[:_EVIDENCE_ON_A_LINE]})" if one.evidence else ""
    return f"{told}: {one.strategy} {one.result} {one.code}".rstrip() + evidence


def _counts(look: Look) -> str:
    words = ("healing", *(status for status in _COLOURS if status != "healing"))
    statuses = Counter(status_of(one) for one in look.standings)
    crowd, drift = look.crowd, look.drift
    statuses.update(
        resolved=crowd.resolved + drift.resolved,
        healing=crowd.healing,
        pending=crowd.failures - crowd.resolved - crowd.healing + drift.failures - drift.resolved,
    )
    told = [f"{statuses[word]:,} {word.replace('_', ' ')}" for word in words if statuses[word] > 0]
    return " · ".join([f"{len(look.standings) + crowd.failures + drift.failures:,} failures", *told])


def _first_details(details: Sequence[str]) -> Iterator[str]:
    yield from details[:_DETAILS_OF_A_CHECK]
    if len(details) > _DETAILS_OF_A_CHECK:
        yield f"and {len(details) - _DETAILS_OF_A_CHECK:,} more"


def _mark(check: Check) -> Text:
    return Text("  ok    ", style="green") if check.ok else Text("  FAILED", style="bold red")
