"""Progress messages to a person at a terminal."""

import sys
from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str], None]


def to_stderr(line: str) -> None:
    """Write a line to stderr and flush it; stdout stays free for the program's output."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
