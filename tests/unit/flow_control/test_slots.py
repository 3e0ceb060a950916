"""Slots: taken once an attempt, freed for those who wait, shared among organisations, and never more than there are."""

import asyncio
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.flow_control.slots import UNSETTLED_LEAST, HealSlots, SlotDecision
from consumer.model import AttemptId, OrgId
from tests.support.patience import BEYOND_PATIENCE, PATIENCE

A, B, C = (AttemptId(UUID(int=n)) for n in range(3))
ONE, TWO, THREE = (OrgId(UUID(int=n)) for n in range(101, 104))
NUMBERS = count(1000)
NONE = timedelta(0)
SHORT, LONG = timedelta(milliseconds=20), BEYOND_PATIENCE


def filled(live: HealSlots, org: OrgId, many: int, *, is_new: bool = True) -> list[AttemptId]:
    """Take slots for one organisation."""
    attempts = [AttemptId(UUID(int=next(NUMBERS))) for _ in range(many)]
    for attempt in attempts:
        live.add(attempt, org, is_new=is_new)
    return attempts


def takes_all(live: HealSlots, org: OrgId, *, for_new: bool = False) -> int:
    """Let an organisation take whatever it is given, one by one; gives how many it has then."""
    taken = 0
    while live.admit([org], for_new=for_new) == [True]:
        taken += len(filled(live, org, 1, is_new=for_new))
    return taken


def test_an_attempt_takes_one_slot_however_often_it_is_added() -> None:
    live = HealSlots(2)
    assert [live.add(attempt, ONE, is_new=True) for attempt in (A, A, B)] == [True, False, True]
    assert (len(live), live.free(), live.ids()) == (2, 0, (A, B))
    live.forget([A, A, C])
    assert (live.free(), live.ids()) == (1, (B,))


def test_new_failures_leave_a_share_to_those_that_are_due_again() -> None:
    live = HealSlots(8, resume_share=0.25)
    filled(live, ONE, 6)
    assert (live.free(), live.free(for_new=True)) == (2, 2)
    live.due_waits = True
    assert (live.free(), live.free(for_new=True)) == (2, 0)
    live.forget(live.ids()[:1])
    filled(live, TWO, 3, is_new=False)
    assert (live.free(), live.free(for_new=True)) == (0, 0)
    live.forget(live.ids()[-3:])
    assert (live.free(), live.free(for_new=True)) == (3, 1)


def test_what_has_started_an_effect_is_not_handed_back() -> None:
    live = HealSlots(3)
    live.add(A, ONE, is_new=True)
    live.add(B, ONE, is_new=True)
    live.effect_started(A)
    assert live.unstarted() == (B,)
    live.forget([B])
    assert live.unstarted() == ()


def test_alone_an_organisation_gets_nearly_all_slots() -> None:
    assert takes_all(HealSlots(1000), ONE) == 900
    assert takes_all(HealSlots(1), ONE) == 1


@pytest.mark.parametrize("greedy", [1, 2, 3])
def test_however_many_are_greedy_another_one_finds_a_slot(greedy: int) -> None:
    live = HealSlots(1000)
    for n in range(greedy):
        assert takes_all(live, OrgId(UUID(int=n))) > 0
    assert live.free() > 0
    assert live.admit([THREE]) == [True]


def test_a_greedy_organisation_gets_nothing_more() -> None:
    live = HealSlots(100)
    takes_all(live, ONE)
    assert live.admit([ONE, TWO, ONE]) == [False, True, False]
    assert live.free_slots(ONE) == 0
    assert live.free_slots(TWO) > 0


@given(
    slots=st.integers(1, 200),
    asked=st.lists(st.sampled_from([ONE, TWO, THREE]), max_size=300),
    held=st.lists(st.sampled_from([ONE, TWO]), max_size=100),
)
def test_a_batch_gets_what_it_would_get_one_by_one(slots: int, asked: list[OrgId], held: list[OrgId]) -> None:
    at_once, one_by_one = HealSlots(slots), HealSlots(slots)
    for live in (at_once, one_by_one):
        for org in held[:slots]:
            filled(live, org, 1, is_new=False)
    singly = []
    for org in asked:
        (gets_one,) = one_by_one.admit([org], for_new=True)
        if gets_one:
            filled(one_by_one, org, 1)
        singly.append(gets_one)
    assert at_once.admit(asked, for_new=True) == singly
    assert len(one_by_one) <= slots


