"""The gate of an effect, and how each end of a strategy becomes an outcome."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

import pytest

from consumer.errors import DeadlinePassed, LostClaim, RevokedClaim, TransientError
from consumer.heal.gate import Gate
from consumer.heal.kept import HealState
from consumer.heal.run import run
from consumer.heal.strategy import EffectGate, Task
from consumer.model import (
    AttemptId,
    Claim,
    Crashed,
    Healed,
    MicroAud,
    NotHealed,
    Outcome,
    Proof,
    Refused,
    RetryLater,
    Unknown,
)
from consumer.model.call import MAY_START
from consumer.model.suspension import KeptState
from schemas.names import Code, Effect, Verdict
from tests.support.healing import failure, outcome_of, policy, task
from tests.support.worlds.scripted import Scripted

ME = AttemptId(UUID(int=7))
HEALED = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it works"),))


class Durable:
    """Remembers what was made durable, and does what it is told in between."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.begun: list[AttemptId] = []
        self.started: list[AttemptId] = []
        self.kept: list[KeptState] = []
        self.then = then

    async def permit(self, _: Claim, seen_at: float) -> float:
        return seen_at

    def may_start(self, _: Claim, seen_at: float) -> bool:  # noqa: ARG002 - the Protocol's
        return True

    async def make_durable(self, claim: Claim) -> None:
        self.then()
        self.begun.append(claim.attempt_id)

    async def keep(self, _: Claim, state: KeptState) -> None:
        self.then()
        self.kept.append(state)

    def gate(self, effect: Effect, left: float = 60) -> Gate:
        claim = Claim(attempt_id=ME, step=0, held=MicroAud(0), deadline=time.monotonic() + left)
        return Gate(claim, effect, self, self.started.append)


def raising(error: Exception) -> Callable[[], None]:
    def then() -> None:
        raise error

    return then


async def ends(heals: Callable[[Task, EffectGate], Awaitable[Outcome]], effect: Effect, left: float = 60) -> Outcome:
    strategy = Scripted(heals=heals, kind=effect)
    return outcome_of(await run(strategy, task(strategy, failure({}), policy()), Durable().gate(effect, left)))


@pytest.mark.parametrize("effect", list(Effect))
async def test_only_an_unsafe_effect_is_made_durable_before_it_begins(effect: Effect) -> None:
    durable = Durable()
    gate = durable.gate(effect)
    await gate.begin()
    assert durable.begun == ([ME] if effect is Effect.UNSAFE else [])
    assert (durable.started, gate.begun) == ([ME], True)


@pytest.mark.parametrize("effect", list(Effect))
async def test_past_the_deadline_no_effect_begins(effect: Effect) -> None:
    durable = Durable()
    gate = durable.gate(effect, left=-0.001)
    with pytest.raises(DeadlinePassed):
        await gate.begin()
    assert (durable.started, gate.begun, gate.remaining()) == ([], False, timedelta(0))


async def test_a_process_that_was_stopped_while_it_announced_its_effect_does_not_make_it() -> None:
    until = time.monotonic() + 0.02

    def stopped() -> None:
        while time.monotonic() <= until:
            pass  # as a stopped process: nothing of it runs, and the clock goes on

    durable = Durable(then=stopped)
    gate = durable.gate(Effect.UNSAFE, left=0.01)
    with pytest.raises(DeadlinePassed):
        await gate.begin()
    assert durable.started == []


async def test_a_claim_that_is_anothers_lets_nothing_begin() -> None:
    durable = Durable(then=raising(LostClaim("gone")))
    gate = durable.gate(Effect.UNSAFE)
    with pytest.raises(LostClaim):
        await gate.begin()
    assert not gate.begun


class Noted(HealState):
    version: ClassVar[int] = 1


async def test_what_an_heir_counts_by_itself_is_no_late_charge_until_the_next_state_is_kept() -> None:
    durable = Durable()
    gate = durable.gate(Effect.KEYED)
    gate.charge(MicroAud(5))
    assert gate.unkept_charge == 5
    await gate.keep(Noted())
    gate.cover(MicroAud(20))
    gate.charge(MicroAud(15))
    assert gate.unkept_charge == 0, "its heir counts up to 20 for what began under the state"
    gate.charge(MicroAud(30))
    assert gate.unkept_charge == 25
    durable.then = raising(LostClaim("gone"))
    with pytest.raises(LostClaim):
        await gate.keep(Noted())
    assert gate.unkept_charge == 25
    durable.then = lambda: None
    await gate.keep(Noted())
    gate.charge(MicroAud(1))
    assert gate.unkept_charge == 1


