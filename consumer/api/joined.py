"""Those who ask the same at the same time share one answer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class Joined(Generic[Key, Answer]):
    """At most one question of each key is under way; whoever asks meanwhile gets its answer, or its error.

    The first to ask asks for all, within its own request. Where that one is cancelled, the next asks anew.
    """

    def __init__(self) -> None:
        self._under_way: dict[Key, asyncio.Future[Answer]] = {}

    async def ask(self, key: Key, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """Give the answer to the question of this key."""
        while (asked := self._under_way.get(key)) is not None:
            await asyncio.wait([asked])
            if not asked.cancelled():
                return asked.result()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._under_way[key] = answer
        try:
            answer.set_result(await question())
        except Exception as error:
            answer.set_exception(error)
            answer.exception()  # seen, should nobody else have asked
            raise
        finally:
            del self._under_way[key]
            answer.cancel()  # only where it has none yet
        return answer.result()
