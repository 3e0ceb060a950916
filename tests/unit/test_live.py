"""Slots: taken once an attempt, freed for those who wait, and never more than there are."""

import asyncio
from datetime import timedelta
from uuid import UUID

from consumer.live import LiveHeals
from consumer.model import AttemptId

A, B, C = (AttemptId(UUID(int=n)) for n in range(3))
SHORT, LONG = timedelta(milliseconds=20), timedelta(seconds=5)


def test_an_attempt_takes_one_slot_however_often_it_is_added() -> None:
    live = LiveHeals(2)
    assert [live.add(A), live.add(A), live.add(B)] == [True, False, True]
    assert (len(live), live.free(), live.ids()) == (2, 0, (A, B))
    live.end([A, A, C])
    assert (live.free(), live.ids()) == (1, (B,))


def test_a_reserve_is_kept_and_free_slots_are_never_negative() -> None:
    live = LiveHeals(2)
    live.add(A)
    assert (live.free(reserve=1), live.free(reserve=5)) == (0, 0)


def test_what_has_started_an_effect_is_not_handed_back() -> None:
    live = LiveHeals(3)
    live.add(A)
    live.add(B)
    live.effect_started(A)
    assert live.unstarted() == (B,)
    live.end([B])
    assert live.unstarted() == ()


def full_of_unsettled() -> LiveHeals:
    """No slot is taken, and yet none is given: the database has not caught up."""
    live = LiveHeals(1)
    for attempt in (A, B):
        live.add(attempt)
        live.settling(attempt)
    return live


def test_an_ended_heal_gives_its_slot_to_the_next_while_it_waits_for_its_settle() -> None:
    live = LiveHeals(1)
    live.add(A)
    assert live.free() == 0
    live.settling(A)
    assert live.free() == 1
    assert len(live) == 1


async def test_who_waits_gets_slots_as_they_are_freed() -> None:
    live = full_of_unsettled()
    waiting = asyncio.create_task(live.wait_for_free(1, 0, SHORT, LONG))
    await asyncio.sleep(0)
    assert not waiting.done()
    live.end([A])
    assert await asyncio.wait_for(waiting, 1) == 1


async def test_waiting_ends_when_nothing_is_about_to_be_free() -> None:
    live = LiveHeals(1)
    live.add(A)
    assert await asyncio.wait_for(live.wait_for_free(1, 0, SHORT, LONG), 1) == 0


async def test_waiting_ends_in_any_case() -> None:
    live = full_of_unsettled()
    assert await asyncio.wait_for(live.wait_for_free(1, 0, SHORT, 3 * SHORT), 1) == 0


async def test_no_more_is_given_than_was_wanted() -> None:
    assert await LiveHeals(10).wait_for_free(3, 2, SHORT, LONG) == 3


def test_the_oldest_is_the_first_that_is_still_there() -> None:
    live = LiveHeals(2)
    assert live.oldest() == timedelta(0)
    live.add(A)
    first = live.oldest()
    live.add(B)
    assert live.oldest() >= first
    live.end([A, B])
    assert live.oldest() == timedelta(0)
