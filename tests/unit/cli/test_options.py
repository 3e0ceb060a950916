"""The one grammar of times and lengths, in whatever option it stands."""

from datetime import UTC, datetime, timedelta

import pytest
import typer

from consumer.cli.options import ahead_of, length_of, since_of
from consumer.cli.tables import print_document

NOW = timedelta(seconds=30)
"""Longer than a test takes."""


@pytest.mark.parametrize(
    ("text", "span"), [("90s", timedelta(seconds=90)), ("2h", timedelta(hours=2)), ("7d", timedelta(7))]
)
def test_a_span_lies_before_now_or_ahead_of_it(text: str, span: timedelta) -> None:
    now = datetime.now(UTC)
    assert abs(now - since_of(text) - span) < NOW
    assert abs(ahead_of("--until", text) - now - span) < NOW


@pytest.mark.parametrize("text", ["2026-11-29", "2026-11-29T00:00", "2026-11-29 00:00:00", "2026-11-29T01:00:00+01:00"])
def test_a_moment_is_the_same_in_both(text: str) -> None:
    assert since_of(text) == ahead_of("--until", text) == datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "1 h", "0h", "-1h", "2026-13-01", "1w"])
def test_what_is_neither_is_refused_with_what_it_may_be(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"--until .*1h or 7d from now on, 2026-|--until .*must be a span"):
        ahead_of("--until", text)
    with pytest.raises(typer.BadParameter, match=r"--since .*1h or 7d before now, 2026-|--since .*must be a span"):
        since_of(text)


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("0.3", 0.3), ("3600", 3600), ("1h", 3600), ("30s", 30)])
def test_a_length_is_seconds_or_a_span(text: str, seconds: float) -> None:
    assert length_of("--wait", text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["-1", "1e9", "\u0663", "an hour"])
def test_a_length_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="--wait"):
        length_of("--wait", text)


def test_a_document_has_many_lines_at_a_terminal_and_one_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = {"value": {"text": "a\x1b[31mb"}}
    print_document(document, as_json=False)
    assert capsys.readouterr().out.count("\n") == 1
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_document(document, as_json=True)
    assert capsys.readouterr().out.count("\n") == 1
    print_document(document, as_json=False)
    shown = capsys.readouterr().out
    assert shown.splitlines()[:2] == ["{", '  "value": {']
    assert "\x1b" not in shown
