"""A name of which nothing is seen is refused on the command line, before anything is asked of the database."""

import pytest

from consumer.cli.exits import ExitCode
from consumer.cli.main import run_command

PAUSE = ("pause", "--reason", "a move")
RESUME = ("resume", "--reason", "it is back")
BULK = ("bulk", "preview", "--action", "heal", "--reason", "it is back")


@pytest.mark.parametrize("blank", ["", "  ", "\u200b"], ids=["empty", "white space", "zero width"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (PAUSE, "--workflow"),
        (PAUSE, "--dependency"),
        (RESUME, "--workflow"),
        (RESUME, "--dependency"),
        (BULK, "--workflow"),
        (BULK, "--target"),
    ],
)
def test_a_blank_name_reaches_nothing_and_is_refused(
    command: tuple[str, ...], option: str, blank: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command((*command, option, blank)) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert option in told
    assert "a blank name names nothing" in told


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--since", "2026-11-02", "--before", "2026-11-01"), "no failure was detected in between"),
        (("--since", "1h", "--before", "2h"), "no failure was detected in between"),
        (("--since", ""), "--since ''"),
        (("--before", ""), "--before ''"),
        (("--cause", " "), "--cause: "),
        (("--workflow", "w" * 513), "--workflow: "),
    ],
)
def test_a_filter_that_can_find_nothing_freezes_no_bulk(
    given: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command((*BULK, *given)) == ExitCode.USAGE
    assert why in capsys.readouterr().err
