"""How a command ends: its exit code, and the one line that says why."""

import sys
from enum import IntEnum

from consumer.errors import ConfigError, ShwError, TransientError


class ExitCode(IntEnum):
    """What a shell learns."""

    OK = 0  # done, or the answer is yes
    NO = 1  # the answer is no: not found, refused, different
    USAGE = 2  # the command line or the configuration has to change
    OUTSIDE = 3  # the outside world did not answer: try again
    INTERRUPTED = 130  # Ctrl-C


def code_of(error: ShwError) -> ExitCode:
    """Say how a command ends with an error of ours."""
    match error:
        case TransientError():
            return ExitCode.OUTSIDE
        case ConfigError(__cause__=ConnectionError() | TimeoutError()):
            return ExitCode.OUTSIDE  # nobody is there: the address may be right all the same
        case ConfigError():
            return ExitCode.USAGE
        case _:
            return ExitCode.NO


def say(message: str) -> None:
    """Tell a person something, in one line beside the data."""
    sys.stderr.write(f"shw: {' '.join(message.split())}\n")
