"""Exit codes of the commands, and the one-line messages on stderr."""

import errno
import os
import sys
from contextlib import suppress
from enum import IntEnum
from typing import Final

from consumer.errors import ConfigError, NoAnswer, ShwError, TransientError
from schemas.printable import escape_line


class ExitCode(IntEnum):
    """Exit code of a command."""

    OK = 0  # done, or the answer is yes
    NO = 1  # the answer is no: not found, refused, different
    USAGE = 2  # the command line or the configuration has to change
    OUTSIDE = 3  # a remote system did not answer, or what is printed was not taken: try again
    INTERRUPTED = 130  # Ctrl-C


_OF_OUTPUT: Final = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""Errors of writing to what is open."""


def code_of(error: ShwError) -> ExitCode:
    """Map an error of ours to the exit code."""
    match error:
        case TransientError() | NoAnswer():
            return ExitCode.OUTSIDE
        case ConfigError():
            return ExitCode.USAGE
        case _:
            return ExitCode.NO


def say(message: str) -> None:
    """Write a one-line message to stderr, apart from the data on stdout; where stderr takes none, there is none."""
    with suppress(OSError):
        sys.stderr.write(f"shw: {escape_line(' '.join(message.split()))}\n")


def say_unread_variables() -> None:
    """Say which variables look like settings and are read by nobody: a misspelt one would say nothing by itself."""
    if not any(name.upper().startswith("SHW_") for name in os.environ):
        return
    from consumer.settings import is_in_section, unknown_variables  # noqa: PLC0415 - --help must not wait for it

    for name, meant in unknown_variables(os.environ).items():
        if not is_in_section(name):  # what reads the settings refuses that one, and says so
            say(f"{name} is no setting, and is not read" + (f": did you mean {meant}?" if meant is not None else "."))


def unwritten(error: OSError) -> ExitCode:
    """Say that the output could not be written, and return the exit code; raises an error that is about another thing.

    Whoever reads no further (`| head`) is told nothing.
    """
    if error.filename is not None or error.errno not in _OF_OUTPUT:
        raise error
    if error.errno != errno.EPIPE:
        say(f"The output cannot be written: {error.strerror}.")
    with suppress(OSError, ValueError):  # what is left in it is not tried again at the end of the process
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.NO if error.errno == errno.EPIPE else ExitCode.OUTSIDE
