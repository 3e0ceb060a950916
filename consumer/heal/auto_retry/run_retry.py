"""auto-retry of a failure without a recorded request: the run's engine runs the failed step again, as it was.

What a failed call was to that strategy is here the failed step: it is run again under the same dispositions, back-off
and breaker, with another input where a person gave it one. Whether it may be begun again is for the catalog's rule to
say (`../runs/again.py`), and healed is only a run that ends well, or gets on.
"""

from dataclasses import replace
from datetime import timedelta
from typing import ClassVar, Final

from consumer.catalog import WorkflowPolicy
from consumer.heal.calls.session import Calls, CallTools
from consumer.heal.digest import digest
from consumer.heal.kept import Kept, Suspended
from consumer.heal.runs.first_look import check_run_first
from consumer.heal.runs.ordering import MAX_SENDS, PAUSE, claim_effect
from consumer.heal.runs.rerun import (
    given_input,
    order_key,
    redacted_input,
    redacted_run,
    rerun_step,
    run_of_failure,
    with_input,
)
from consumer.heal.runs.run_watch import FailedAgain, Proven
from consumer.heal.runs.session import RunSession, RunTools
from consumer.heal.runs.step_read_back import reason_against_beginning
from consumer.heal.runs.watching import (
    WatchState,
    look_once,
    outcome_if_unseen,
    outcome_of_watch,
    restore,
    watch_on,
)
from consumer.heal.strategy import EffectGate, Task
from consumer.model import Failure, Intent, Outcome, Refused, Scope
from consumer.runners.contract import RerunStep, Runners, RunRef, RunState, StepPhase
from schemas.context import RunContext, run_of
from schemas.names import Code, Effect

ORACLE: Final = "run"
_MARGIN: Final = timedelta(seconds=5)
_LONGEST_WINDOW: Final = timedelta(minutes=10)


class RerunState(WatchState):
    """A step that was ordered to run again, and how far the watch of its run is."""

    version: ClassVar[int] = 2


class RunRetry:
    """Has the failed step of a run run again, as it was."""

    def __init__(self, runners: Runners, calls: Calls, tools: CallTools, run_tools: RunTools) -> None:
        self._runners = runners
        self._calls = calls
        self._tools = tools
        self._run_tools = run_tools

    def refusal(self, failure: Failure, policy: WorkflowPolicy) -> str | None:
        """Return why the step must not be run again, or None."""
        if reason := redacted_run(failure) or redacted_input(failure):
            return reason
        run, runner = run_of_failure(failure), self._runners.of(policy)
        if run is None:
            return "context.run: does not say which run has failed"
        if runner is None:
            why = f"the catalog's entry {policy.name!r} names no runner to run its step again"
            return f"the event has no context.request, and {why}"
        return runner.refusal(_order(failure, replace(run, step=run.step or "step")), policy)

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        """Return the intent to run the step again: its scope is the run, on which no other heal may act meanwhile."""
        run, runner = run_of_failure(failure), self._runners.of(policy)
        if run is None or runner is None:
            raise TypeError("only a failure with a usable run, and a runner for it, is planned")
        effect = claim_effect(runner.effect(_order(failure, run)))
        epoch = run.epoch
        return Intent(
            scope=Scope(f"{failure.org_id}:run:{run.run_id}"),
            effect=effect,
            window=_window(policy),
            idempotency_key=order_key(failure, with_input("run", failure)) if effect is Effect.KEYED else None,
            reads_back=True,
            dependency=runner.dependency(),
            fault_digest=None if epoch is None else digest([run.run_id, epoch, with_input(run.step or "", failure)]),
        )

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        """Look at the run, ask the rule, and have the step run again; the run's end says whether that healed it."""
        session = self._session(task, gate)
        if isinstance(session, Refused):
            return session
        if (over := self._tools.budget.wait_to_begin(task.failure)) is not None:
            return session.retry_later(*over)
        before = await check_run_first(session)
        if not isinstance(before, RunState):
            return before
        step = session.run.step or _failed_step(before)
        if step is None:
            reason = "the run has failed, and neither the event nor its engine says at which step"
            return Refused(code=Code.NEEDS_PERSON, reason=reason, details=session.details)
        session.run = replace(session.run, step=step)
        if why := await reason_against_beginning(session, self._calls, step, before.step(step)):
            reason = f"the run stands at its failure ({before.said[:60]}): {why}"
            return Refused(code=Code.NEEDS_PERSON, reason=reason, details=session.details)
        return await rerun_step(session, given_input(task.failure), before, (), RerunState)

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        """Watch the run on."""
        state, session = _state_of(kept), self._session(task, gate)
        if isinstance(session, Refused):
            return outcome_if_unseen(task, state, session.reason)
        ordered = restore(session, state)
        sight, later = await watch_on(session, ordered, RerunState)
        return later or outcome_of_watch(session, sight, (), in_doubt=ordered.in_doubt)

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        """Look at the run once more: what was ordered of an engine cannot be taken back."""
        state, session = _state_of(kept), self._session(task, gate)
        decided = "a person has decided meanwhile, and the order cannot be taken back"
        if isinstance(session, Refused):
            return outcome_if_unseen(task, state, decided)
        ordered = restore(session, state)
        sight = await look_once(session, ordered)
        if isinstance(sight, Proven | FailedAgain):
            return outcome_of_watch(session, sight, (), in_doubt=ordered.in_doubt)
        return outcome_if_unseen(task, state, f"{decided}: {sight.why}")

    def too_long(self, task: Task, kept: Kept) -> Outcome:
        """Return that nobody knows how the run went on."""
        return outcome_if_unseen(task, _state_of(kept), "how the run went on could not be seen in time")

    def _session(self, task: Task, gate: EffectGate) -> RunSession | Refused:
        failure, policy = task.failure, task.policy
        if forbidden := self.refusal(failure, policy):
            return Refused(code=Code.REFUSED, reason=forbidden)
        run, runner = run_of_failure(failure), self._runners.of(policy)
        if run is None or runner is None:
            raise TypeError("what is not forbidden is complete")
        return RunSession(
            run_tools=self._run_tools,
            task=task,
            gate=gate,
            pause=self._run_tools.sleep,
            runner=runner,
            run=run,
            key=order_key(failure, with_input("run", failure)),
            order_effect=runner.effect(_order(failure, run)),
            call_limit=policy.auto_retry.timeout,
            watch_limit=policy.auto_retry.verify,
        )


def works_on_run(failure: Failure) -> bool:
    """Return whether a failure has no recorded request, and a run whose failed step may be run again instead."""
    return "request" not in failure.context and isinstance(run_of(failure.context), RunContext)


def _order(failure: Failure, run: RunRef) -> RerunStep:
    return RerunStep(run=run, payload=given_input(failure))


def _failed_step(seen: RunState) -> str | None:
    failed = sorted(one.name for one in seen.steps if one.phase is StepPhase.FAILED)
    return failed[0] if len(failed) == 1 else None


def _state_of(kept: Kept) -> RerunState:
    if not isinstance(kept.state, RerunState):
        raise TypeError(f"not a state of a run that is run again: {type(kept.state).__name__}")
    return kept.state


def _window(policy: WorkflowPolicy) -> timedelta:
    limits = policy.auto_retry
    calls = 3 * limits.timeout + MAX_SENDS * (limits.timeout + PAUSE)
    return min(calls + limits.verify + _MARGIN, _LONGEST_WINDOW)
