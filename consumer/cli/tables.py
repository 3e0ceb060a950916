"""Output of commands: a table at a terminal, lines into a pipe."""

import sys
from collections.abc import Iterable, Sequence

from schemas.json_text import to_json
from schemas.printable import escape_json, escape_line


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table at a terminal; into a pipe tab-separated lines under a header, without colours or frames."""
    cells = [[plain(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_table(columns, cells)
        return
    for row in (columns, *cells):
        sys.stdout.write("\t".join(row) + "\n")


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    sys.stdout.write(escape_json(to_json(value)).decode() + "\n")


def plain(cell: object) -> str:
    """Return a value as one printable line: untrusted text must neither break a table nor control a terminal."""
    text = " ".join(str(cell).split()) if cell is not None else ""
    return escape_line(text)


def numbered(number: int, thing: str) -> str:
    """Return a number with its noun: `1 letter`, `2 letters`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _print_table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only at a terminal
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*columns, header_style="bold")
    for row in cells:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    Console().print(table)
