"""Become a program whose arguments and environment stand in a file: what is on a command line, everybody may read.

Run as a script of its own (`python -I -S launch.py FILE`), so it imports the standard library only. It keeps its
process id.
"""

import json
import os
import sys
from typing import TypedDict


class LaunchedProgram(TypedDict):
    """The file, as JSON."""

    argv: list[str]
    environment: dict[str, str]


def main() -> None:
    """Read the file and become what it names."""
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - pathlib would double this script's start-up time
        program: LaunchedProgram = json.load(file)
    os.execve(program["argv"][0], program["argv"], program["environment"])  # noqa: S606 - the file is our own parent's


if __name__ == "__main__":
    main()
