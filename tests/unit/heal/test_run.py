"""A heal that this process could not carry out counts against nobody."""

import errno
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from consumer.errors import OutOfResources, OwnFault, TransientError
from consumer.heal.gate import run_permitted
from consumer.heal.run import run
from consumer.heal.strategy import EffectGate, Task
from consumer.model import Crashed, Outcome, RetryLater, Unknown
from schemas.names import Effect
from tests.support.healing import failure, outcome_of, policy, task
from tests.support.worlds.scripted import Scripted
from tests.unit.heal.test_gate import Durable

FAULTS: tuple[tuple[Exception, OwnFault], ...] = (
    (OSError(errno.EMFILE, "Too many open files"), OwnFault.OPEN_FILES),
    (BlockingIOError(errno.EAGAIN, "fork"), OwnFault.PROCESSES),
    (RuntimeError("can't start new thread"), OwnFault.PROCESSES),
    (MemoryError(), OwnFault.MEMORY),
    (OSError(errno.ENOBUFS, "No buffer space available"), OwnFault.BUFFERS),
)


async def ends(
    heals: Callable[[Task, EffectGate], Awaitable[Outcome]], effect: Effect
) -> tuple[Outcome, Counter[OwnFault]]:
    strategy, counted = Scripted(heals=heals, kind=effect), Counter[OwnFault]()
    gate = Durable().gate(effect)
    ended = await run(strategy, task(strategy, failure({}), policy()), gate, lambda one: counted.update([one]))
    return outcome_of(ended), counted


@pytest.mark.parametrize("effect", list(Effect))
@pytest.mark.parametrize(("error", "fault"), FAULTS, ids=str)
async def test_a_fault_of_our_own_before_an_effect_puts_the_heal_off(
    error: Exception, fault: OwnFault, effect: Effect
) -> None:
    async def heals(_: Task, __: EffectGate) -> Outcome:
        raise error

    outcome, counted = await ends(heals, effect)
    assert isinstance(outcome, RetryLater)
    assert (outcome.dependency_unhealthy, outcome.effect_in_doubt) == (False, False)
    assert 5 <= outcome.after.total_seconds() <= 10
    assert "counts against nobody" in outcome.reason
    assert counted == {fault: 1}


@pytest.mark.parametrize("effect", list(Effect))
async def test_an_effect_of_which_nothing_was_sent_did_not_begin(effect: Effect) -> None:
    async def heals(_: Task, gate: EffectGate) -> Outcome:
        async def act() -> Outcome:
            raise OutOfResources(OwnFault.OPEN_FILES)

        return await run_permitted(gate, act)

    outcome, _ = await ends(heals, effect)
    assert isinstance(outcome, RetryLater)
    assert not outcome.effect_in_doubt


@pytest.mark.parametrize(
    ("effect", "kind", "in_doubt"),
    [
        (Effect.NONE, RetryLater, False),
        (Effect.IDEMPOTENT, RetryLater, False),
        (Effect.KEYED, RetryLater, True),
        (Effect.UNSAFE, Unknown, None),
    ],
)
async def test_after_an_effect_only_one_that_must_not_be_repeated_needs_a_person(
    effect: Effect, kind: type[Outcome], in_doubt: bool | None
) -> None:
    async def heals(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        raise MemoryError

    outcome, counted = await ends(heals, effect)
    assert isinstance(outcome, kind)
    assert getattr(outcome, "effect_in_doubt", None) is in_doubt
    assert not getattr(outcome, "dependency_unhealthy", False)
    assert counted == {OwnFault.MEMORY: 1}


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), TransientError("the database"), OSError(errno.ECONNREFUSED, "")]
)
async def test_anything_else_is_as_it_was(error: Exception) -> None:
    async def heals(_: Task, __: EffectGate) -> Outcome:
        raise error

    outcome, counted = await ends(heals, Effect.NONE)
    assert isinstance(outcome, Crashed | RetryLater)
    assert not counted
