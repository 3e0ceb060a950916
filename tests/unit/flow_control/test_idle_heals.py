"""What a heal gives back while it only waits: within a bound, in fair shares, and taken again at the end."""

import asyncio
from contextlib import AsyncExitStack
from itertools import count
from uuid import UUID

import pytest

from consumer.flow_control.dependencies import IDLE_HEALS, Dependencies
from consumer.flow_control.idle_heals import HeldByHeal
from consumer.flow_control.slots import IDLE_LEAST, HealSlots
from consumer.model import AttemptId, Health, OrgId
from tests.support.patience import PATIENCE

ONE, TWO = (OrgId(UUID(int=n)) for n in (101, 102))
KEY = "dependency:one:http://other.test"
NUMBERS = count(1)


def report(*, probe: bool = False) -> Health:
    return Health(key=KEY, org_id=ONE, dependency="http://other.test", healthy=None, probe=probe)


async def heal(live: HealSlots, dependencies: Dependencies, org: OrgId = ONE, *, probe: bool = False) -> HeldByHeal:
    """Begin a heal, with its slot and its room."""
    attempt = AttemptId(UUID(int=next(NUMBERS)))
    live.add(attempt, org, is_new=True)
    assert not live._semaphore.locked()  # noqa: SLF001 - else it would wait for ever
    await live._semaphore.acquire()  # noqa: SLF001
    dependencies.started(KEY)
    return HeldByHeal(
        live=live, dependencies=dependencies, attempt_id=attempt, healths=(report(probe=probe),), others={}
    )


async def test_slot_and_room_are_given_back_for_the_wait_and_taken_again_after_it() -> None:
    live, dependencies = HealSlots(1), Dependencies(1)
    held = await heal(live, dependencies)
    assert (live.free(), dependencies.free_slots(KEY)) == (0, 0)
    async with held.given_back(dependency_unhealthy=False):
        assert (live.free(), dependencies.free_slots(KEY)) == (1, 1)
    assert (live.free(), dependencies.free_slots(KEY)) == (0, 0)


async def test_a_heal_whose_wait_is_over_waits_until_a_slot_is_free() -> None:
    live, dependencies = HealSlots(1), Dependencies(9)
    first = await heal(live, dependencies)
    over, on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        async with first.given_back(dependency_unhealthy=False):
            await over.wait()
        on.set()

    waiting = asyncio.create_task(wait())
    for _ in range(10):
        await asyncio.sleep(0)
    assert live.free() == 1
    second = await heal(live, dependencies)
    over.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not on.is_set()
    live.release(ONE, second.attempt_id)
    live.settling(second.attempt_id)
    await asyncio.wait_for(waiting, PATIENCE)


async def test_a_heal_that_is_cut_off_in_its_wait_frees_nothing_twice() -> None:
    live, dependencies = HealSlots(2), Dependencies(2)
    held, other = await heal(live, dependencies), await heal(live, dependencies)
    with pytest.raises(TimeoutError):
        async with held.given_back(dependency_unhealthy=True):
            raise TimeoutError
    live.release(ONE, held.attempt_id)
    live.settling(held.attempt_id)
    live.forget([held.attempt_id])
    dependencies.ended(KEY, healthy=False)
    assert (live.free(), dependencies.under_way()) == (1 + 1, {KEY: 1})  # one was free, one ended just now
    live.release(ONE, other.attempt_id)
    assert live._semaphore._value == 2  # noqa: SLF001 - never more than there are


async def test_waiting_heals_of_one_organisation_leave_places_to_those_of_another() -> None:
    live, dependencies = HealSlots(4 * IDLE_LEAST), Dependencies(10_000)
    async with AsyncExitStack() as waits:
        for _ in range(3 * IDLE_LEAST):
            held = await heal(live, dependencies)
            await waits.enter_async_context(held.given_back(dependency_unhealthy=False))
        kept = 4 * IDLE_LEAST - live.free()
        assert 0 < kept < 3 * IDLE_LEAST
        other = await heal(live, dependencies, TWO)
        before = live.free()
        async with other.given_back(dependency_unhealthy=False):
            assert live.free() == before + 1


async def test_calls_that_tell_no_success_take_all_but_one_off_the_room() -> None:
    live, dependencies = HealSlots(1000), Dependencies(10)
    async with AsyncExitStack() as waits:
        for _ in range(IDLE_HEALS):
            held = await heal(live, dependencies)
            await waits.enter_async_context(held.given_back(dependency_unhealthy=True))
            assert dependencies.free_slots(KEY) <= 10
        assert dependencies.free_slots(KEY) == 0  # none more of it, until one of them has ended
    assert dependencies.under_way() == {KEY: IDLE_HEALS}


async def test_a_probe_that_waits_is_none_any_more_and_another_may_probe() -> None:
    live, dependencies = HealSlots(1), Dependencies(1)
    held = await heal(live, dependencies, probe=True)
    async with held.given_back(dependency_unhealthy=True):
        assert not held.is_probe
        (told,) = dependencies.take_left_probes()
        assert (told.probe, told.healthy) == (True, False)
    assert dependencies.take_left_probes() == []
