"""A row that another application keeps locked holds up its own heal, and no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, Outcome, Proof
from schemas.names import Verdict
from tests.support import oracle
from tests.support.pipeline import Site, event, until
from tests.support.worlds.scripted import scripted

OTHERS = 40
PROOF = Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there")


class Held:
    """A heal of the workflow `held` that goes on until it is let go; all others heal at once."""

    def __init__(self) -> None:
        self.under_way, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, task: Task, gate: EffectGate) -> Outcome:
        if task.failure.workflow_name == "held":
            self.under_way.set()
            await self.go_on.wait()
        await gate.begin()
        return Healed(proofs=(PROOF,))


@asynccontextmanager
async def locked(place: Site, statement: str, *arguments: object) -> AsyncIterator[None]:
    """Leave a transaction open that has run a statement, as a person who went for lunch does."""
    async with place.db.acquire() as person:
        opened = person.transaction()
        await opened.start()
        try:
            await person.execute(statement, *arguments)
            yield
        finally:
            await opened.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM workflow_failures WHERE id = $1 FOR UPDATE",
        "UPDATE workflow_failures SET failure_reason = 'mended by hand' WHERE id = $1",
        "DELETE FROM workflow_failures WHERE id = $1",
    ],
    ids=["select for update", "update", "delete"],
)
async def test_a_transaction_left_open_on_one_failure_holds_up_the_end_of_its_heal_alone(
    embedded_place: Site, statement: str
) -> None:
    place, held = embedded_place, Held()
    org = await place.organisation()
    await place.publish(event(org, "held", workflow_name="held"))
    async with place.consumer(scripted(held)) as running:
        await asyncio.wait_for(held.under_way.wait(), 20)
        failure = await place.db.fetchval("SELECT id FROM workflow_failures WHERE workflow_name = 'held'")
        async with locked(place, statement, failure):
            held.go_on.set()
            for n in range(OTHERS):
                await place.publish(event(org, n, workflow_name=f"other{n}"))
            await until(lambda: _resolved(place, OTHERS), 15)
            assert await place.count("heal_claim") == 1
        await until(lambda: _resolved(place, OTHERS + 1), 15)
        await running.settled(OTHERS + 1)
    await oracle.one_attempt_per_step(place)
    await oracle.everything_that_ended_was_told(place)


async def _resolved(place: Site, failures: int) -> bool:
    return await place.count("workflow_failures WHERE status = 'resolved'") == failures
