"""Children shared fairly: by turns among organisations, and one of them never has them all."""

import asyncio
from datetime import timedelta

import pytest

from consumer.errors import NoWorkerFree
from consumer.workers.turns import Turns
from tests.support.patience import BEYOND_PATIENCE, PATIENCE

LONG = BEYOND_PATIENCE


async def waiting(turns: Turns, key: str, got: list[str]) -> None:
    await turns.take(key, LONG)
    got.append(key)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_waits_gets_a_turn_however_many_of_another_wait_before() -> None:
    turns, got = Turns(1, share=1), list[str]()
    await turns.take("a", LONG)
    tasks = [asyncio.create_task(waiting(turns, key, got)) for key in "aaaabbc"]
    await settle()
    for held in "aabcaba":
        turns.give_back(held)
        await settle()
    assert got == ["a", "b", "c", "a", "b", "a", "a"]
    await asyncio.gather(*tasks)


async def test_one_key_never_holds_more_than_its_share() -> None:
    turns, got = Turns(3, share=2), list[str]()
    tasks = [asyncio.create_task(waiting(turns, "a", got)) for _ in range(5)]
    await settle()
    assert got == ["a", "a"]
    await turns.take("b", LONG)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_has_waited_too_long_is_told_so_and_takes_nothing() -> None:
    turns = Turns(1, share=1)
    await turns.take("a", LONG)
    with pytest.raises(NoWorkerFree):
        await turns.take("b", timedelta(milliseconds=1))
    turns.give_back("a")
    await turns.take("c", LONG)


@pytest.mark.parametrize("steps", range(4))
async def test_a_turn_that_nobody_waits_for_any_more_goes_to_the_next(steps: int) -> None:
    turns = Turns(1, share=1)
    await turns.take("a", LONG)
    left = asyncio.create_task(turns.take("b", LONG))
    await settle()
    turns.give_back("a")
    for _ in range(steps):
        await asyncio.sleep(0)
    left.cancel()
    await asyncio.wait([left])
    if not left.cancelled():
        turns.give_back("b")
    async with asyncio.timeout(PATIENCE):
        await turns.take(None, LONG)
