"""The idle wait of a heal: while it only waits, it gives back what it holds and does not need meanwhile."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import ContextVar
from datetime import timedelta
from typing import Final, TypeAlias

Idle: TypeAlias = Callable[[bool], AbstractAsyncContextManager[None]]
"""Entered while a heal only waits; it is given whether the last call speaks against the heal's dependency."""

GIVE_BACK: Final[ContextVar[Idle]] = ContextVar("GIVE_BACK")
"""How the running heal gives back what it holds; set for each heal by `heal/run.py`."""

IDLE_FROM: Final = timedelta(seconds=1)
"""A shorter wait costs less than to give back and to get again what it holds."""


def idle(wait: timedelta, *, dependency_unhealthy: bool) -> AbstractAsyncContextManager[None]:
    """Return what to enter for a wait of the running heal."""
    give_back = GIVE_BACK.get(None)
    return nullcontext() if give_back is None or wait < IDLE_FROM else give_back(dependency_unhealthy)


async def wait_idle(sleep: Callable[[float], Awaitable[None]], wait: timedelta, *, dependency_unhealthy: bool) -> None:
    """Wait, without what the heal does not need meanwhile; returns once it has its slot again."""
    async with idle(wait, dependency_unhealthy=dependency_unhealthy):
        await sleep(wait.total_seconds())
