"""Exit codes of the commands, and the one-line messages on stderr."""

import sys
from enum import IntEnum

from consumer.errors import ConfigError, NoAnswer, ShwError, TransientError
from schemas.printable import escape_line


class ExitCode(IntEnum):
    """Exit code of a command."""

    OK = 0  # done, or the answer is yes
    NO = 1  # the answer is no: not found, refused, different
    USAGE = 2  # the command line or the configuration has to change
    OUTSIDE = 3  # a remote system did not answer: try again
    INTERRUPTED = 130  # Ctrl-C


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
    """Write a one-line message to stderr, apart from the data on stdout."""
    sys.stderr.write(f"shw: {escape_line(' '.join(message.split()))}\n")
