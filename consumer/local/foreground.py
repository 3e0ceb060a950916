"""Runs an asyncio program in a terminal's foreground: one exit code, and every resource closed, however it ends."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

from consumer.errors import ShwError

INTERRUPTED: Final = 130
"""Exit code that a shell reports for a program ended by Ctrl-C."""


def run_in_foreground(program: Callable[[], Coroutine[Any, Any, int]], *, interrupted: int = INTERRUPTED) -> int:
    """Run until it ends, or Ctrl-C or SIGTERM; an error of ours becomes one line on stderr and exit code 1."""
    try:
        return asyncio.run(_run_until_signal(program))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("Stopped: everything that was started has ended.\n")
        return interrupted
    except ShwError as error:
        sys.stderr.write(f"It cannot go on: {error}\n")
        return 1


async def _run_until_signal(program: Callable[[], Coroutine[Any, Any, int]]) -> int:
    main = asyncio.current_task()
    if main is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
    try:
        return await program()
    except BaseExceptionGroup as group:
        raise _first_error(group) from group


def _first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Unwrap the first error of an exception group, for its own message."""
    first = group.exceptions[0]
    return _first_error(first) if isinstance(first, BaseExceptionGroup) else first
