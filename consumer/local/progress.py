"""What a person who waits is told."""

import sys
from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str], None]


def to_stderr(line: str) -> None:
    """Say it at once, and leave stdout to whoever reads it."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
