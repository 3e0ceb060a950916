"""Where faults are made: a stream of every kind, a member that goes on, and the oracle's whole verdict."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias
from uuid import UUID

from tests.support import oracle
from tests.support.faults.producers import NOT_JSON, TAKEN_BACK, Event, Letter
from tests.support.faults.run_consumer import Act, acting_strategies, impatient
from tests.support.pipeline import Running, Site, event, until
from tests.support.stream import failures_of, kind_of
from tests.support.worlds.http_world import World

WINDOW: Final = 1.5
"""Seconds of a claim's window: a stopped process's own clock cannot be put forward."""
BUDGET: Final = "1000"
ROUNDS: Final = 2
PARTITIONS: Final = 2
Write: TypeAlias = Callable[[int, Sequence[Event]], Awaitable[object]]
UNSAFE: Final = ("/unsafe", "/late-unsafe", "/twin-unsafe")


async def publish_all_kinds(ground: Site, world: World, org: UUID, write: Write | None = None) -> list[str]:
    """Some of each kind, two that no strategy is installed for, one delivered twice, one poison; gives the names.

    `write` writes to a partition; without it each record is a plain one.
    """
    published: dict[str, Event] = {}
    for n in range(ROUNDS):
        name = f"refused/{n}"
        events = {name: event(org, name, workflow_name=name, failure_reason="the voice is silent")}
        events |= failures_of(world, org, n)
        for partition in range(PARTITIONS):
            some = list(events.values())[partition::PARTITIONS]
            await (ground.publish(*some, partition=partition) if write is None else write(partition, some))
        published |= events
    await ground.publish(published["keyed/0/a"], NOT_JSON.value, partition=NOT_JSON.partition)
    return list(published)


@asynccontextmanager
async def successor(behind: Site) -> AsyncIterator[Running]:
    """Run a member in this process, whose claims and calls are as short and as tagged as the others'."""
    async with (
        impatient(),
        acting_strategies(behind.settings, Act(at="", window=WINDOW)) as strategies,
        behind.consumer(strategies) as running,
    ):
        # Without a broker it would not start at all: that is another fault than those made here.
        await until(lambda: _is_member(running))
        yield running


async def _is_member(running: Running) -> bool:
    if running.task.done():
        await running.task
    return not running.consumer.source.unassigned_for


async def at_rest(running: Running, ground: Site, failures: int) -> oracle.Rest:
    """Whether a running consumer has nothing left to do."""
    if running.task.done():
        await running.task
    return await oracle.at_rest(ground, failures)


async def judge(
    ground: Site,
    world: World,
    org: UUID,
    names: Collection[str],
    decided: Collection[str] = (),
    letters: Collection[Letter] = (NOT_JSON,),
) -> None:
    """Compare what was published with rows, messages, dead letters, credits, and with what the target saw.

    A failure of which a person has `decided` ends as they said; whatever they said, no call of it was made twice.
    """
    await oracle.every_event_has_one_row(ground, names)
    await oracle.every_failure_ended_or_is_due(ground)
    await oracle.everything_that_ended_was_told(ground)
    await oracle.one_attempt_per_step(ground, decided)
    await oracle.credits_add_up(ground, {org: BUDGET})
    oracle.no_effect_was_wrong(world, UNSAFE)
    status = {name: row["status"] for name, row in (await ground.failures()).items()}
    left = {name: is_now for name, is_now in status.items() if name not in decided}
    odd = {name: is_now for name, is_now in left.items() if is_now not in kind_of(name).ends}
    assert odd == {}, odd
    found = {Letter(int(one.headers["shw_dlq_partition"]), one.value) for one in await ground.letters()}
    assert found == set(letters)
    assert [span for span in world.spans if span.seen.path == TAKEN_BACK] == [], (
        "a call that no committed failure asks for"
    )