def full_of_unsettled() -> HealSlots:
    """No slot is taken, and yet none is given: the database has not caught up."""
    live = HealSlots(1)
    live.add(A, ONE, is_new=True)
    for attempt in (A, *filled(live, ONE, UNSETTLED_LEAST - 1)):
        live.settling(attempt)
    return live


def test_as_many_ended_heals_may_wait_as_there_are_slots_and_where_those_are_few_as_one_settlement_takes() -> None:
    for slots in (1, 2 * UNSETTLED_LEAST):
        live, most = HealSlots(slots), max(UNSETTLED_LEAST, slots)
        for _ in range(most):
            assert live.free() > 0
            live.settling(*filled(live, ONE, 1))
        assert live.free() == 0


def test_an_ended_heal_gives_its_slot_to_the_next_while_it_waits_for_its_settle() -> None:
    live = HealSlots(1)
    live.add(A, ONE, is_new=True)
    assert live.free() == 0
    live.settling(A)
    assert live.free() == 1
    assert len(live) == 1
    live.forget([A])
    assert (live.free(), len(live)) == (1, 0)


async def test_who_waits_gets_slots_as_they_are_freed() -> None:
    live = full_of_unsettled()
    waiting = asyncio.create_task(live.wait_to_admit([ONE], stalled_after=SHORT, at_most=LONG))
    await asyncio.sleep(0)
    assert not waiting.done()
    live.forget([A])
    assert await asyncio.wait_for(waiting, PATIENCE) == [SlotDecision.NOW]


async def test_waiting_ends_when_nothing_is_about_to_be_free_and_is_not_tried_again_until_something_is() -> None:
    live = HealSlots(1)
    live.add(A, ONE, is_new=True)
    assert await asyncio.wait_for(live.wait_to_admit([TWO], stalled_after=SHORT, at_most=LONG), PATIENCE) == [
        SlotDecision.STORE_ONLY
    ]
    at_once = asyncio.create_task(live.wait_to_admit([TWO, TWO], stalled_after=LONG, at_most=LONG))
    await asyncio.sleep(0)
    assert at_once.done()
    assert at_once.result() == [SlotDecision.STORE_ONLY, SlotDecision.STORE_ONLY]
    live.forget([A])
    live.add(B, ONE, is_new=True)
    waits = asyncio.create_task(live.wait_to_admit([TWO], stalled_after=LONG, at_most=LONG))
    await asyncio.sleep(0)
    assert not waits.done()
    live.forget([B])
    assert await asyncio.wait_for(waits, PATIENCE) == [SlotDecision.NOW]


async def test_while_heals_end_a_batch_is_served_in_parts() -> None:
    live = HealSlots(8)
    first = filled(live, ONE, 4)
    filled(live, TWO, 2)
    asked = [OrgId(UUID(int=n)) for n in range(1, 5)]
    assert await live.wait_to_admit(asked, stalled_after=LONG, at_most=LONG) == [
        SlotDecision.NOW,
        SlotDecision.NOW,
        SlotDecision.LATER,
        SlotDecision.LATER,
    ]
    for org in asked[:2]:
        filled(live, org, 1)
    waits = asyncio.create_task(live.wait_to_admit(asked[2:], stalled_after=LONG, at_most=LONG))
    await asyncio.sleep(0)
    live.settling(first[0])
    await asyncio.sleep(0)
    assert not waits.done()  # fewer than are worth a transaction
    live.settling(first[1])
    assert await asyncio.wait_for(waits, PATIENCE) == [SlotDecision.NOW, SlotDecision.NOW]


async def test_an_organisation_at_its_share_is_waited_for_while_its_heals_end() -> None:
    live = HealSlots(4)
    held = filled(live, ONE, 3)
    waits = asyncio.create_task(live.wait_to_admit([ONE], stalled_after=LONG, at_most=LONG))
    await asyncio.sleep(0)
    assert waits.result() == [SlotDecision.STORE_ONLY]  # it hangs
    live.settling(held[0])
    filled(live, ONE, 1)
    waits = asyncio.create_task(live.wait_to_admit([TWO, ONE], stalled_after=LONG, at_most=LONG))
    await asyncio.sleep(0)
    assert waits.result() == [SlotDecision.NOW, SlotDecision.LATER]  # one of its own has just ended


