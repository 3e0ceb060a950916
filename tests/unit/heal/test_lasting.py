"""A lasting strategy may have every bug: its heal ends as its effect demands, and never stops its process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from consumer.errors import ConfigError, DeadlinePassed, LostClaim
from consumer.heal.gate import Gate
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.heal.run import run
from consumer.heal.strategy import MAX_SUSPENSION, EffectGate, Task, readable_states
from consumer.model import Crashed, NotHealed, Outcome, Unknown
from consumer.model.suspension import SuspendedHeal
from schemas.names import Effect, StrategyName
from tests.support.healing import failure, policy, task
from tests.support.worlds.jobs import Jobs, JobState, Orders
from tests.unit.heal.test_gate import Durable

WAITS = JobState(stage="waits", job_id="job-17")
Bug = Callable[[Task, EffectGate], Awaitable[Any]]


class StrangeState(HealState):
    job_id: str = "job-17"


@dataclass(frozen=True, slots=True, kw_only=True)
class Buggy(Orders):
    """Does as a bug says, wherever it is asked."""

    bug: Bug

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        return await self.bug(task, gate)  # type: ignore[no-any-return]

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        del kept
        return await self.bug(task, gate)  # type: ignore[no-any-return]

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        del kept
        return await self.bug(task, gate)  # type: ignore[no-any-return]

    def too_long(self, task: Task, kept: Kept) -> Outcome:
        del task, kept
        return Suspended(state=WAITS, look_again=timedelta(seconds=1))  # type: ignore[return-value]


async def forgets_to_return(_: Task, gate: EffectGate) -> None:
    await gate.begin()


async def breaks(_: Task, gate: EffectGate) -> None:
    await gate.begin()
    raise ValueError("a bug")


def suspends(**fields: Any) -> Bug:  # noqa: ANN401 - whatever a bug may hand over
    async def bug(_: Task, gate: EffectGate) -> Suspended:
        await gate.begin()
        given: dict[str, Any] = {"state": WAITS, "look_again": timedelta(seconds=1)}
        return Suspended(**(given | fields))

    return bug


BUGS: dict[str, Bug] = {
    "forgets to return": forgets_to_return,
    "breaks": breaks,
    "a number to look again": suspends(look_again=30),
    "no time to look again": suspends(look_again=None),
    "no reason": suspends(reason=None),
    "a state of nobody": suspends(state=StrangeState()),
    "no state": suspends(state={"job_id": "job-17"}),
}


async def ends(bug: Bug, kind: Effect, kept: Kept | None = None, gate: Gate | None = None) -> Outcome | SuspendedHeal:
    strategy = Buggy(jobs=Jobs(), kind=kind, bug=bug)
    given = replace(task(strategy, failure({}), policy()), kept=kept)
    return await run(strategy, given, gate or Durable().gate(kind))


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
@pytest.mark.parametrize(
    ("kind", "ended"), [(Effect.UNSAFE, Unknown), (Effect.KEYED, NotHealed), (Effect.IDEMPOTENT, NotHealed)], ids=str
)
async def test_after_an_effect_a_bug_ends_a_heal_that_has_kept_nothing_as_its_effect_demands(
    bug: Bug, kind: Effect, ended: type[Outcome]
) -> None:
    assert isinstance(await ends(bug, kind), ended)


async def test_a_heal_that_forgets_to_return_before_any_effect_has_crashed() -> None:
    async def nothing(_: Task, __: EffectGate) -> None:
        return

    outcome = await ends(nothing, Effect.UNSAFE)
    assert isinstance(outcome, Crashed)
    assert "TypeError" in outcome.reason


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
async def test_a_bug_in_going_on_loses_no_state(bug: Bug) -> None:
    async def keeps(given: Task, gate: EffectGate) -> object:
        await gate.keep(WAITS)
        return await bug(given, gate)

    ended = await ends(keeps, Effect.KEYED, Kept(state=WAITS, begun=False))
    assert isinstance(ended, SuspendedHeal)
    assert ended.state.content == {"stage": "waits", "job_id": "job-17"}
    assert "crashed" in ended.reason


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
@pytest.mark.parametrize(("kind", "ended"), [(Effect.UNSAFE, Unknown), (Effect.KEYED, NotHealed)], ids=str)
@pytest.mark.parametrize("revoked", [False, True], ids=["for its time", "by a decision"])
async def test_what_is_to_be_ended_is_ended_whatever_its_strategy_says_and_tells_what_it_had_kept(
    bug: Bug, kind: Effect, ended: type[Unknown | NotHealed], *, revoked: bool
) -> None:
    gate = Durable().gate(kind)
    await gate.keep(WAITS)
    await gate.begin()
    spent = timedelta(0) if revoked else timedelta(hours=1)
    outcome = await ends(bug, kind, Kept(state=WAITS, begun=False, suspended_for=spent, revoked=revoked), gate)
    assert isinstance(outcome, ended)
    assert outcome.details["kept"] == {"stage": "waits", "job_id": "job-17"}


async def test_a_state_that_cannot_be_kept_is_told_with_its_place_and_no_value() -> None:
    async def keeps(_: Task, gate: EffectGate) -> None:
        await gate.begin()
        await gate.keep(JobState(stage="waits", job_id="Bearer abcdefghijklmnopqrstuvwxyz0123456789"))

    outcome = await ends(keeps, Effect.UNSAFE)
    assert isinstance(outcome, Unknown)
    assert "JobState holds what looks like a secret at /job_id" in outcome.reason
    assert "abcdef" not in outcome.reason


@pytest.mark.parametrize("span", [timedelta(days=-1), timedelta(0), timedelta(days=365), timedelta.max], ids=str)
async def test_a_heal_looks_again_within_its_longest_suspension(span: timedelta) -> None:
    ended = await ends(suspends(look_again=span), Effect.KEYED)
    assert isinstance(ended, SuspendedHeal)
    assert timedelta(0) <= ended.look_again <= ended.longest


@pytest.mark.parametrize("kind", [Effect.UNSAFE, Effect.KEYED])
async def test_after_its_run_a_task_that_a_heal_left_behind_begins_and_keeps_nothing(kind: Effect) -> None:
    ended, left = asyncio.Event(), list[asyncio.Task[list[type[Exception]]]]()

    async def lingers(gate: EffectGate) -> list[type[Exception]]:
        await ended.wait()
        refused: list[type[Exception]] = []
        for act in (gate.begin, partial(gate.keep, WAITS)):
            try:
                await act()
            except (DeadlinePassed, LostClaim) as error:
                refused.append(type(error))
        return refused

    async def leaves(_: Task, gate: EffectGate) -> Suspended:
        left.append(asyncio.create_task(lingers(gate)))
        return Suspended(state=WAITS, look_again=timedelta(seconds=1))

    durable = Durable()
    assert isinstance(await ends(leaves, kind, gate=durable.gate(kind)), SuspendedHeal)
    ended.set()
    assert await left[0] == [DeadlinePassed, LostClaim]
    assert (durable.started, durable.begun, durable.kept) == ([], [], [])


class TwinState(JobState):
    pass


class ZeroState(HealState):
    version = 0


@pytest.mark.parametrize(
    "changes",
    [
        {"states": ()},
        {"states": (JobState, TwinState)},
        {"states": (ZeroState,)},
        {"longest_suspension": timedelta(0)},
        {"longest_suspension": MAX_SUSPENSION + timedelta(days=1)},
    ],
    ids=["no state", "two of one version", "version 0", "no time", "for ever"],
)
def test_a_strategy_whose_heals_nobody_could_go_on_with_or_end_is_not_started(changes: dict[str, Any]) -> None:
    strategy = replace(Orders(jobs=Jobs()), **changes)
    with pytest.raises(ConfigError, match="strategy auto-retry"):
        readable_states({StrategyName.AUTO_RETRY: strategy})


def test_the_states_of_a_strategy_are_named_by_it_and_their_version() -> None:
    assert readable_states({StrategyName.AUTO_RETRY: Orders(jobs=Jobs())}) == ("auto-retry 1",)
