"""The auto-retry strategy: planning (refusal, intent, estimate), and the steps of a heal in their order."""

import asyncio
import random as random_numbers
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.heal.auto_retry import rules
from consumer.heal.auto_retry.doubt import LONGEST_SUSPENSION, DoubtState
from consumer.heal.auto_retry.first_look import look_first
from consumer.heal.auto_retry.going_on import cancel, go_on_looking, restore, state_of, too_long
from consumer.heal.auto_retry.retrying import retry_call
from consumer.heal.auto_retry.run_retry import ORACLE, RerunState, RunRetry, works_on_run
from consumer.heal.calls.outbound_budget import OutboundBudget
from consumer.heal.calls.planned import CALL_FIELDS, fault_digest, missing_fields, redacted_call
from consumer.heal.calls.read_back import look_call, looks_first, settling_time
from consumer.heal.calls.request import call_digest, handover_address, origin, outbound
from consumer.heal.calls.retry_budget import retry_budget
from consumer.heal.calls.session import Calls, CallSession, CallTools
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.heal.refusals import hopeless, missing_context
from consumer.heal.runs.rerun import redacted_run
from consumer.heal.runs.session import RunTools
from consumer.heal.schema_check.check import SchemaCheck, lone_schema_check, too_large
from consumer.heal.strategy import EffectGate, Redact, Task
from consumer.model import Diagnosis, Failure, Intent, JsonObject, MicroAud, OrgId, Outcome, Refused, Scope
from consumer.runners.contract import NO_RUNNERS, Runners
from consumer.settings import OutboundSettings
from schemas.context import (
    ContextFault,
    Expectation,
    RequestContext,
    ResumeContext,
    request_of,
    resume_of,
)
from schemas.names import Code, Effect, StrategyName

__all__ = ["AutoRetry", "Calls"]

_FIELDS: Final = (*CALL_FIELDS, "context.run")
_ORACLES: Final = ("status", "schema", "expect", "read_back", ORACLE)
_Parts = tuple[RequestContext | ContextFault | None, ResumeContext | ContextFault | None]


