"""The loop of bulks waits until the next slice is due, and no longer: a rate above that of its looks is kept."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from consumer.errors import TransientError
from consumer.pipeline import bulk
from consumer.pipeline.bulk import LOOK_EVERY, BulkRunner

pytestmark = pytest.mark.asyncio


class Slices(BulkRunner):
    """A runner whose slices are said beforehand: how long until the next one of that bulk, or nothing was due."""

    said: Iterator[timedelta | Exception | None]

    async def step(self) -> timedelta | None:
        one = next(self.said)
        if isinstance(one, Exception):
            raise one
        return one


async def pauses_after(monkeypatch: pytest.MonkeyPatch, *said: timedelta | Exception | None) -> list[timedelta]:
    found: list[timedelta] = []
    stop = asyncio.Event()
    nothing: Any = None
    runner = Slices(
        pool=nothing, owner=nothing, publisher=nothing, outlet=nothing, price=nothing, wake=nothing, kept=timedelta()
    )
    object.__setattr__(runner, "said", iter(said))

    async def pause(_: asyncio.Event, length: timedelta) -> None:
        found.append(length)
        if len(found) == sum(one is None or isinstance(one, Exception) for one in said):
            stop.set()

    async def forget(_: BulkRunner) -> None:
        return None

    monkeypatch.setattr(bulk, "wait_for_event", pause)
    monkeypatch.setattr(BulkRunner, "_forget", forget)
    await runner.run(stop)
    return found


async def test_the_next_slice_is_looked_for_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    soon = timedelta(seconds=0.05)
    assert await pauses_after(monkeypatch, soon, None, soon, None) == [soon, soon]


async def test_no_pause_is_longer_than_that_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await pauses_after(monkeypatch, timedelta(seconds=25), None) == [LOOK_EVERY]


async def test_the_bulk_that_is_due_first_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    soon, late = timedelta(seconds=0.05), timedelta(seconds=0.2)
    assert await pauses_after(monkeypatch, soon, late, None) == [soon]


async def test_where_nothing_is_due_and_after_an_error_the_pause_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    soon = timedelta(seconds=0.05)
    said = (soon, None, None, soon, TransientError("away"))
    assert await pauses_after(monkeypatch, *said) == [soon, LOOK_EVERY, LOOK_EVERY]
