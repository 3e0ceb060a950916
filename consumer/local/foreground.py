"""A program in the foreground of a terminal: one exit code, and every resource closed, however it ends."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

from consumer.errors import ShwError

INTERRUPTED: Final = 130
"""What a shell reports of a program that Ctrl-C ended."""


def run_in_foreground(program: Callable[[], Coroutine[Any, Any, int]], *, interrupted: int = INTERRUPTED) -> int:
    """Run until it ends or is interrupted, by SIGTERM too; an error of ours is one line on stderr, and 1."""
    try:
        return asyncio.run(_until_signalled(program))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("Stopped: everything that was started has ended.\n")
        return interrupted
    except ShwError as error:
        sys.stderr.write(f"It cannot go on: {error}\n")
        return 1


async def _until_signalled(program: Callable[[], Coroutine[Any, Any, int]]) -> int:
    main = asyncio.current_task()
    if main is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
    try:
        return await program()
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Give one error's own words instead of the group that its task came in."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
