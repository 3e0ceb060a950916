"""Entry point of `shw`: runs a command, and maps its exception to one line on stderr and an exit code."""

import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from consumer.cli.commands import app
from consumer.cli.exits import ExitCode, code_of, say, unwritten
from consumer.errors import ShwError


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command, and exit with its code."""
    sys.exit(run_command(arguments))


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run one command; an error of ours, or of the command line, becomes one line on stderr without a traceback."""
    # The clients log the errors that they also raise; `shw run` replaces this handler by its own.
    logging.getLogger().addHandler(logging.NullHandler())
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started it (`>&-`)
        nobody = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process lives
        sys.stdout, sys.stderr = sys.stdout or nobody, sys.stderr or nobody
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except OSError as error:
        return unwritten(error)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = app(None if arguments is None else list(arguments), prog_name="shw", standalone_mode=False)
    except typer.TyperException as error:
        # A group without a command has printed its help, and has nothing to add.
        if message := error.format_message().rstrip("."):
            say(f"{message}. See --help.")
        return ExitCode.USAGE
    except ShwError as error:
        say(str(error))
        return code_of(error)
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    return code if isinstance(code, int) else ExitCode.OK
