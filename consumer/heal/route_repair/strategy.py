"""The route-repair strategy: planning (refusal, intent, estimate), and the steps of a heal in their order."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from consumer.catalog import DeclaredAction, WorkflowPolicy
from consumer.heal import refusals
from consumer.heal.actions.declared_actions import DeclaredActions
from consumer.heal.actions.rung import ORACLE as ACTION_ORACLE
from consumer.heal.actions.rung import ActionRung
from consumer.heal.actions.state import ActionState
from consumer.heal.calls.session import Calls
from consumer.heal.kept import SUSPEND_ABOVE, HealState, Kept, Suspended
from consumer.heal.refusals import missing_context
from consumer.heal.route_repair.acting import act_on, denied, look_in_time, outcome_of, watch
from consumer.heal.route_repair.finding import Moves, NamedCause, NoCause, found_in
from consumer.heal.route_repair.proving import ORACLES, Undecided, completed_twice, judge
from consumer.heal.route_repair.session import RouteSession, RouteTools
from consumer.heal.route_repair.state import DatedLookState, LookState, RouteWatchState, look_state
from consumer.heal.route_repair.suspicion import Suspicion, suspect
from consumer.heal.runs.first_look import (
    outcome_if_unseen,
    outcome_of_success,
    refusal_if_over,
    refusal_if_superseded,
)
from consumer.heal.runs.rerun import order_key, redacted_input, redacted_run, run_of_failure, with_input
from consumer.heal.session import SECOND, proof
from consumer.heal.strategy import EffectGate, Redact, Task
from consumer.model import (
    ActionName,
    Diagnosis,
    Failure,
    Healed,
    Intent,
    MicroAud,
    Outcome,
    Refused,
    RetryLater,
    Scope,
    Unknown,
)
from consumer.runners.contract import (
    LookFailed,
    MoveToQueue,
    Order,
    Phase,
    RemapStep,
    RerunStep,
    ResumeRun,
    Runners,
    RunRef,
    RunState,
    SkipStep,
    StepPhase,
    Terminate,
)
from schemas.context import ContextFault, RunContext, run_of
from schemas.names import Code, Effect, StrategyName, Verdict

_FIELDS: Final = ("context.run.id", "context.run.step", "context.run")
_FREE: Final = MicroAud(0)
LONGEST_SUSPENSION: Final = timedelta(hours=1)
MOST_LOOKS: Final = 8
"""Looks that disagree or say nothing, after which the run is looked at again by a heal of its own, later."""
_LONGEST_WINDOW: Final = timedelta(minutes=10)
_MARGIN: Final = timedelta(seconds=10)
_CALLS: Final = 12
_ENDED: Final = frozenset({Phase.SUCCEEDED, Phase.GONE, Phase.CANCELLED})


class RouteRepair:
    """Names why a run stands still by two looks that agree, and acts on that cause alone.

    Sleep and the clocks are injected: `monotonic` returns seconds, `now` an aware time.
    """

    fields = _FIELDS
    oracles = (*ORACLES, ACTION_ORACLE)

    def __init__(
        self,
        runners: Runners,
        calls: Calls,
        redact: Redact,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tools = RouteTools(runners=runners, calls=calls, redact=redact, sleep=sleep, monotonic=monotonic, now=now)
        self._actions = DeclaredActions(runners, calls, self._tools)

    @property
    def name(self) -> StrategyName:
        """Its name on the ladder."""
        return StrategyName.ROUTE_REPAIR

    @property
    def states(self) -> tuple[type[HealState], ...]:
        """The states that it reads."""
        return (LookState, DatedLookState, RouteWatchState, ActionState)

    @property
    def longest_suspension(self) -> timedelta:
        """Time after which a run that nobody looked at is left as it is."""
        return LONGEST_SUSPENSION

    def needs(self, failure: Failure) -> tuple[str, ...]:
        """Return the absent or unusable context fields; none where redaction is the cause: `refusal` reports that."""
        if redacted_run(failure):
            return ()
        match run_of(failure.context):
            case None:
                return ("context.run.id",)
            case ContextFault(missing=absent, path=path):
                return absent or (path,)
            case RunContext():
                return ()

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Return why the run must not be looked at, or nothing could be ordered for it; None where both may be."""
        reason = redacted_run(failure) or redacted_input(failure)
        reason = reason or refusals.hopeless(
            diagnosis, money="no repair of the run pays that", credential="no repair of the run renews it"
        )
        return reason or self._runner_refusal(failure, policy)

    def _runner_refusal(self, failure: Failure, policy: WorkflowPolicy) -> str | None:
        run = run_of_failure(failure)
        if run is None:
            return "context.run: does not say which run stands still"
        runner = self._tools.runners.of(policy)
        if runner is None:
            return f"the catalog's entry {policy.name!r} names no runner: nothing can be ordered for the run"
        reasons = [runner.refusal(order, policy) for order in _orders(run)]
        return reasons[0] if all(reasons) else None

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:  # noqa: ARG002 - the contract's
        """Return a price of zero: attempts of this strategy are free."""
        return _FREE

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        """Return the intent to order something for the run, on which no other heal may act meanwhile.

        What that is shows only once the cause is known. So the claim is held as that of an effect which is never
        repeated blindly: each beginning is durable, and whoever comes after a crash looks first.
        """
        run, runner = run_of_failure(failure), self._tools.runners.of(policy)
        if run is None or runner is None:
            raise TypeError("only a failure with a usable run, and a runner for it, is planned")
        return Intent(
            scope=Scope(f"{failure.org_id}:run:{run.run_id}"),
            effect=Effect.UNSAFE,
            window=_window(policy),
            reads_back=True,
            dependency=runner.dependency(),
        )

    def of_action(self, name: ActionName, action: DeclaredAction) -> ActionRung:
        """Return the rung of a declared action, which counts as this strategy."""
        return self._actions.rung(name, action)

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        """Look twice, with time in between; act on the cause on which both looks agree. Or carry an action out."""
        if task.plan.action is not None:
            return await self._actions.heal(task, gate, task.plan.action)
        session = self._session(task, gate)
        if isinstance(session, Refused):
            return session
        return await _look_on(session, None, 0)

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        """Look again: for the second time, or at what has come of an order."""
        if isinstance(kept.state, ActionState):
            return await self._actions.go_on(task, gate, kept, kept.state)
        session, state = self._session(task, gate), kept.state
        if isinstance(session, Refused):
            return session if isinstance(state, LookState) else _unseen(state, session.reason)
        match state:
            case LookState():
                return await _look_on(session, state.suspicion, state.looks)
            case RouteWatchState():
                _restore(session, state)
                return await watch(session, state.ordered)
            case _:
                raise TypeError(f"not a state of route-repair: {type(state).__name__}")

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        """Look once more at what was ordered: that cannot be taken back. Where nothing was, nothing is done."""
        if isinstance(kept.state, ActionState):
            return await self._actions.cancel(task, gate, kept, kept.state)
        state, session = kept.state, self._session(task, gate)
        if not isinstance(state, RouteWatchState):
            return denied("a person has decided before anything was ordered")
        decided = "a person has decided meanwhile, and the order cannot be taken back"
        if isinstance(session, Refused):
            return _unseen(state, decided)
        _restore(session, state)
        ordered = state.ordered
        seen = await look_in_time(session, replace(session.run, run_id=ordered.run_id))
        said = judge(ordered.before, seen, ordered.repair, moved=ordered.moved)
        if isinstance(said, Undecided):
            return session.unknown(f"{decided}: {said.why}")
        return outcome_of(session, ordered, said, seen)

    def too_long(self, task: Task, kept: Kept) -> Outcome:  # noqa: ARG002 - the contract's
        """Return that nobody knows how the run went on, or, before any order, that it is looked at anew."""
        if isinstance(kept.state, ActionState):
            return self._actions.too_long(kept, kept.state)
        if isinstance(kept.state, RouteWatchState):
            return _unseen(kept.state, "how the run went on could not be seen in time")
        return RetryLater(after=timedelta(minutes=1), reason="nobody looked at the run a second time")

    def _session(self, task: Task, gate: EffectGate) -> RouteSession | Refused:
        failure, policy = task.failure, task.policy
        if missing := self.needs(failure):
            return missing_context(missing)
        if forbidden := redacted_run(failure) or redacted_input(failure) or self._runner_refusal(failure, policy):
            return Refused(code=Code.REFUSED, reason=forbidden)
        run, runner = run_of_failure(failure), self._tools.runners.of(policy)
        if run is None or runner is None:
            raise TypeError("what is not forbidden is complete")
        return RouteSession(
            tools=self._tools,
            run_tools=self._tools,
            task=task,
            gate=gate,
            pause=self._tools.sleep,
            runner=runner,
            run=run,
            key=order_key(replace(failure, lifetime_attempts=0), with_input("route", failure)),
            order_effect=Effect.UNSAFE,
            call_limit=policy.route_repair.timeout,
            watch_limit=policy.route_repair.verify,
        )


