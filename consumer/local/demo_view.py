"""What a person sees of the demo: a live table on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from consumer.local.demo_checks import Check
from consumer.local.demo_state import Standing

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
_ROOM_FOR_DISPOSITIONS: Final = 160
_ROOM_FOR_STRATEGIES: Final = 120


class View:
    """Shows standings as they change; says what happens meanwhile."""

    def __init__(self, console: Console, live: Live | None) -> None:
        self._console = console
        self._live = live
        self._started = time.monotonic()
        self._told: dict[str, tuple[str, int, str]] = {}

    def say(self, line: str) -> None:
        """Tell one thing that happened."""
        self._console.print(Text(f"{self._elapsed:5.1f} s  {line}"), soft_wrap=True)

    def show(self, standings: Sequence[Standing]) -> None:
        """Show where the failures stand; without a terminal, those that have moved."""
        if self._live is not None:
            self._live.update(self._table(standings), refresh=True)
            return
        for one in standings:
            now = (status_of(one), one.step, one.strategy)
            if self._told.get(one.name) != now:
                self._told[one.name] = now
                self.say(_line(one))

    def end(self, standings: Sequence[Standing], checks: Iterable[Check], words: str) -> None:
        """Show the final table, what was checked, and the outcome."""
        if self._live is not None:
            self._live.update(Text(""), refresh=True)
            self._live.stop()
        self._console.print(self._table(standings))
        for check in checks:
            self._console.print(Text.assemble(_mark(check), " ", check.name), soft_wrap=True)
            for detail in check.details:
                self._console.print(Text(f"         {detail}"), soft_wrap=True)
        self._console.print(Text(words), style="bold", soft_wrap=True)

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _table(self, standings: Sequence[Standing]) -> Table:
        counts = _counts(standings)
        caption = f"{counts} · {self._elapsed:.1f} s"
        table = Table(box=SIMPLE_HEAD, expand=True, pad_edge=False, caption=caption, caption_justify="left")
        for column in ("failure", "diagnosis", "strategy", "attempts", "result"):
            table.add_column(column, no_wrap=True)
        table.add_column("evidence", ratio=1, no_wrap=True, overflow="ellipsis")
        for one in standings:
            table.add_row(*self._row(one))
        return table

    def _row(self, one: Standing) -> Iterator[Text]:
        width, status = self._console.width, status_of(one)
        named = one.strategy if width >= _ROOM_FOR_STRATEGIES else one.strategy.partition("-full")[0]
        yield Text(one.name)
        yield Text(_diagnosis(one) if width >= _ROOM_FOR_DISPOSITIONS else one.failure_type)
        yield Text(named)
        yield Text(str(one.attempts))
        yield Text.assemble((status, _COLOURS.get(status, "")), f" {_said(one)}".rstrip())
        yield Text(one.evidence)


@asynccontextmanager
async def open_view() -> AsyncIterator[View]:
    """Open a live table where stdout is a terminal, else lines."""
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _LOG_WIDTH, highlight=False)
    live = Live(console=console, auto_refresh=False, transient=True) if terminal else None
    with live or nullcontext():
        yield View(console, live)


def status_of(standing: Standing) -> str:
    """Give a failure's status in the words of the table: one that has a claim is healing."""
    return "healing" if standing.healing else standing.status


def _diagnosis(one: Standing) -> str:
    return f"{one.failure_type} / {one.disposition}" if one.failure_type else ""


def _said(one: Standing) -> str:
    """Give the last attempt's code, or its result where it needs none."""
    return "" if one.healing else one.code or one.result


def _line(one: Standing) -> str:
    told = f"{status_of(one):13} {one.name}"
    if one.healing:
        return f"{told}: {_diagnosis(one)}, {one.strategy}"
    if not one.result:
        return told
    evidence = f" ({one.evidence[:_EVIDENCE_ON_A_LINE]})" if one.evidence else ""
    return f"{told}: {one.strategy} {one.result} {one.code}".rstrip() + evidence


def _counts(standings: Sequence[Standing]) -> str:
    words = ("healing", *(status for status in _COLOURS if status != "healing"))
    statuses = [status_of(one) for one in standings]
    told = [f"{statuses.count(word)} {word.replace('_', ' ')}" for word in words if word in statuses]
    return " · ".join([f"{len(standings)} failures", *told])


def _mark(check: Check) -> Text:
    return Text("  ok    ", style="green") if check.ok else Text("  FAILED", style="bold red")
