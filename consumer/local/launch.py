"""Replaces itself (exec) by a program whose arguments and environment are in a file: command lines are public.

Run as a script of its own (`python -I -S launch.py FILE`), so it imports the standard library only. Its process id
stays the same.
"""

import json
import os
import sys
from typing import TypedDict


class LaunchedProgram(TypedDict):
    """Content of the file, as JSON."""

    argv: list[str]
    environment: dict[str, str]


def main() -> None:
    """Read the file and exec the program that it names."""
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - pathlib would double this script's start-up time
        program: LaunchedProgram = json.load(file)
    os.execve(program["argv"][0], program["argv"], program["environment"])  # noqa: S606 - the file is our own parent's


if __name__ == "__main__":
    main()
