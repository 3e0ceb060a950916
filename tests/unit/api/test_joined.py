import asyncio

import pytest

from consumer.api.joined import Joined


class Question:
    """Counts how often it is asked, and answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.asked += 1
        self.begun.set()
        await self.go.wait()
        return self.asked


async def test_those_who_ask_the_same_meanwhile_share_the_answer_and_others_ask_for_themselves() -> None:
    joined, question, other = Joined[str, int](), Question(), Question()
    asking = [asyncio.create_task(joined.ask("a", question)) for _ in range(100)]
    apart = asyncio.create_task(joined.ask("b", other))
    await question.begun.wait()
    question.go.set()
    other.go.set()
    assert await asyncio.gather(*asking, apart) == [1] * 101
    assert (question.asked, other.asked) == (1, 1)
    assert await joined.ask("a", question) == 2  # an answer is not kept


async def test_an_error_is_shared_too() -> None:
    joined, go = Joined[str, int](), asyncio.Event()

    async def fails() -> int:
        await go.wait()
        raise LookupError("no")

    asking = [asyncio.create_task(joined.ask("a", fails)) for _ in range(3)]
    await asyncio.sleep(0)
    go.set()
    assert [type(one) for one in await asyncio.gather(*asking, return_exceptions=True)] == [LookupError] * 3


async def test_where_the_one_that_asks_for_all_is_cancelled_the_next_asks_anew() -> None:
    joined, question = Joined[str, int](), Question()
    asking = [asyncio.create_task(joined.ask("a", question)) for _ in range(3)]
    await question.begun.wait()
    question.begun.clear()
    asking[0].cancel()
    await question.begun.wait()
    question.go.set()
    with pytest.raises(asyncio.CancelledError):
        await asking[0]
    assert await asyncio.gather(*asking[1:]) == [2, 2]