class AutoRetry:
    """Retries the failed call of `context.request`, where that does no harm or a read-back shows that it does none.

    Without a request, and with a run, the failed step of the run is run again instead (`run_retry.py`).
    Randomness, sleep and the clocks are injected: `random` returns numbers in [0, 1), `now` an aware time, `monotonic`
    seconds.
    """

    def __init__(  # noqa: PLR0913 - clocks, sleep and dice are injected one by one
        self,
        calls: Calls,
        redact: Redact,
        *,
        random: Callable[[], float] = random_numbers.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        schemas: SchemaCheck | None = None,
        outbound_limits: OutboundSettings | None = None,
        runners: Runners = NO_RUNNERS,
    ) -> None:
        self._tools = CallTools(
            calls=calls,
            redact=redact,
            schemas=schemas or lone_schema_check(),
            quota=retry_budget(monotonic),
            budget=OutboundBudget(outbound_limits or OutboundSettings(), monotonic),
            random=random,
            sleep=sleep,
            now=now,
        )
        run_tools = RunTools(redact=redact, sleep=sleep, monotonic=monotonic, now=now)
        self._run_retry = RunRetry(runners, calls, self._tools, run_tools)
        self._last_parts: tuple[JsonObject, _Parts] = ({}, (None, None))

    @property
    def tools(self) -> CallTools:
        """What it makes calls with: shared by every strategy that makes the failed call, so that budgets are one."""
        return self._tools

    @property
    def name(self) -> StrategyName:
        """Its name on the ladder."""
        return StrategyName.AUTO_RETRY

    @property
    def fields(self) -> tuple[str, ...]:
        """Paths of the context fields that the strategy reads: all in `request` and `resume`."""
        return _FIELDS

    @property
    def oracles(self) -> tuple[str, ...]:
        """Names of oracles that can prove a heal: answer, read-back, the run. A hand-over alone proves nothing."""
        return _ORACLES

    @property
    def states(self) -> tuple[type[HealState], ...]:
        """The states that it reads."""
        return (DoubtState, RerunState)

    @property
    def longest_suspension(self) -> timedelta:
        """Time after which a call that nobody could look for is left in doubt."""
        return LONGEST_SUSPENSION

    def needs(self, failure: Failure) -> tuple[str, ...]:
        """Return the absent or unusable context fields; none where redaction is the cause: `refusal` reports that."""
        if _redacted_part(failure) or works_on_run(failure):
            return ()
        return missing_fields(*self._parts(failure))

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Return why the call must not be retried, or None."""
        reason = _redacted_part(failure) or hopeless(diagnosis)
        if reason:
            return reason
        if works_on_run(failure):
            return self._run_retry.refusal(failure, policy)
        request, resume = self._parts(failure)
        if request is None or isinstance(request, ContextFault):
            fault = "is missing" if request is None else f"{request.message} (at {request.path})"
            return f"context.request: {fault}"
        return rules.unsafe_repeat(failure, request) or self._call_refusal(request, resume, policy, failure.org_id)

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        """Return the intent to retry the call. Its scope is the call: two failures of it are healed one by one."""
        if works_on_run(failure):
            return self._run_retry.intent(failure, policy)
        request, resume = self._parts(failure)
        if not isinstance(request, RequestContext):
            raise TypeError("only a failure with a usable request is planned")
        effect = request.effect_or_default
        return Intent(
            scope=Scope(f"{failure.org_id}:request:{call_digest(request)}"),
            effect=effect,
            window=rules.window(
                request,
                hands_over=resume is not None,
                settling=settling_time(request, policy),
                policy=policy,
            ),
            idempotency_key=request.idempotency_key if effect is Effect.KEYED else None,
            reads_back=request.read_back is not None,
            dependency=origin(request.url),
            others=_other_origins(request, resume),
            fault_digest=fault_digest(failure),
        )

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud:  # noqa: ARG002 - the Protocol's
        """Return the credits to hold, as the catalog allows: what the other side charges for its call is unknown."""
        return policy.allowances[StrategyName.AUTO_RETRY]

    def _parts(self, failure: Failure) -> _Parts:
        # Planning asks three times in a row for the same failure, and parsing its request is most of that cost.
        context, parts = self._last_parts
        if context is not failure.context:
            parts = request_of(failure.context), resume_of(failure.context)
            self._last_parts = failure.context, parts
        return parts

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        """Read back where an effect is in doubt, retry the call, verify its answer, and hand it over to the run."""
        if works_on_run(task.failure):
            return await self._run_retry.heal(task, gate)
        session = self._session(task, gate)
        if isinstance(session, Refused):
            return session
        if (over := self._tools.budget.wait_to_begin(task.failure)) is not None:
            return session.retry_later(*over)
        unusable = await self._unusable_schema(session.request, task.failure.org_id)
        if unusable is not None:
            return unusable
        known = await look_first(session) if looks_first(session.request) else None
        return await retry_call(session) if known is None else known

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        """Look for what the call has done, and go on with what follows from it; nothing before that is repeated."""
        if isinstance(kept.state, RerunState):
            return await self._run_retry.go_on(task, gate, kept)
        session, state = self._continued(task, gate, kept)
        return await go_on_looking(session, state, begun=kept.begun)

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        """Look once more for what was sent, and send nothing."""
        if isinstance(kept.state, RerunState):
            return await self._run_retry.cancel(task, gate, kept)
        session, state = self._continued(task, gate, kept)
        return await cancel(session, state, begun=kept.begun)

    def too_long(self, task: Task, kept: Kept) -> Outcome:
        """Return unknown where a call may have had its effect; else it is looked again by a heal of its own."""
        if isinstance(kept.state, RerunState):
            return self._run_retry.too_long(task, kept)
        return too_long(task, state_of(kept), begun=kept.begun)

    def _continued(self, task: Task, gate: EffectGate, kept: Kept) -> tuple[CallSession, DoubtState]:
        # What the catalog allows today is asked at each call: a look that it refuses is inconclusive.
        state, (request, resume) = state_of(kept), self._parts(task.failure)
        if not isinstance(request, RequestContext) or isinstance(resume, ContextFault):
            raise TypeError("only a heal with a usable request is suspended")
        session = CallSession(
            task=task, gate=gate, pause=self._tools.sleep, tools=self._tools, request=request, resume=resume
        )
        restore(session, state, interrupted=kept.begun)
        return session, state

    def _session(self, task: Task, gate: EffectGate) -> CallSession | Refused:
        failure = task.failure
        reason = _redacted_part(failure)
        if reason:
            return Refused(code=Code.REFUSED, reason=reason)
        request, resume = self._parts(failure)
        missing = missing_fields(request, resume)
        if missing or not isinstance(request, RequestContext) or isinstance(resume, ContextFault):
            return missing_context(missing)
        reason = self._call_refusal(request, resume, task.policy, failure.org_id)
        if reason:
            return Refused(code=Code.REFUSED, reason=reason)
        return CallSession(
            task=task, gate=gate, pause=self._tools.sleep, tools=self._tools, request=request, resume=resume
        )

    def _call_refusal(
        self,
        request: RequestContext,
        resume: ResumeContext | ContextFault | None,
        policy: WorkflowPolicy,
        org_id: OrgId,
    ) -> str | None:
        for where, schema in _schemas(request):
            if too_large(schema):
                return f"{where} is too large: send a schema below 256 KiB"
        called_ = [("context.request", outbound(request, with_body=False))]
        if request.read_back is not None:
            called_.append(("context.request.read_back", look_call(request.read_back)))
        if isinstance(resume, ResumeContext):
            called_.append(("context.resume", handover_address(resume)))
        for where, call in called_:
            reason = self._tools.calls.refusal(replace(call, org_id=org_id), policy)
            if reason:
                return f"{where}: {reason}"
        return None

    async def changes_refusal(self, failure: Failure, changes: JsonObject, policy: WorkflowPolicy) -> str | None:  # noqa: ARG002 - the Protocol's
        """Return why another request cannot be sent: it has to be the same call, at the same place, proven alike."""
        before, _ = self._parts(failure)
        if not isinstance(before, RequestContext):
            return "it has no usable request"
        return rules.other_call(before, changes)

    async def _unusable_schema(self, request: RequestContext, org_id: OrgId) -> Refused | None:
        for where, schema in _schemas(request):
            found, detail = await self._tools.schemas.usable(schema, org_id)
            if found != "passed":
                return Refused(code=Code.REFUSED, reason=f"{where}: {detail}: send a usable schema")
        return None


def _other_origins(request: RequestContext, resume: ResumeContext | ContextFault | None) -> tuple[str, ...]:
    urls = [] if request.read_back is None else [request.read_back.url]
    urls += [resume.url] if isinstance(resume, ResumeContext) else []
    return tuple(dict.fromkeys(other for url in urls if (other := origin(url)) != origin(request.url)))


def _redacted_part(failure: Failure) -> str | None:
    return (redacted_run(failure) if works_on_run(failure) else None) or redacted_call(failure)


def _schemas(request: RequestContext) -> list[tuple[str, object]]:
    look = request.read_back
    places: list[tuple[str, Expectation | None]] = [("context.request.expect", request.expect)]
    if look is not None:
        places += [("context.request.read_back.expect", look.expect), ("context.request.read_back.absent", look.absent)]
    return [(f"{at}.schema", one.schema_) for at, one in places if one is not None and one.schema_ is not None]
