"""A consumer that sends itself a signal at a named boundary: what a crash or a stop at that very moment does.

`ACT_AT`: `intake` and `settle` (right after their commit), `before` and `after` (an effect). `ACT_PATH` and `ACT_NTH`
choose the effect by the beginning of its request's path, and by its number among those. `ACT_WINDOW` is the claim's
window in seconds, in place of the strategy's own.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import ParamSpec, TypeVar
from unittest.mock import patch
from urllib.parse import urlsplit

from consumer import logs
from consumer.app import installed_strategies, read_catalog, run
from consumer.catalog import WorkflowPolicy
from consumer.heal.strategy import EffectGate, Strategy, Task
from consumer.model import Diagnosis, Failure, Intent, Outcome
from consumer.settings import read_settings
from consumer.store.intake import take_in
from consumer.store.settle import settle
from schemas.names import StrategyName

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True, kw_only=True)
class Act:
    """When to send which signal to oneself."""

    at: str = os.environ.get("ACT_AT", "")
    number: signal.Signals = signal.Signals[os.environ.get("ACT_SIGNAL", "SIGKILL")]
    path: str = os.environ.get("ACT_PATH", "/")
    nth: int = int(os.environ.get("ACT_NTH", "1"))
    window: float = float(os.environ.get("ACT_WINDOW", "0"))
    crossed: int = 0

    def cross(self, boundary: str, failure: Failure | None = None) -> None:
        if boundary != self.at or (failure is not None and not _path(failure).startswith(self.path)):
            return
        self.crossed += 1
        if self.crossed == self.nth:
            os.kill(os.getpid(), self.number)


def _path(failure: Failure) -> str:
    request = failure.context.get("request")
    return urlsplit(str(request["url"])).path if isinstance(request, dict) else ""


@dataclass(frozen=True, slots=True)
class ActingGate:
    gate: EffectGate
    act: Act
    failure: Failure

    async def begin(self) -> None:
        self.act.cross("asked", self.failure)
        await self.gate.begin()
        self.act.cross("before", self.failure)

    def remaining(self) -> timedelta:
        return self.gate.remaining()


@dataclass(frozen=True, slots=True)
class Acting:
    """A strategy with the boundaries of its effects watched."""

    inner: Strategy
    act: Act = field(default_factory=Act)

    @property
    def name(self) -> StrategyName:
        return self.inner.name

    def needs(self, failure: Failure) -> tuple[str, ...]:
        return self.inner.needs(failure)

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        return self.inner.refusal(failure, diagnosis, policy)

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        intent = self.inner.intent(failure, policy)
        return replace(intent, window=timedelta(seconds=self.act.window)) if self.act.window else intent

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:
        outcome = await self.inner.heal(task, ActingGate(gate, self.act, task.failure))
        self.act.cross("after", task.failure)
        return outcome


def _then(done: Callable[P, Awaitable[R]], act: Act, boundary: str) -> Callable[P, Awaitable[R]]:
    async def and_then(*args: P.args, **kwargs: P.kwargs) -> R:
        result = await done(*args, **kwargs)
        act.cross(boundary)
        return result

    return and_then


async def main() -> None:
    settings, act = read_settings(), Act()
    logs.configure("debug")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with (
        patch("consumer.intake.take_in", _then(take_in, act, "intake")),
        patch("consumer.settle.settle", _then(settle, act, "settle")),
    ):
        async with installed_strategies(read_catalog(settings.catalog), settings.heal.slots) as installed:
            await run(settings, stop, strategies={name: Acting(one, act) for name, one in installed.items()})


if __name__ == "__main__":
    asyncio.run(main())
