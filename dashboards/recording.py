"""Records a real run of the demo as one moving picture, docs/images/demo.svg: `python -m dashboards.recording`.

It takes the demo's own view, at 100 columns, and draws each state of its table with the last lines of its story. The
picture is text in SVG, moved by CSS: without movement, or on paper, it shows the end.
"""

import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import escape
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.segment import Segment
from rich.terminal_theme import MONOKAI
from rich.text import Text

from consumer.demo.checks import Check
from consumer.demo.demo import run_demo
from consumer.demo.state import Look
from consumer.demo.view import NEXT, View
from consumer.local.kafka_jars import CHECKOUT

PICTURE: Final = CHECKOUT / "docs" / "images" / "demo.svg"
COLUMNS: Final = 100
STORY: Final = 5
"""The last lines of the story that stand below the table."""
CELL: Final = 8.4
ROW: Final = 18
EDGE: Final = 14
SHORTEST: Final = 0.5
LONGEST: Final = 2.5
"""Seconds for which a state is shown: as long as it lasted, within these."""
END: Final = 12.0
MOST: Final = 40
"""States that are shown, at most: of more, so many at equal distances."""
_ELAPSED: Final = re.compile(r"\d+\.\d s<")
"""The clock of the table, which alone makes no other state."""
_OF_THIS_MACHINE: Final = re.compile(r" \(pid \d+\)|; its log: \S+|/\S*/\.local/\S*|:\d{4,5}\b")
"""Process ids, paths and free ports: true of one machine at one time, and told to nobody else."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What stood on the screen, line by line, and since when."""

    at: float
    lines: tuple[str, ...]


class Recording(View):
    """A view that keeps what it would show."""

    def __init__(self) -> None:
        screen = Console(width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor", highlight=False)
        super().__init__(screen, None)
        self.frames: list[Frame] = []
        self._told: list[str] = []
        self._table_now: RenderableType | None = None

    def say(self, line: str) -> None:
        """Put a line of the story below the table."""
        self._told.append(f"{self._elapsed:5.1f} s  {line}")
        self._keep()

    def show(self, look: Look) -> None:
        """Draw the table anew, once something stands in it."""
        if look.standings:
            self._table_now = self._table(look)
            self._keep()

    def end(self, look: Look, checks: Iterable[Check], words: str) -> None:
        """Draw the end: the table, what was checked, the outcome, and what to do next."""
        self._table_now = self._table(look)
        passed = [check.ok for check in checks]
        self._told += ["", f"{sum(passed)} of {len(passed)} checks passed: {words}", ""]
        self._told += [f"{what:<31}{why}" for what, why in NEXT]
        self._keep(STORY + 2)

    def _keep(self, story: int = STORY) -> None:
        if self._table_now is None:
            return
        told = [Text(_OF_THIS_MACHINE.sub("", one), no_wrap=True, overflow="ellipsis") for one in self._told[-story:]]
        told += [Text("")] * (story - len(told))
        lines = self._console.render_lines(Group(self._table_now, *told), pad=False)
        self.frames.append(Frame(time.monotonic(), tuple(_drawn(line) for line in lines)))


def _drawn(line: Sequence[Segment]) -> str:
    """Return a line as the inside of an SVG text: each run of one style at its column."""
    runs, column = [], 0
    for segment in line:
        text = _OF_THIS_MACHINE.sub(lambda found: " " * len(found[0]), segment.text)
        width = segment.cell_length
        if text.strip():
            ahead = len(text) - len(text.lstrip())
            shown = text.strip()
            place = f'x="{(column + ahead) * CELL:.1f}" textLength="{len(shown) * CELL:.1f}"'
            runs.append(f"<tspan {place}{_style(segment)}>{escape(shown)}</tspan>")
        column += width
    return "".join(runs)


def _style(segment: Segment) -> str:
    style = segment.style
    if style is None:
        return ""
    colour = f' fill="{style.color.get_truecolor(MONOKAI).hex}"' if style.color is not None else ""
    dim = ' opacity="0.6"' if style.dim else ""
    return colour + dim + (' font-weight="bold"' if style.bold else "")


def shown_frames(frames: Sequence[Frame]) -> list[tuple[tuple[str, ...], float]]:
    """Return the states to show with their seconds: each that differs from the one before, and never too many."""
    kept = [frames[0]] + [after for before, after in pairwise(frames) if _state(after) != _state(before)]
    if len(kept) > MOST:
        kept = [kept[at * (len(kept) - 1) // (MOST - 1)] for at in range(MOST)]
    spans = [min(LONGEST, max(SHORTEST, after.at - before.at)) for before, after in pairwise(kept)]
    return [(one.lines, span) for one, span in zip(kept, (*spans, END), strict=True)]


def _state(frame: Frame) -> tuple[str, ...]:
    return tuple(_ELAPSED.sub("", line) for line in frame.lines)


def to_svg(shown: Sequence[tuple[tuple[str, ...], float]]) -> str:
    """Draw the states side by side, each line of a kind once, and move the window from one to the next."""
    width = COLUMNS * CELL + 2 * EDGE
    height = max(len(lines) for lines, _ in shown) * ROW + 2 * EDGE
    names = {line: f"l{at}" for at, line in enumerate(dict.fromkeys(one for lines, _ in shown for one in lines if one))}
    defined = "".join(f'<text id="{name}">{line}</text>' for line, name in names.items())
    strips, stops, since, whole = [], [], 0.0, sum(span for _, span in shown)
    for at, (lines, span) in enumerate(shown):
        used = "".join(f'<use href="#{names[one]}" y="{row * ROW}"/>' for row, one in enumerate(lines) if one)
        strips.append(f'<g transform="translate({at * width:.1f})">{used}</g>')
        stops.append(f"{100 * since / whole:.3f}%{{transform:translateX({-at * width:.1f}px)}}")
        since += span
    last = -(len(shown) - 1) * width
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" '
        f'height="{height}" role="img" aria-label="The demo heals failures of every kind, loses none and repeats none">'
        "<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        f"fill:#d9d9d9;white-space:pre}}#strip{{transform:translateX({last:.1f}px);"
        f"animation:play {whole:.1f}s step-end infinite}}"
        f"@keyframes play{{{''.join(stops)}}}"
        "@media (prefers-reduced-motion:reduce){#strip{animation:none}}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="#14161a"/><defs>{defined}</defs>'
        f'<g transform="translate({EDGE},{EDGE + ROW - 5})"><g id="strip">{"".join(strips)}</g></g></svg>\n'
    )


def main() -> int:
    """Run the demo, and write its picture where it went well."""
    recording = Recording()

    @asynccontextmanager
    async def opened() -> AsyncIterator[View]:
        yield recording

    with tempfile.TemporaryDirectory() as home:
        code = run_demo(Path(home), opened)
    if code == 0:
        PICTURE.write_text(to_svg(shown_frames(recording.frames)))
        sys.stdout.write(f"{PICTURE.relative_to(CHECKOUT)}: {PICTURE.stat().st_size // 1024} KiB\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
