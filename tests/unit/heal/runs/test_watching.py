"""A watch of a run that outlasts its slot: what is kept of it, and what follows once somebody looks again."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.heal.kept import SUSPEND_ABOVE, Suspended, encode_state, keepable_text
from consumer.heal.runs.watching import LONGEST_SUSPENSION, WatchState
from consumer.heal.schema_autofix.strategy import SchemaAutofix
from consumer.heal.strategy import Task
from consumer.model import Healed, NotHealed, Outcome, RetryLater, Unknown
from consumer.redact import redact_json
from consumer.runners.contract import Accepted, LookFailed, Phase, RunState
from schemas.names import Code, Effect
from tests.support.healing import NOW, Gate, as_kept, task
from tests.support.worlds.scripted_runner import (
    FAILED,
    RUN,
    RUNNING,
    SUCCEEDED,
    TAKEN,
    OneRunner,
    ScriptedRunner,
    VirtualTime,
    stands,
)
from tests.unit.heal.schema_autofix.test_strategy import GivenRoom, allowed, failed

LONG = [FAILED, *[RUNNING] * 6]
"""The order is under way for as long as it is watched in the slot."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """One heal, from its order on."""

    runner: ScriptedRunner
    time: VirtualTime = field(default_factory=VirtualTime)
    gate: Gate = field(default_factory=lambda: Gate(left=timedelta(minutes=5)))

    @property
    def strategy(self) -> SchemaAutofix:
        """Made anew each time: nothing is remembered in a process."""
        return SchemaAutofix(
            OneRunner(self.runner),
            GivenRoom(),
            redact_json,
            sleep=self.time.sleep,
            monotonic=self.time.monotonic,
            now=lambda: NOW,
        )

    @property
    def task(self) -> Task:
        return task(self.strategy, failed(), allowed(verify="PT1M"))

    async def suspended(self) -> Suspended:
        ended = await self.strategy.heal(self.task, self.gate)
        assert isinstance(ended, Suspended), ended
        return ended

    async def goes_on(self, ended: Suspended) -> Outcome | Suspended:
        await self.time.sleep(ended.look_again.total_seconds())
        return await self.strategy.go_on(self.task, self.gate, as_kept(self.strategy, ended))


async def test_a_pause_above_five_seconds_is_spent_by_nobody() -> None:
    watch = Watch(runner=ScriptedRunner(looks=[*LONG, RUNNING, SUCCEEDED]))
    ended = await watch.suspended()
    assert ended.look_again > SUSPEND_ABOVE
    assert watch.time.now < 10
    orders = len(watch.runner.orders)
    outcome = await watch.goes_on(ended)
    while isinstance(outcome, Suspended):
        outcome = await watch.goes_on(outcome)
    assert isinstance(outcome, Healed)
    assert (len(watch.runner.orders), orders, watch.gate.begins) == (1, 1, 1)
    assert {one.oracle for one in outcome.proofs} == {"schema", "inverse", "run"}
    assert [drift.path for drift in outcome.drift] == ["/amount"]
    assert set(outcome.details) == {"repair", "orders", "looks"}


async def test_a_watch_that_is_suspended_ends_when_its_time_is_over() -> None:
    watch = Watch(runner=ScriptedRunner(looks=[FAILED, RUNNING]))
    ended: Outcome | Suspended = await watch.suspended()
    while isinstance(ended, Suspended):
        ended = await watch.goes_on(ended)
    assert isinstance(ended, RetryLater)
    assert 55 <= watch.time.now <= 65
    assert len(watch.runner.orders) == 1


async def test_another_run_is_looked_at_by_whoever_goes_on() -> None:
    other = Accepted(run=replace(RUN, run_id="run-2", epoch=None), said="made another run")
    watch = Watch(runner=ScriptedRunner(gives=[other], looks=[*LONG, RUNNING, FAILED]))
    outcome: Outcome | Suspended = await watch.suspended()
    while isinstance(outcome, Suspended):
        outcome = await watch.goes_on(outcome)
    assert isinstance(outcome, NotHealed)
    assert {run.run_id for run in watch.runner.looked_at[1:]} == {"run-2"}


async def test_that_a_run_had_moved_is_known_to_whoever_goes_on() -> None:
    """It was seen to run, and stands again where it stood: it failed again."""
    watch = Watch(runner=ScriptedRunner(looks=[*LONG, RUNNING, FAILED]))
    outcome: Outcome | Suspended = await watch.suspended()
    while isinstance(outcome, Suspended):
        outcome = await watch.goes_on(outcome)
    assert isinstance(outcome, NotHealed)
    assert outcome.code is Code.NOT_HEALED


@pytest.mark.parametrize("name", ["run-sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "r" * 300])
async def test_a_run_whose_name_cannot_be_kept_is_watched_in_its_slot(name: str) -> None:
    other = Accepted(run=replace(RUN, run_id=name), said="made another run")
    watch = Watch(runner=ScriptedRunner(gives=[other], looks=[*LONG, RUNNING, SUCCEEDED]))
    outcome = await watch.strategy.heal(watch.task, watch.gate)
    assert isinstance(outcome, Healed)


LOOKS: list[tuple[RunState | LookFailed, type[Outcome]]] = [(SUCCEEDED, Healed), (RUNNING, Unknown)]


@pytest.mark.parametrize(("seen", "kind"), LOOKS, ids=["came through", "under way"])
async def test_a_decision_has_the_run_looked_at_once_more(seen: RunState, kind: type[Outcome]) -> None:
    watch = Watch(runner=ScriptedRunner(declared=Effect.UNSAFE, looks=[*LONG, RUNNING]))
    ended = await watch.suspended()
    looked = len(watch.runner.looked_at)
    watch.runner.looks = [seen]
    outcome = await watch.strategy.cancel(watch.task, watch.gate, as_kept(watch.strategy, ended))
    assert isinstance(outcome, kind)
    assert (len(watch.runner.orders), len(watch.runner.looked_at) - looked) == (1, 1)


@pytest.mark.parametrize(
    ("effect", "kind"), [(Effect.UNSAFE, Unknown), (Effect.KEYED, RetryLater), (Effect.IDEMPOTENT, NotHealed)]
)
async def test_after_too_long_nobody_knows_how_the_run_went_on(effect: Effect, kind: type[Outcome]) -> None:
    watch = Watch(runner=ScriptedRunner(declared=effect, looks=[*LONG, RUNNING]))
    ended = await watch.suspended()
    kept = replace(as_kept(watch.strategy, ended), suspended_for=LONGEST_SUSPENSION)
    outcome = watch.strategy.too_long(watch.task, kept)
    assert isinstance(outcome, kind)
    # Under the same key once more, and as often as it takes: the key stays with what is not counted.
    assert not isinstance(outcome, RetryLater) or outcome.effect_in_doubt


async def test_where_the_catalog_has_taken_the_engine_away_nothing_is_said_to_have_healed() -> None:
    watch = Watch(runner=ScriptedRunner(declared=Effect.UNSAFE, looks=[*LONG, RUNNING]))
    whole, ended = watch.task, await watch.suspended()
    bare = SchemaAutofix(OneRunner(None), GivenRoom(), redact_json)
    assert isinstance(await bare.go_on(whole, watch.gate, as_kept(watch.strategy, ended)), Unknown)


@given(run_id=st.text(max_size=250), progress=st.none() | st.text(max_size=250), said=st.text(max_size=300))
async def test_whatever_an_engine_says_a_heal_never_breaks_on_what_it_would_keep(
    run_id: str, progress: str | None, said: str
) -> None:
    other = Accepted(run=replace(RUN, run_id=run_id), said=said)
    before = stands(Phase.FAILED, progress=progress)
    watch = Watch(runner=ScriptedRunner(gives=[other], looks=[before, *[replace(RUNNING, said=said)] * 6, SUCCEEDED]))
    ended = await watch.strategy.heal(watch.task, watch.gate)
    if isinstance(ended, Suspended):
        assert isinstance(ended.state, WatchState)
        assert (ended.state.run_id, ended.state.progress_before) == (run_id, progress)
        assert encode_state(ended.state).content["run_id"] == run_id
    assert TAKEN.said == keepable_text(TAKEN.said, redact_json, 200)