async def begins_and_breaks(_: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    raise ValueError("a bug")


async def breaks(_: Task, __: EffectGate) -> Outcome:
    raise ValueError("a bug")


async def begins_and_hangs(_: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    return await asyncio.Future()


async def hangs(_: Task, __: EffectGate) -> Outcome:
    return await asyncio.Future()


async def succeeds(_: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    return HEALED


@pytest.mark.parametrize("effect", list(Effect))
async def test_a_bug_before_any_effect_is_a_crash(effect: Effect) -> None:
    assert isinstance(await ends(breaks, effect), Crashed)


@pytest.mark.parametrize("heals", [begins_and_breaks, begins_and_hangs], ids=["breaks", "hangs"])
@pytest.mark.parametrize("effect", list(Effect))
async def test_after_an_effect_began_only_a_repeatable_one_is_known_to_need_no_person(
    heals: Callable[[Task, EffectGate], Awaitable[Outcome]], effect: Effect
) -> None:
    outcome = await ends(heals, effect, left=0.05)
    if effect is Effect.UNSAFE:
        assert isinstance(outcome, Unknown)
    else:
        assert isinstance(outcome, NotHealed)
        assert outcome.code is Code.UNVERIFIED


async def test_a_window_that_passes_before_anything_was_sent_is_tried_again() -> None:
    assert isinstance(await ends(hangs, Effect.UNSAFE, left=0.05), RetryLater)
    assert isinstance(await ends(succeeds, Effect.UNSAFE, left=-1), RetryLater)


async def test_what_a_strategy_gives_is_what_comes_of_it() -> None:
    assert await ends(succeeds, Effect.UNSAFE) is HEALED


async def test_a_lost_claim_ends_it_without_an_outcome() -> None:
    async def loses(_: Task, __: EffectGate) -> Outcome:
        raise LostClaim("gone")

    with pytest.raises(LostClaim):
        await ends(loses, Effect.KEYED)


async def test_a_database_that_is_away_when_an_effect_is_announced_means_no_effect() -> None:
    durable = Durable(then=raising(TransientError("away")))
    strategy = Scripted(heals=succeeds, kind=Effect.UNSAFE)
    outcome = await run(strategy, task(strategy, failure({}), policy()), durable.gate(Effect.UNSAFE))
    assert isinstance(outcome, RetryLater)
    assert not outcome.effect_in_doubt
    assert durable.started == []


async def test_a_database_that_goes_away_between_two_effects_leaves_the_first_to_a_person() -> None:
    durable = Durable()

    async def begins_twice(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        durable.then = raising(TransientError("away"))
        await gate.begin()
        return HEALED

    strategy = Scripted(heals=begins_twice, kind=Effect.UNSAFE)
    outcome = await run(strategy, task(strategy, failure({}), policy()), durable.gate(Effect.UNSAFE))
    assert isinstance(outcome, Unknown)
    assert durable.started == [ME]


async def test_cancelling_is_not_swallowed() -> None:
    running = asyncio.create_task(ends(begins_and_hangs, Effect.UNSAFE))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


PASSES = Proof(oracle="test", verdict=Verdict.PASSED, detail="")
UNPROVEN = {
    "nothing": (),
    "an oracle that is not its own": (replace(PASSES, oracle="somebody"),),
    "nothing that decides": (replace(PASSES, verdict=Verdict.INCONCLUSIVE),),
    "a denial beside it": (PASSES, Proof(oracle="another", verdict=Verdict.FAILED, detail="")),
}


@pytest.mark.parametrize("proofs", UNPROVEN.values(), ids=UNPROVEN)
@pytest.mark.parametrize("acted", [True, False])
async def test_healed_without_a_proof_is_not_believed(proofs: tuple[Proof, ...], acted: bool) -> None:
    async def says_so(_: Task, gate: EffectGate) -> Outcome:
        if acted:
            await gate.begin()
        return Healed(proofs=proofs, details={"said": "done"}, spent=MicroAud(7))

    for effect in Effect:
        outcome = await ends(says_so, effect)
        if effect is Effect.UNSAFE and acted:
            assert isinstance(outcome, Unknown)
        else:
            assert isinstance(outcome, NotHealed)
            assert (outcome.code, outcome.spent) == (Code.UNVERIFIED, 7)
        assert (outcome.proofs, outcome.details) == (proofs, {"said": "done"})


@pytest.mark.parametrize(
    ("effect", "begun", "expected"),
    [
        (Effect.IDEMPOTENT, False, Refused(code=Code.DENIED, reason="decided")),
        (Effect.UNSAFE, False, Refused(code=Code.DENIED, reason="decided")),
        (Effect.KEYED, True, NotHealed(code=Code.UNVERIFIED, reason="decided")),
        (Effect.UNSAFE, True, Unknown(reason="decided")),
    ],
)
async def test_what_a_decision_stops_tells_whether_anything_was_sent_before(
    effect: Effect, begun: bool, expected: Outcome
) -> None:
    async def heals(_: Task, gate: EffectGate) -> Outcome:
        if begun:
            await gate.begin()
        raise RevokedClaim("decided")

    assert await ends(heals, effect) == expected


@pytest.mark.parametrize("sent_before", [False, True])
async def test_a_decision_on_what_was_begun_and_never_sent_leaves_no_doubt(sent_before: bool) -> None:
    async def heals(_: Task, gate: EffectGate) -> Outcome:
        if sent_before:
            await gate.begin()
        await gate.begin()
        gate.unsent()
        raise RevokedClaim("decided")

    outcome = await ends(heals, Effect.UNSAFE)
    assert outcome == (Unknown(reason="decided") if sent_before else Refused(code=Code.DENIED, reason="decided"))


class Withdrawn(Durable):
    """A permission that is gone the moment after it was given, some times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.asked = 0

    async def permit(self, _: Claim, seen_at: float) -> float:
        self.asked += 1
        return seen_at

    def may_start(self, _: Claim, seen_at: float) -> bool:  # noqa: ARG002 - the Protocol's
        self.times -= 1
        return self.times < 0


async def test_a_permission_that_was_lost_in_between_is_waited_for_and_the_beginning_written_once() -> None:
    tenure = Withdrawn(times=2)
    gate = tenure.gate(Effect.UNSAFE)
    await gate.begin()
    assert (tenure.asked, tenure.begun, gate.begun) == (3, [ME], True)


async def test_a_call_looks_once_more_before_its_first_byte() -> None:
    seen: list[bool] = []

    async def heals(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        seen.append(MAY_START.get()())
        tenure.times = 1
        seen.append(MAY_START.get()())
        return HEALED

    tenure = Withdrawn(times=0)
    strategy = Scripted(heals=heals, kind=Effect.IDEMPOTENT)
    await run(strategy, task(strategy, failure({}), policy()), tenure.gate(Effect.IDEMPOTENT))
    assert seen == [True, False]
    assert MAY_START.get()()
