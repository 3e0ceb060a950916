"""Request coalescing: concurrent callers with the same key share the result of one call."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class Joined(Generic[Key, Answer]):
    """At most one call per key is in flight; a caller that arrives meanwhile gets its result, or its error.

    The first caller makes the call for all, within its own request. Where that one is cancelled, the next calls anew.
    """

    def __init__(self) -> None:
        self._in_flight: dict[Key, asyncio.Future[Answer]] = {}

    async def ask(self, key: Key, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the result of the call for this key."""
        while (asked := self._in_flight.get(key)) is not None:
            await asyncio.wait([asked])
            if not asked.cancelled():
                return asked.result()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._in_flight[key] = answer
        try:
            answer.set_result(await question())
        except Exception as error:
            answer.set_exception(error)
            answer.exception()  # marked as retrieved, should no other caller wait for it
            raise
        finally:
            del self._in_flight[key]
            answer.cancel()  # only where it has none yet
        return answer.result()
