"""The dependency-replacement strategy: plans by where calls go, then proves, binds and calls what stands in."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from consumer.catalog import WorkflowPolicy
from consumer.catalog.candidates import Candidate, LookTemplate, MovableCalls
from consumer.catalog.dependencies import Dependency, find_dependency
from consumer.heal.calls.backoff import longest_waits
from consumer.heal.calls.planned import CALL_FIELDS, fault_digest, missing_fields, redacted_call
from consumer.heal.calls.request import HANDOVER_TRIES, call_digest, call_limit, handover_address, origin
from consumer.heal.calls.session import CallTools
from consumer.heal.dependency_replacement.calling import Failed, call_candidate
from consumer.heal.dependency_replacement.candidates import broken_rule, dearest, unmovable
from consumer.heal.dependency_replacement.illness import RIGHT_RUNG, OtherCause, of_failure
from consumer.heal.dependency_replacement.probing import LOOK_BYTES, look
from consumer.heal.dependency_replacement.proving import NOW, bind
from consumer.heal.dependency_replacement.session import (
    BindingBook,
    CandidateWatch,
    ReplacementSession,
    candidate_origin,
)
from consumer.heal.refusals import hopeless, missing_context
from consumer.heal.schema_check.check import LIMIT
from consumer.heal.schema_check.worker import Finding
from consumer.heal.strategy import EffectGate, Task
from consumer.model import Diagnosis, Failure, Intent, Json, MicroAud, OrgId, Outcome, Refused, Scope
from consumer.model.binding import Binding, binding_scope
from consumer.model.call import CallResult, OutboundRequest
from consumer.plan.bindings import Course
from schemas.context import ContextFault, RequestContext, ResumeContext, request_of, resume_of
from schemas.names import Code, Effect, StrategyName

_ORACLES: Final = ("contract", "status", "schema", "expect")
_MARGIN: Final = timedelta(seconds=5)
_LONGEST_WINDOW: Final = timedelta(minutes=10)
_UNDECLARED: Final = "no dependency of the catalog's entry is reached by this call: declare it under `dependencies`"


class DependencyReplacement:
    """Makes the failed call at what the catalog declares in place of a dependency that is proven ill."""

    def __init__(self, tools: CallTools, book: BindingBook, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tools = tools
        self._book = book
        self._monotonic = monotonic
        self._watched = CandidateWatch(monotonic)

    @property
    def name(self) -> StrategyName:
        """Its name on the ladder."""
        return StrategyName.DEPENDENCY_REPLACEMENT

    @property
    def fields(self) -> tuple[str, ...]:
        """Paths of the context fields that the strategy reads: all in `request` and `resume`."""
        return CALL_FIELDS

    @property
    def oracles(self) -> tuple[str, ...]:
        """Names of oracles that can prove a heal: the contract, and what the caller demands."""
        return _ORACLES

    def needs(self, failure: Failure) -> tuple[str, ...]:
        """Return the absent or unusable context fields; none where redaction is the cause: `refusal` reports that."""
        if redacted_call(failure):
            return ()
        return missing_fields(request_of(failure.context), resume_of(failure.context))

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Return why nothing may stand in for what the call depends on, or None."""
        return self.refusal_on(failure, diagnosis, policy, None)

    def refusal_on(
        self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy, course: Course | None
    ) -> str | None:
        """Return why nothing may stand in for what the call depends on, where the call goes now; or None."""
        if reason := redacted_call(failure) or hopeless(diagnosis):
            return reason
        request = request_of(failure.context)
        if not isinstance(request, RequestContext):
            return "context.request is missing or unusable"
        if (found := find_dependency(policy.replaceable, failure.context)) is None:
            return _UNDECLARED
        said = of_failure(failure, diagnosis)
        if said.cause is not None:
            return f"it is not the dependency ({said.cause}): {said.detail}; the right rung is {RIGHT_RUNG[said.cause]}"
        if (course is None or course.binding is None) and said.says != "ill":
            rung = RIGHT_RUNG[OtherCause.UNPROVEN]
            return f"nothing says that {found[0]} is ill: {said.detail}; the right rung is {rung}"
        return _nobody(_asked(found[1].candidates, course), policy, failure, request)

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        """Return the intent while nothing is known of the dependency: one heal at a time finds out."""
        return self._intent(failure, policy, None)

    def intent_on(self, failure: Failure, policy: WorkflowPolicy, course: Course) -> Intent:
        """Return the intent where the call goes now.

        Whoever proves the dependency ill, or tries a candidate, is alone with it; once all calls go to a candidate,
        each has a scope of its own, the same as with auto-retry: no two heals make one call.
        """
        return self._intent(failure, policy, course)

    def _intent(self, failure: Failure, policy: WorkflowPolicy, course: Course | None) -> Intent:
        request, found = request_of(failure.context), find_dependency(policy.replaceable, failure.context)
        if not isinstance(request, RequestContext) or found is None:
            raise TypeError("only a failure with a usable request to a declared dependency is planned")
        name, dependency = found
        alone = course is None or course.on_trial
        scope = binding_scope(failure.org_id, name) if alone else f"{failure.org_id}:request:{call_digest(request)}"
        asked = _asked(dependency.candidates, course)
        effect = _effect(asked, failure, request)
        bound = asked[0] if course is not None and course.binding is not None and len(asked) == 1 else None
        resume = resume_of(failure.context)
        return Intent(
            scope=Scope(scope),
            effect=effect,
            window=_window(request, policy, len(asked) if alone else 1, hands_over=resume is not None),
            idempotency_key=request.idempotency_key if effect is Effect.KEYED else None,
            dependency=candidate_origin(bound) if bound is not None else None,
            others=(origin(resume.url),) if isinstance(resume, ResumeContext) else (),
            fault_digest=fault_digest(failure),
        )

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:
        """Return the price of the dearest candidate that may be asked; without a price, what the catalog allows."""
        found = find_dependency(policy.replaceable, failure.context)
        price = dearest(found[1], failure) if found is not None else None
        return policy.allowances[self.name] if price is None else price

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:
        """Prove that it is the dependency, bind what stands in, make the call there, and verify its answer."""
        session = self._session(task, gate)
        if isinstance(session, Refused):
            return session
        if (over := self._tools.budget.wait_to_begin(task.failure)) is not None:
            return session.retry_later(*over)
        binding, now = await self._book.find(session.org_id, session.name)
        if binding is not None and binding.holds(now):
            return await self._follow(session, binding)
        if not session.is_alone:
            return session.retry_later(NOW, f"nothing stands in for {session.name} any more")
        if binding is not None and binding.idle_until is not None and now < binding.idle_until:
            return session.retry_later(NOW, f"{session.name} has just been asked: {binding.reason}")
        return await self._prove(session, binding, now)

    async def is_well(self, org_id: OrgId, dependency: Dependency, policy: WorkflowPolicy) -> bool:
        """Return whether the declared health call finds the first well; a look without effect, and outside a heal."""

        async def send(call: OutboundRequest, given: LookTemplate) -> CallResult:
            return await self._tools.calls.send(call, policy, within=given.timeout, max_bytes=LOOK_BYTES)

        async def judge(schema: Any, body: Json) -> Finding:  # noqa: ANN401 - JSON is anything
            return await self._tools.schemas.valid(schema, body, org_id)

        seen = await look(dependency.health, org_id, send, judge)
        return seen.fault is None

    async def _prove(self, session: ReplacementSession, before: Binding | None, now: datetime) -> Outcome:
        """Try one candidate after the other, as long as none of them may have had the call's effect."""
        failed: Outcome | None = None
        for _ in session.dependency.candidates:
            bound = await bind(session, before, now)
            if not isinstance(bound, Binding):
                return failed or bound
            candidate = session.dependency.candidate(bound.candidate)
            if candidate is None or candidate.name in session.called:
                break
            if not session.can_pay(candidate):
                reason = f"{candidate.name} is asked with a hold of its own: the first answer has cost what was held"
                return session.retry_later(NOW, reason)
            called = await call_candidate(session, bound, candidate)
            if not isinstance(called, Failed):
                return called
            failed = called.outcome
            if called.may_have_run or not called.blames_candidate:
                break
            before, now = await self._book.find(session.org_id, session.name)
        return failed or session.not_healed(Code.NOT_HEALED, f"nothing could stand in for {session.name}")

    async def _follow(self, session: ReplacementSession, binding: Binding) -> Outcome:
        candidate = session.dependency.candidate(binding.candidate)
        why = "it is not declared any more" if candidate is None else self._unfit(session, candidate)
        if candidate is None or why is not None:
            reason = f"{session.name} is replaced by {binding.candidate}, where this call may not go: {why}"
            return session.retry_later(session.dependency.binding.steady, reason)
        called = await call_candidate(session, binding, candidate)
        return called.outcome if isinstance(called, Failed) else called

    def _unfit(self, session: ReplacementSession, candidate: Candidate) -> str | None:
        failure = session.task.failure
        broken = broken_rule(session.dependency, candidate, failure)
        return broken or unmovable(candidate, failure, session.request)

    def _session(self, task: Task, gate: EffectGate) -> ReplacementSession | Refused:
        failure = task.failure
        if reason := redacted_call(failure):
            return Refused(code=Code.REFUSED, reason=reason)
        request, resume = request_of(failure.context), resume_of(failure.context)
        missing = missing_fields(request, resume)
        if missing or not isinstance(request, RequestContext) or isinstance(resume, ContextFault):
            return missing_context(missing)
        if (found := find_dependency(task.policy.replaceable, failure.context)) is None:
            return Refused(code=Code.REFUSED, reason=_UNDECLARED)
        if resume is not None and (why := self._tools.calls.refusal(handover_address(resume), task.policy)):
            return Refused(code=Code.REFUSED, reason=f"context.resume: {why}")
        return ReplacementSession(
            task=task,
            gate=gate,
            pause=self._tools.sleep,
            tools=self._tools,
            request=request,
            resume=resume,
            name=found[0],
            dependency=found[1],
            book=self._book,
            watched=self._watched,
            monotonic=self._monotonic,
        )


