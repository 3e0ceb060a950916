"""Tables at a terminal: a row is a line, as wide as that, with ids whole where half of one says nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len

from consumer.cli.tables import age, table_lines

NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
ID = "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f"
COLUMNS = ("id", "detected_at", "status", "workflow_name", "failure_reason")
ROWS = [
    [ID, "2026-11-29T02:56:30.123456+00:00", "awaiting_approval", "orders.sync", "Request timeout: " + "x" * 200],
    [ID, "2026-11-29T03:05:00Z", "pending", "日本" * 40, "no"],
]


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_no_line_is_wider_than_the_terminal_and_a_row_is_one_line(width: int) -> None:
    lines = table_lines(COLUMNS, ROWS, width, NOW, frozenset({0}))
    assert len(lines) == 1 + len(ROWS)
    assert max(map(cell_len, lines)) <= width
    assert lines[1].startswith("6f1d2c3b  3 m ago" if width > 60 else "6f1d2c3b  3 m")
    assert "in 5 m" in lines[2]
    assert lines[1].endswith("…")


def test_wide_cuts_and_shortens_nothing() -> None:
    lines = table_lines(COLUMNS, ROWS, None, NOW, frozenset({0}))
    assert all(cell in line for line, row in zip(lines[1:], ROWS, strict=True) for cell in row)


def test_an_id_that_no_command_takes_short_stays_whole_however_narrow_the_terminal_is() -> None:
    lines = table_lines(COLUMNS, ROWS, 60, NOW, frozenset())
    assert all(ID in line for line in lines[1:])


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (timedelta(), "0 s ago"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(minutes=3, seconds=59), "3 m ago"),
        (timedelta(hours=25), "1 d ago"),
        (timedelta(hours=-2), "in 2 h"),
    ],
    ids=str,
)
def test_a_time_is_told_from_now(before: timedelta, told: str) -> None:
    assert age(NOW - before, NOW) == told
