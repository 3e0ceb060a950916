"""Output of commands: a table of one line a row at a terminal, lines into a pipe."""

import json
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from schemas.json_text import to_json
from schemas.printable import escape_json, escape_line
from schemas.rfc3339 import parse_time

WIDE: Final = ContextVar("WIDE", default=False)
"""Whether `--wide` was given: whole ids, times and texts, however wide the terminal is."""
SHORT_ID: Final = 8
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*")
_LEAST: Final = 6
"""Columns that a shortened text keeps at least."""
_GAP: Final = "  "
_SPANS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], *, short_ids: Sequence[str] = ()) -> None:
    """Print a table at a terminal; into a pipe tab-separated lines under a header, whole and without colours.

    At a terminal a row is one line as wide as that is: times are told from now, texts are cut, and the ids of the
    columns `short_ids`, which commands accept so, are short. With `--wide` everything is whole.
    """
    cells = [[plain(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        short = frozenset(place for place, name in enumerate(columns) if name in short_ids)
        for line in table_lines(columns, cells, _terminal_width(), datetime.now(UTC), short):
            sys.stdout.write(f"{line}\n")
        return
    for row in (columns, *cells):
        sys.stdout.write("\t".join(row) + "\n")


def table_lines(
    columns: Sequence[str], cells: Sequence[Sequence[str]], width: int | None, now: datetime, short: frozenset[int]
) -> list[str]:
    """Return a table's lines, none wider than `width` where its texts can be cut to that; None: nothing is cut."""
    if width is not None:
        cells = [[_shortened(cell, now, is_short=at in short) for at, cell in enumerate(row)] for row in cells]
    whole = [list(columns), *cells]
    widths = [max(_width(row[at]) for row in whole) for at in range(len(columns))]
    if width is not None:
        _narrow(widths, width, _uncut(cells, len(columns)))
    return [_GAP.join(_fit(cell, space) for cell, space in zip(row, widths, strict=True)).rstrip() for row in whole]


def age(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, or how far ahead it lies: `3 m ago`, `in 2 h`."""
    seconds = int((now - moment).total_seconds())
    unit, length = next((one for one in _SPANS if abs(seconds) >= one[1]), _SPANS[-1])
    span = f"{abs(seconds) // length} {unit}"
    return f"{span} ago" if seconds >= 0 else f"in {span}"


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    sys.stdout.write(escape_json(to_json(value)).decode() + "\n")


def print_document(value: object, *, as_json: bool) -> None:
    """Print a value as JSON: at a terminal over many lines, for a person; into a pipe, or where asked to, as one."""
    if as_json or not sys.stdout.isatty():
        print_json(value)
        return
    text = json.dumps(json.loads(to_json(value)), indent=2, ensure_ascii=False)
    sys.stdout.write("\n".join(escape_line(line) for line in text.splitlines()) + "\n")


def plain(cell: object) -> str:
    """Return a value as one printable line: untrusted text must neither break a table nor control a terminal."""
    text = " ".join(str(cell).split()) if cell is not None else ""
    return escape_line(text)


def numbered(number: int, thing: str) -> str:
    """Return a number with its noun: `1 letter`, `2 letters`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _terminal_width() -> int | None:
    return None if WIDE.get() else shutil.get_terminal_size().columns


def _shortened(cell: str, now: datetime, *, is_short: bool) -> str:
    if is_short and _UUID.fullmatch(cell):
        return cell[:SHORT_ID]
    if _TIME.fullmatch(cell):
        try:
            return age(parse_time(cell), now)
        except ValueError:
            return cell
    return cell


def _uncut(cells: Sequence[Sequence[str]], columns: int) -> frozenset[int]:
    """Return the columns of ids: half of one says nothing."""
    return frozenset(at for at in range(columns) if any(_UUID.fullmatch(row[at]) for row in cells))


def _narrow(widths: list[int], width: int, uncut: frozenset[int]) -> None:
    """Take from the widest text as long as a line is too wide."""
    room = width - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room:
        can = [at for at in range(len(widths)) if at not in uncut and widths[at] > _LEAST]
        if not can:
            return
        widths[max(can, key=lambda at: widths[at])] -= 1


def _width(text: str) -> int:
    from rich.cells import cell_len  # noqa: PLC0415 - only at a terminal

    return cell_len(text)


def _fit(text: str, space: int) -> str:
    from rich.cells import set_cell_size  # noqa: PLC0415 - only at a terminal

    return set_cell_size(text, space) if _width(text) <= space else f"{set_cell_size(text, space - 1)}…"