async def _look_on(session: RouteSession, first: Suspicion | None, looks: int) -> Outcome | Suspended:
    """Look until two looks in a row agree, the run turns out to be well, or it has been looked at often enough."""
    while True:
        seen, looks = await session.look(session.run), looks + 1
        if isinstance(seen, LookFailed):
            return outcome_if_unseen(session, seen)
        if over := _is_over(session, seen):
            return over
        if session.task.failure.effect_in_doubt:
            seen = _with_our_end(seen)
        now = suspect(seen, session.limits, session.tools.now())
        if first is not None:
            decided = await _decide(session, first, now, seen)
            if decided is not None:
                return decided
        if looks >= MOST_LOOKS:
            return session.later(f"nothing speaks for a cause: {now.evidence}: nothing is touched")
        first, wait = now, session.limits.apart
        if wait > SUSPEND_ABOVE and (state := look_state(now, looks, session.tools.redact)) is not None:
            reason = f"the run is looked at a second time before anything is done ({now.evidence[:100]})"
            return Suspended(state=state, look_again=wait, reason=reason)
        await session.sleep(wait)


async def _decide(
    session: RouteSession, first: Suspicion, now: Suspicion, seen: RunState
) -> Outcome | Suspended | None:
    """Return the end of a heal by two looks; None where a third one is needed."""
    found = found_in(first, now, session.limits)
    match found:
        case NamedCause(cause=cause, step=step):
            session.note(found, cause.value, step)
            return await act_on(session, found, seen)
        case Moves():
            session.note(found, None, now.step)
            return _recovered(session, found.evidence) if now.cause is None else None
        case NoCause():
            session.note(found, None, now.step)
            return None


