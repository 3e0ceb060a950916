"""Name resolution by the system, each lookup in its own thread: a silent name server does not block other lookups."""

import asyncio
import os
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

_AT_ONCE: Final = 64


class SystemResolver:
    """Resolver by `getaddrinfo`, each lookup in a thread of its own.

    The event loop's default executor has few threads, shared by all: a few names with a silent name server would keep
    Kafka and PostgreSQL from being resolved. A lookup cannot be cancelled: a caller may stop waiting, and the thread
    ends with the system's timeout, or with the process.
    """

    def __init__(self, at_once: int = _AT_ONCE) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Resolve a host once; raises OSError or UnicodeError where it has no address."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def told(found: Sequence[str] | Exception) -> None:
            self._free.release()
            if answer.done():
                return
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def ask() -> None:
            found = _look_up(host, port)
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(told, found)

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        return await answer


def _out_of_files() -> OSError | None:
    """Return the error of opening a file now: without one left `getaddrinfo` says that there is no such name."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error
    return None


def _look_up(host: str, port: int) -> Sequence[str] | Exception:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return _out_of_files() or error
    except (OSError, UnicodeError) as error:
        return error
    return [str(address[4][0]) for address in found]
