"""A shell completes commands, options and their values."""

import pytest

from tests.support.shw import shw


@pytest.mark.parametrize(
    ("shell", "typed", "offers"),
    [
        ("bash", "shw dlq ", {"list", "show", "replay"}),
        ("bash", "shw failures --status need", {"needs_person"}),
        ("zsh", "shw dlq ", {"list", "show", "replay"}),
        ("zsh", "shw failures --status need", {"needs_person"}),
    ],
)
def test_a_shell_is_offered_what_may_come_next(shell: str, typed: str, offers: set[str]) -> None:
    words = typed.split(" ")
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1), "_TYPER_COMPLETE_ARGS": typed}
    ran = shw(settings=asked | {"_SHW_COMPLETE": f"complete_{shell}"})
    assert ran.code == 0, ran.err
    said = ran.out.decode()
    assert all(offer in said for offer in offers)
    assert "deployment" not in said


@pytest.mark.parametrize(("shell", "line"), [("bash", "complete -o default -F"), ("zsh", "compdef ")])
def test_what_a_shell_sources_is_printed(shell: str, line: str) -> None:
    ran = shw(settings={"_SHW_COMPLETE": f"source_{shell}"})
    assert line in ran.out.decode(), ran.err