def _recovered(session: RouteSession, why: str) -> Healed:
    acted = session.task.failure.effect_in_doubt
    said = proof("watermark", Verdict.PASSED, f"{why}: it stands still no more")
    return Healed(code=None if acted else Code.RECOVERED, proofs=(said,), details=session.details)


def _is_over(session: RouteSession, seen: RunState) -> Outcome | None:
    """Return the end of a heal whose run is over, or was started anew since; None where it may stand still."""
    acted = session.task.failure.effect_in_doubt
    if acted and (twice := completed_twice(None, seen)):
        return session.refused(Code.NEEDS_PERSON, f"step {twice[:80]!r} has completed twice since an order: look at it")
    if seen.phase is Phase.SUCCEEDED:
        return outcome_of_success(session, seen)
    return refusal_if_over(seen) if seen.phase in _ENDED else refusal_if_superseded(session, seen)


def _with_our_end(seen: RunState) -> RunState:
    """Return a state in which a step that was ended counts as failed: an attempt before has, or may have, ended it."""
    ended = [one.phase is StepPhase.CANCELLED for one in seen.steps]
    steps = (replace(one, phase=StepPhase.FAILED) if was else one for one, was in zip(seen.steps, ended, strict=True))
    return replace(seen, steps=tuple(steps)) if any(ended) else seen


def _restore(session: RouteSession, state: RouteWatchState) -> None:
    session.found = {"cause": state.cause.value, "step": state.step, "evidence": state.evidence}


def _unseen(state: HealState, why: str) -> Outcome:
    cause = f"{state.cause}: " if isinstance(state, RouteWatchState) else ""
    return Unknown(reason=f"{cause}the order may have been carried out: {why}")


def _orders(run: RunRef) -> Iterator[Order]:
    """Return one order of each kind, to see which of them an engine takes."""
    step = replace(run, step=run.step or "step")
    yield from (RerunStep(run=step), ResumeRun(run=step), Terminate(run=step), SkipStep(run=step))
    yield from (MoveToQueue(run=step, queue="queue"), RemapStep(run=step, to="step"))


def _window(policy: WorkflowPolicy) -> timedelta:
    limits = policy.route_repair
    inline = limits.apart if limits.apart <= SUSPEND_ABOVE else 0 * SECOND
    whole = _CALLS * limits.timeout + MOST_LOOKS * inline + limits.ends + limits.verify + _MARGIN
    return min(whole, _LONGEST_WINDOW)
