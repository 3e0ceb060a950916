"""A loop that ends before its time ends the process, in whatever way it ends."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from consumer.service.loops import LoopSupervisor, Pulse
from tests.support.patience import PATIENCE


async def returns() -> None:
    await asyncio.sleep(0)


async def hands_on_anothers_cancellation() -> None:
    """As a client does that asks a cancelled task of its own for its result."""
    other = asyncio.ensure_future(asyncio.Event().wait())
    other.cancel()
    await asyncio.wait([other])
    other.result()


async def crashes() -> None:
    raise KeyError("a bug")


@pytest.mark.parametrize("loop", [returns, hands_on_anothers_cancellation, crashes])
async def test_a_loop_that_ends_before_the_stop_ends_all(loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as loops:
            keep = LoopSupervisor(loops, asyncio.Event())
            keep("other", asyncio.Event().wait())
            keep("this", loop())

    with pytest.raises(ExceptionGroup) as raised:
        await run()
    assert isinstance(raised.value.exceptions[0], RuntimeError | KeyError)


async def test_after_the_stop_a_loop_may_end_and_be_cancelled() -> None:
    stop = asyncio.Event()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as loops:
        keep = LoopSupervisor(loops, stop)
        waiting = keep("waiting", asyncio.Event().wait())
        ended = keep("ended", stop.wait())
        await asyncio.sleep(0)
        stop.set()
        await asyncio.wait([ended])
        waiting.cancel()


async def test_a_late_turn_of_the_event_loop_is_told() -> None:
    stop, late = asyncio.Event(), asyncio.get_running_loop().create_future()

    def told(seconds: float) -> None:
        stop.set()
        late.set_result(seconds)

    pulse = Pulse(0.0)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as loops:
        loops.create_task(pulse.beat_until(stop, told))
        assert await late >= 0
    assert pulse.age.total_seconds() < 5
