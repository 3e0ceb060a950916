"""The examples in `--help`: each command has one, of itself, and with nothing that it does not take."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from consumer.cli.commands import app
from consumer.cli.examples import EXAMPLES


def _commands(command: Any, *path: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - the library hides its types
    below = getattr(command, "commands", {})
    if path and (not below or command.invoke_without_command):
        yield " ".join(path), command
    for name, one in below.items():
        yield from _commands(one, *path, name)


COMMANDS = dict(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_commands_help_ends_with_an_example_that_it_takes(name: str) -> None:
    command = COMMANDS[name]
    epilog = command.epilog or ""
    assert epilog == f"Example: {EXAMPLES.get(name)}", "consumer/cli/examples.py has no example of it"
    words = shlex.split(EXAMPLES[name].partition(" < ")[0].partition(" > ")[0])
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    assert words[: 1 + len(name.split())] == ["shw", *name.split()]
    given = words[1 + len(name.split()) :]
    taken = {option for one in command.params for option in one.opts}
    assert {word for word in given if word.startswith("--")} <= taken
    needed = [one.opts[0] for one in command.params if one.required and one.opts[0].startswith("--")]
    assert set(needed) <= set(given)
    arguments = [one for one in command.params if one.required and not one.opts[0].startswith("--")]
    assert len([word for word in given if not word.startswith("--")]) >= len(arguments)


def test_no_example_is_of_a_command_that_is_not_there() -> None:
    assert set(EXAMPLES) == set(COMMANDS)
