"""The strategy that does as its event says: sleeps, hangs, is suspended, shares a scope. Stands in for another side."""

import asyncio
from datetime import timedelta
from typing import Final

from benchmarks.contenders.noop import Willing, healed
from benchmarks.harness.load import Work
from consumer.catalog import WorkflowPolicy
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import Failure, Intent, Outcome, Scope, Unknown
from schemas.names import Effect, StrategyName

WINDOW: Final = timedelta(hours=1)
"""Longer than any run: what hangs does so until it is stopped."""


class JobAtWork(HealState):
    """What a suspended heal keeps."""

    job: str


class AsTold(Willing):
    """Acts for as long as `context.work` says, and succeeds, unless it says that it hangs."""

    states: tuple[type[HealState], ...] = (JobAtWork,)
    longest_suspension = timedelta(hours=1)

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:  # noqa: ARG002 - the Protocol's
        """Act on the scope that the event names, or on one of the failure's own."""
        scope = _work(failure).scope or failure.id
        return Intent(scope=Scope(f"{failure.org_id}:told:{scope}"), effect=Effect.IDEMPOTENT, window=WINDOW)

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        """Do as told."""
        work = _work(task.failure)
        await gate.begin()
        if work.minutes:
            return Suspended(state=JobAtWork(job="job-1"), look_again=timedelta(minutes=work.minutes), reason="a job")
        if work.hangs:
            await asyncio.Event().wait()
        if work.ms:
            await asyncio.sleep(work.ms / 1000)
        return healed()

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:  # noqa: ARG002 - the Protocol's
        """Succeed: the job is done."""
        return healed()

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:  # noqa: ARG002 - the Protocol's
        """Cancel nothing: nobody decides here."""
        return Unknown(reason="nobody decides here")

    def too_long(self, task: Task, kept: Kept) -> Outcome:  # noqa: ARG002 - the Protocol's
        """Know nothing."""
        return Unknown(reason="it has taken too long")


def _work(failure: Failure) -> Work:
    told = failure.context.get("work")
    if not isinstance(told, dict):
        return Work()
    ms, scope, minutes = told.get("ms"), told.get("scope"), told.get("minutes")
    return Work(
        ms=float(ms) if isinstance(ms, int | float) else 0.0,
        scope=str(scope) if scope else None,
        hangs=told.get("hangs") is True,
        minutes=float(minutes) if isinstance(minutes, int | float) else 0.0,
    )


STRATEGIES: Final[Strategies] = {StrategyName.AUTO_RETRY: AsTold()}
