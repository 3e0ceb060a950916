"""Asking the system's resolver, so that a name server that does not answer holds up nobody else."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

_AT_ONCE: Final = 64


class SystemResolver:
    """The addresses of a host as the system knows them, each question in a thread of its own.

    The event loop's own threads are few and serve everybody: some names whose server is silent would keep Kafka and
    PostgreSQL from being found. A question cannot be taken back, so whoever asks may stop waiting, and its thread ends
    with the system's time-out, or with the process.
    """

    def __init__(self, at_once: int = _AT_ONCE) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Ask once; OSError or UnicodeError where there is no address."""
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
            found = _asked(host, port)
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(told, found)

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        return await answer


def _asked(host: str, port: int) -> Sequence[str] | Exception:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return error
    return [str(address[4][0]) for address in found]