def _asked(candidates: Sequence[Candidate], course: Course | None) -> tuple[Candidate, ...]:
    """Return the candidates that a call may go to: that which is bound, else any."""
    if course is None or course.binding is None:
        return tuple(candidates)
    return tuple(one for one in candidates if one.name == course.binding.candidate)


def _nobody(
    asked: Sequence[Candidate], policy: WorkflowPolicy, failure: Failure, request: RequestContext
) -> str | None:
    """Return why none of the candidates may take a call, or None where one may."""
    found = find_dependency(policy.replaceable, failure.context)
    if found is None:
        return _UNDECLARED
    told = {one.name: broken_rule(found[1], one, failure) or unmovable(one, failure, request) for one in asked}
    if not told:
        return f"what stands in for {found[0]} is not declared any more"
    if any(why is None for why in told.values()):
        return None
    return "no candidate may take it: " + "; ".join(f"{name}: {why}" for name, why in told.items())


def _effect(asked: Sequence[Candidate], failure: Failure, request: RequestContext) -> Effect:
    """Return what a second call would do: elsewhere no key of the first protects from it, unless it is shared."""
    if request.effect_or_default is Effect.NONE:
        return Effect.NONE
    takers = [one for one in asked if unmovable(one, failure, request) is None]
    return Effect.KEYED if takers and all(one.moves is MovableCalls.SHARED_KEYS for one in takers) else Effect.UNSAFE


def _window(request: RequestContext, policy: WorkflowPolicy, candidates: int, *, hands_over: bool) -> timedelta:
    limits = policy.auto_retry
    one = limits.tries * call_limit(request, policy) + longest_waits(limits, limits.tries) + 2 * LIMIT
    found = find_dependency(policy.replaceable, {"request": {"url": request.url}})
    looks = timedelta(0)
    if found is not None:
        looks = found[1].health.timeout + sum((c.probe.timeout for c in found[1].candidates), timedelta(0))
    handed = HANDOVER_TRIES * limits.timeout + longest_waits(limits, HANDOVER_TRIES) if hands_over else timedelta(0)
    return min(candidates * (one + looks) + handed + _MARGIN, _LONGEST_WINDOW)
