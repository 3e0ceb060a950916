"""Answers that real engines gave once, and a world that gives them again."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from consumer.catalog import DescribedRunner, Secret, WorkflowPolicy
from consumer.outbound.calls import open_calls
from consumer.runners.configured import ConfiguredRunners
from consumer.runners.contract import LookFailed, Order, OrderResult, Runner, RunRef, RunState
from tests.support.healing import policy
from tests.support.paths import DATA
from tests.support.worlds.http_world import Reply, World, page_reply

WITHIN: Final = timedelta(seconds=5)
DATE: Final = ("Date", "Mon, 30 Nov 2026 09:47:00 GMT")
LIES: Final = {
    "a page": page_reply("<html>please sign in</html>"),
    "nothing": Reply(body=b""),
    "half": Reply(body=b'{"state": "success", "tasks": []}', cut=True),
    "null": Reply(body=b"null"),
    "a list": Reply(body=b"[]"),
    "no fields": Reply(body=b"{}"),
    "an error": Reply(status=500, body=b'{"detail": "x"}'),
    "a proxy's 404": page_reply("<html>404</html>", 404),
    "gone away": Reply(drop=True),
}
"""What is believed of no engine."""


def recorded(engine: str, name: str) -> Any:  # noqa: ANN401 - JSON is anything
    """Give one recorded answer."""
    return json.loads((DATA / "engines" / engine / f"{name}.json").read_text())


class Ground:
    """A runner, as the catalog in force has it, beside the world that its engine is."""

    def __init__(self, world: World, runner: Runner, allowed: WorkflowPolicy) -> None:
        self.world, self.runner, self.allowed = world, runner, allowed

    async def look(self, run: RunRef) -> RunState | LookFailed:
        return await self.runner.look(run, self.allowed, within=WITHIN)

    async def seen(self, run: RunRef) -> RunState:
        found = await self.look(run)
        assert isinstance(found, RunState), found
        return found

    async def give(self, order: Order, key: str = "k-1") -> OrderResult:
        return await self.runner.give(order, self.allowed, key=key, within=WITHIN)

    @property
    def effects(self) -> list[str]:
        """The calls that were no looks."""
        return [f"{seen.method} {seen.path}" for seen in self.world.seen if seen.method != "GET"]


@asynccontextmanager
async def ground(
    world: World, described: DescribedRunner, secrets: dict[str, Secret] | None = None
) -> AsyncIterator[Ground]:
    """Open a runner whose engine is the world."""
    async with open_calls(secrets or {}) as calls:
        allowed = policy(world.port, secrets=tuple(secrets or ())).model_copy(update={"runner": "engine"})
        runner = ConfiguredRunners({"engine": described}, calls).of(allowed)
        assert runner is not None
        yield Ground(world, runner, allowed)
