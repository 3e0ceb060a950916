"""After a pause was answered no effect begins on any of three replicas, round after round, whatever is under way.

`SHW_PAUSE_ROUNDS=1000 pytest tests/integration/test_pause_rounds.py --timeout 0` for the long run.
"""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, OrgId, Outcome, Proof
from consumer.model.pause import PauseReach, PauseRequest, PauseResult
from consumer.ownership.permission import NOTHING_STARTS_AFTER
from consumer.results.events import Outlet
from consumer.results.pauses import pause_message
from consumer.store import pauses
from consumer.store.pool import open_pool, transaction
from schemas.names import Effect, StrategyName, Verdict
from tests.support.patience import BEYOND_PATIENCE
from tests.support.pipeline import Site, event, until
from tests.support.worlds.scripted import scripted

ROUNDS: Final = int(os.environ.get("SHW_PAUSE_ROUNDS", "4"))
REPLICAS: Final = 3
HEALS: Final = 6
WATCHED: Final = 0.5
"""Seconds for which each answered pause is watched."""
ANSWERED_WITHIN: Final = 2.0
PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))


class Tries:
    """Heals that begin one keyed effect after the other, until they are told to end."""

    def __init__(self) -> None:
        self.last = 0.0
        self.ended = False

    async def heal(self, _task: Task, gate: EffectGate) -> Outcome:
        while not self.ended:
            await gate.begin()
            self.last = time.monotonic()
            await asyncio.sleep(0.005)
        return PROVEN

    async def since(self, moment: float) -> bool:
        return self.last > moment


async def test_after_a_pause_was_answered_no_effect_begins_on_any_replica(embedded_place: Site) -> None:
    place, tries = embedded_place, Tries()
    org = OrgId(await place.organisation())
    tell = partial(pause_message, outlet=Outlet.of(place.settings.kafka))
    reaches = (
        PauseReach(),
        PauseReach(org_id=org),
        PauseReach(workflow_name="w*"),
        PauseReach(strategy=StrategyName.AUTO_RETRY),
        PauseReach(dependency="https://a.example:443"),
    )
    strategies = scripted(tries.heal, Effect.KEYED, BEYOND_PATIENCE)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(place.settings.postgres))
        for _ in range(REPLICAS):
            await stack.enter_async_context(place.consumer(strategies))
        context = {"dependency": "https://a.example:443"}
        await place.publish(*(event(org, n, workflow_name=f"w{n}", context=context) for n in range(HEALS)))
        for number in range(ROUNDS):
            await until(partial(tries.since, time.monotonic()))
            reach, asked = reaches[number % len(reaches)], time.monotonic()
            async with transaction(pool) as connection:
                made = await pauses.pause(connection, PauseRequest(reach=reach, reason="a move", by="a test"), tell)
            committed = time.monotonic()
            assert made.result is PauseResult.DONE
            await asyncio.sleep(NOTHING_STARTS_AFTER.total_seconds())
            answered = time.monotonic()
            await asyncio.sleep(WATCHED)
            assert tries.last <= answered, f"round {number}: an effect began {tries.last - committed:.3f} s after it"
            assert NOTHING_STARTS_AFTER.total_seconds() < ANSWERED_WITHIN, asked
            async with transaction(pool) as connection:
                await pauses.resume(connection, made.pauses[0].id, by="a test", reason="done", tell=tell)
        await until(partial(tries.since, time.monotonic()))
        tries.ended = True
        await until(partial(_resolved, place))


async def _resolved(place: Site) -> bool:
    return await place.count("workflow_failures WHERE status = 'resolved'") == HEALS
