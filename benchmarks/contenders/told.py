"""The strategy that does as its event says: sleeps, hangs, shares a scope. Stands in for a slow other side."""

import asyncio
from datetime import timedelta
from typing import Final

from benchmarks.contenders.noop import Willing, healed
from benchmarks.harness.load import Work
from consumer.catalog import WorkflowPolicy
from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import Failure, Intent, Outcome, Scope
from schemas.names import Effect, StrategyName

WINDOW: Final = timedelta(hours=1)
"""Longer than any run: what hangs does so until it is stopped."""


class AsTold(Willing):
    """Acts for as long as `context.work` says, and succeeds, unless it says that it hangs."""

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:  # noqa: ARG002 - the Protocol's
        """Act on the scope that the event names, or on one of the failure's own."""
        scope = _work(failure).scope or failure.id
        return Intent(scope=Scope(f"{failure.org_id}:told:{scope}"), effect=Effect.IDEMPOTENT, window=WINDOW)

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:
        """Do as told."""
        work = _work(task.failure)
        await gate.begin()
        if work.hangs:
            await asyncio.Event().wait()
        if work.ms:
            await asyncio.sleep(work.ms / 1000)
        return healed()


def _work(failure: Failure) -> Work:
    told = failure.context.get("work")
    if not isinstance(told, dict):
        return Work()
    ms, scope = told.get("ms"), told.get("scope")
    return Work(
        ms=float(ms) if isinstance(ms, int | float) else 0.0,
        scope=str(scope) if scope else None,
        hangs=told.get("hangs") is True,
    )


STRATEGIES: Final[Strategies] = {StrategyName.AUTO_RETRY: AsTold()}