async def test_who_comes_after_one_whose_slot_is_about_to_be_free_does_not_wait_for_it() -> None:
    live = HealSlots(8)
    held = filled(live, ONE, 6)
    live.settling(held[0])
    filled(live, ONE, 1)
    asked = [TWO, ONE, THREE, ONE]
    turns = await asyncio.wait_for(live.wait_to_admit(asked, stalled_after=LONG, at_most=LONG), PATIENCE)
    assert turns == [SlotDecision.NOW, SlotDecision.LATER, SlotDecision.NOW, SlotDecision.LATER]


async def test_waiting_ends_in_any_case() -> None:
    live = full_of_unsettled()
    assert await asyncio.wait_for(live.wait_to_admit([ONE], stalled_after=SHORT, at_most=3 * SHORT), PATIENCE) == [
        SlotDecision.STORE_ONLY
    ]


async def test_nobody_waits_for_the_slots_of_an_organisation_that_hangs() -> None:
    live = HealSlots(100)
    takes_all(live, ONE)
    asked = [ONE, TWO, ONE]
    admitted = asyncio.create_task(live.wait_to_admit(asked, stalled_after=LONG, at_most=LONG))
    await asyncio.sleep(0)
    assert admitted.done()
    assert admitted.result() == [SlotDecision.STORE_ONLY, SlotDecision.NOW, SlotDecision.STORE_ONLY]


async def test_what_is_waited_for_is_all_or_some() -> None:
    live = HealSlots(3)
    filled(live, ONE, 3)
    some = asyncio.create_task(live.wait_for_some(1, LONG))
    every = asyncio.create_task(live.wait_for_all(LONG))
    await asyncio.sleep(0)
    live.settling(live.ids()[0])
    await asyncio.wait_for(some, PATIENCE)
    assert not every.done()
    live.forget(live.ids())
    await asyncio.wait_for(every, PATIENCE)


def test_the_oldest_is_the_first_that_is_still_under_way() -> None:
    live = HealSlots(2)
    assert live.oldest() == timedelta(0)
    live.add(A, ONE, is_new=True)
    first = live.oldest()
    live.add(B, ONE, is_new=True)
    assert live.oldest() >= first
    live.settling(A)
    live.settling(B)
    assert live.oldest() == timedelta(0)


async def test_what_ends_lets_heals_be_claimed_ahead_of_their_slots_and_what_hangs_does_not() -> None:
    live = HealSlots(8)
    assert all([await live.acquire(NONE) for _ in range(8)])
    filled(live, ONE, 4)
    filled(live, TWO, 4)
    assert live.free() == 0
    assert not await live.acquire(NONE)  # none ended: none begins
    for _ in range(3):
        live.release(ONE)
    assert live.free() == 3  # as many as ended just now
    for _ in range(9):
        live.release(ONE)
    assert live.free() == 8  # and no more than there are slots
    assert live.free_slots(ONE) > 0
    assert live.free_slots(TWO) == 0  # whose heals all hang


async def test_heals_that_were_claimed_ahead_begin_in_their_order_and_never_too_many() -> None:
    live, begun = HealSlots(2), list[int]()

    async def heal(number: int) -> None:
        assert await live.acquire(LONG)
        begun.append(number)

    heals = [asyncio.create_task(heal(number)) for number in range(5)]
    for expected in (2, 3, 4, 5):
        for _ in range(5):
            await asyncio.sleep(0)
        assert begun == list(range(expected))
        live.release(ONE)
    await asyncio.gather(*heals)


async def test_new_failures_wait_for_a_third_of_what_they_may_have_and_not_of_what_is_kept_for_others() -> None:
    live = HealSlots(12)
    for attempt in filled(live, ONE, 12):
        live.settling(attempt)
        live.release(ONE)  # at a pace at which as many as there are slots may be claimed ahead
        live.forget([attempt])
    live.due_waits = True
    filled(live, ONE, 6)  # nine may be new
    waiting = asyncio.create_task(live.wait_to_admit([TWO] * 9, stalled_after=LONG, at_most=LONG))
    await asyncio.sleep(0)
    assert waiting.done()
    assert (await waiting).count(SlotDecision.NOW) == 3
