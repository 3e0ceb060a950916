"""Many suspended heals through a restart of every replica, clean and not: each ends right, ordered once, paid once.

A thousand with `SHW_FAULT_MATRIX=full`.
"""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

from schemas.names import Effect, StrategyName
from tests.support import oracle
from tests.support.faults.matrix import FULL
from tests.support.pipeline import SECOND, Running, Site, event, until
from tests.support.worlds.jobs import Jobs, Orders

SUSPENDED: Final = 1000 if FULL else 120
ORGANISATIONS: Final = 4
REPLICAS: Final = 2


def names() -> list[str]:
    return [f"w{n}" for n in range(SUSPENDED)]


async def replicas(place: Site, jobs: Jobs, stack: AsyncExitStack) -> list[Running]:
    """Run every replica; whether an effect is keyed or not, its job must be ordered once."""
    strategies = {StrategyName.AUTO_RETRY: Orders(jobs=jobs, kind=Effect.UNSAFE, every=timedelta(hours=1))}
    return [await stack.enter_async_context(place.consumer(strategies)) for _ in range(REPLICAS)]


async def all_suspended(place: Site) -> bool:
    return await place.count("heal_claim WHERE owner = 'suspended'") == SUSPENDED


async def some_ended(place: Site, number: int) -> bool:
    return await place.count("workflow_heal_attempts") >= number


async def make_due(place: Site) -> None:
    await place.db.execute("UPDATE heal_claim SET look_at = clock_timestamp() WHERE owner = 'suspended'")


async def leave_no_lease(place: Site) -> None:
    """What dead processes left can be taken over: their leases and windows have passed."""
    await place.db.execute("DELETE FROM heal_owner WHERE isfinite(lease_until)")
    await place.time_passes(timedelta(minutes=2))


async def test_suspended_heals_survive_a_restart_of_every_replica(embedded_place: Site) -> None:
    place = embedded_place.changed(kafka={"session_timeout": SECOND})
    jobs = Jobs()
    orgs = [await place.organisation("100") for _ in range(ORGANISATIONS)]
    await place.publish(*(event(orgs[n % ORGANISATIONS], name, workflow_name=name) for n, name in enumerate(names())))
    async with AsyncExitStack() as first:
        await replicas(place, jobs, first)
        await until(lambda: all_suspended(place))
    # Stopped cleanly, with all of them suspended: nothing has been looked at, and nothing is lost.
    assert await all_suspended(place)
    assert not jobs.looks
    jobs.all_done = True
    await make_due(place)

    async def hangs(boundary: str) -> None:
        """Only a quarter gets its answer before everything dies."""
        if boundary == "looked" and jobs.looks.total() > SUSPENDED // 4:
            await asyncio.Future()

    jobs.then = hangs
    async with AsyncExitStack() as second:
        running = await replicas(place, jobs, second)
        await until(lambda: some_ended(place, SUSPENDED // 4))
        await asyncio.gather(*(one.abandon() for one in running))
    jobs.then = None
    assert await place.count("heal_claim WHERE owner <> 'suspended'") > 0, "nobody died in a look"
    await leave_no_lease(place)
    async with AsyncExitStack() as third:
        running = await replicas(place.in_another_group(), jobs, third)
        await running[0].settled(SUSPENDED)
    assert jobs.orders == {f"job-{name}": 1 for name in names()}
    rows = await place.failures()
    assert {row["status"] for row in rows.values()} == {"resolved"}
    attempts = await place.db.fetch("SELECT result, count(*) AS n FROM workflow_heal_attempts GROUP BY result")
    assert [(row["result"], row["n"]) for row in attempts] == [("success", SUSPENDED)]
    assert await place.count("heal_claim") == 0
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, dict.fromkeys(orgs, "100"))
