"""The strategy: its plan's half, and the calls themselves in the order in which they happen."""

import asyncio
import random as random_numbers
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, assert_never

from consumer.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest
from consumer.catalog import WorkflowPolicy
from consumer.errors import DeadlinePassed
from consumer.heal.auto_retry import rules
from consumer.heal.auto_retry.backoff import jitter, named_wait
from consumer.heal.auto_retry.content import Content, Redact, content_of, handed_over, recovered
from consumer.heal.auto_retry.schema_check import SchemaCheck, schema_check, too_large
from consumer.heal.auto_retry.verdict import Definite, Forbidden, Judgement, MayHaveRun, Repeat, Verify, judge
from consumer.heal.auto_retry.verify import proof, verified
from consumer.heal.strategy import EffectGate, Task
from consumer.model import (
    Diagnosis,
    Failure,
    Healed,
    Intent,
    Json,
    NotHealed,
    Outcome,
    Proof,
    Refused,
    RetryLater,
    Scope,
    Unknown,
)
from schemas.context import ContextFault, RequestContext, ResumeContext, request_of, resume_of
from schemas.json_text import to_json
from schemas.names import Code, Effect, StrategyName, Verdict

__all__ = ["AutoRetry", "Calls", "Redact"]

_SECOND: Final = timedelta(seconds=1)
_NOTHING: Final = timedelta(0)
_HANDOVER_ANSWER_BYTES: Final = 64 * 1024


class Calls(Protocol):
    """The way out."""

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        """Say why the catalog does not allow a call, or None; pure."""
        ...

    async def send(
        self, request: OutboundRequest, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> CallResult:
        """Make a call; everything that the world does is a value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    task: Task
    gate: EffectGate
    request: RequestContext
    resume: ResumeContext | None
    tries: list[Json]
    handover_tries: list[Json]

    @property
    def effect(self) -> Effect:
        return self.task.plan.intent.effect

    @property
    def details(self) -> dict[str, Json]:
        told: dict[str, Json] = {"tries": self.tries}
        return told | {"handover": self.handover_tries} if self.handover_tries else told


class AutoRetry:
    """Makes the failed call of `context.request` again.

    Chance, sleep and the clock are passed in: `random` gives numbers in [0, 1), `now` an aware time.
    """

    def __init__(
        self,
        calls: Calls,
        redact: Redact,
        *,
        random: Callable[[], float] = random_numbers.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        schemas: SchemaCheck | None = None,
    ) -> None:
        self._calls = calls
        self._redact = redact
        self._random = random
        self._sleep = sleep
        self._now = now
        self._schemas = schemas or schema_check()

    @property
    def name(self) -> StrategyName:
        """Its name on the ladder."""
        return StrategyName.AUTO_RETRY

    def needs(self, failure: Failure) -> tuple[str, ...]:
        """Name what is absent or unusable; nothing where redaction is to blame: then `refusal` says so."""
        return () if rules.redacted_part(failure) else rules.missing(failure)

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Say why the call must not be made again."""
        reason = rules.redacted_part(failure) or rules.hopeless(diagnosis)
        if reason:
            return reason
        request = request_of(failure.context)
        if request is None or isinstance(request, ContextFault):
            fault = "is missing" if request is None else f"{request.message} (at {request.path})"
            return f"context.request: {fault}"
        return rules.unsafe_repeat(failure, request) or self._forbidden(failure, request, policy)

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        """Make the same call again: its scope is the call, so two failures of one call are healed one by one."""
        request = request_of(failure.context)
        if not isinstance(request, RequestContext):
            raise TypeError("only a failure with a usable request is planned")
        effect = request.effect_or_default
        called = rules.call_digest(request)
        return Intent(
            scope=Scope(f"{failure.org_id}:request:{called}"),
            effect=effect,
            window=rules.window(request, hands_over=failure.context.get("resume") is not None, policy=policy),
            idempotency_key=request.idempotency_key if effect is Effect.KEYED else None,
            dependency=rules.dependency(request),
            damage=rules.damage(failure, called),
        )

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:
        """Call until there is an answer that counts, verify it, hand it over."""
        job = self._job(task, gate)
        if isinstance(job, Refused):
            return job
        unusable = await self._unusable_schema(job.request)
        if unusable is not None:
            return unusable
        judged = await self._tried(job)
        return await self._finished(job, judged.answer) if isinstance(judged, Verify) else _ended(job, judged)

    def _job(self, task: Task, gate: EffectGate) -> _Job | Refused:
        failure = task.failure
        reason = rules.redacted_part(failure)
        if reason:
            return Refused(code=Code.REFUSED, reason=reason)
        missing = rules.missing(failure)
        request, resume = request_of(failure.context), resume_of(failure.context)
        if missing or not isinstance(request, RequestContext) or isinstance(resume, ContextFault):
            reason = f"the event lacks, or has in an unusable form: {', '.join(missing)}"
            return Refused(code=Code.MISSING_CONTEXT, reason=reason, missing=missing)
        reason = self._forbidden(failure, request, task.policy)
        if reason:
            return Refused(code=Code.REFUSED, reason=reason)
        return _Job(task=task, gate=gate, request=request, resume=resume, tries=[], handover_tries=[])

    def _forbidden(self, failure: Failure, request: RequestContext, policy: WorkflowPolicy) -> str | None:
        if request.expect is not None and request.expect.schema_ is not None and too_large(request.expect.schema_):
            return "context.request.expect.schema is too large: send a schema below 256 KiB"
        reason = self._calls.refusal(rules.outbound(request), policy)
        if reason:
            return f"context.request: {reason}"
        resume = resume_of(failure.context)
        if not isinstance(resume, ResumeContext):
            return None
        reason = self._calls.refusal(rules.handover_address(resume), policy)
        return f"context.resume: {reason}" if reason else None

    async def _unusable_schema(self, request: RequestContext) -> Refused | None:
        if request.expect is None or request.expect.schema_ is None:
            return None
        found, detail = await self._schemas.usable(request.expect.schema_)
        if found == "passed":
            return None
        return Refused(code=Code.REFUSED, reason=f"context.request.expect.schema: {detail}: send a usable schema")

    async def _tried(self, job: _Job) -> Judgement | RetryLater:
        limits = job.task.policy.auto_retry
        call = rules.outbound(job.request)
        acted = False
        for n in range(1, limits.tries + 1):
            await job.gate.begin()
            within = _within(rules.call_limit(job.request, job.task.policy), job.gate)
            result = await self._calls.send(call, job.task.policy, within=within, max_bytes=limits.response_bytes)
            job.tries.append(_noted(n, result))
            judged = judge(result, job.effect, job.request.expect)
            if isinstance(judged, Forbidden) and acted:
                return Definite(why=judged.why)
            if not isinstance(judged, Repeat):
                return judged
            acted = acted or isinstance(result, Answer | Ambiguous)
            wait = self._wait(judged, n, job.task.policy)
            if isinstance(wait, RetryLater):
                return wait
            if n == limits.tries or wait >= job.gate.remaining():
                break
            await self._sleep(wait / _SECOND)
        return judged

    def _wait(self, judged: Repeat, n: int, policy: WorkflowPolicy) -> timedelta | RetryLater:
        named = named_wait(judged.answer, self._now()) if judged.answer is not None else None
        if named is not None and named > policy.auto_retry.inline_wait:
            return RetryLater(after=named, reason=f"{judged.why}, and asked to wait {named / _SECOND:g} s")
        drawn = jitter(policy.auto_retry, n, throttled=judged.throttled, random=self._random)
        return drawn if named is None else named

    async def _finished(self, job: _Job, answer: Answer) -> Outcome:
        content = content_of(answer)
        verification = await verified(answer, content, job.request, self._schemas)
        proofs = verification.proofs
        if verification.code is not None:
            if job.effect is Effect.UNSAFE:
                return _unknown(job, f"the call may have had its effect, but {verification.reason}", proofs)
            return _not_healed(job, verification.code, verification.reason, proofs)
        if job.resume is not None:
            handover = await self._handed_over(job, job.resume, answer, content)
            proofs = (*proofs, handover)
            if handover.verdict is not Verdict.PASSED:
                reason = f"the call succeeded, but its answer could not be handed over: {handover.detail}"
                if job.effect is Effect.UNSAFE:
                    return _unknown(job, reason, proofs)
                return _not_healed(job, Code.NOT_HEALED, reason, proofs)
        return Healed(proofs=proofs, recovered=recovered(answer, content, self._redact), details=job.details)

    async def _handed_over(self, job: _Job, resume: ResumeContext, answer: Answer, content: Content) -> Proof:
        call, policy = _handover_call(job.task, resume, answer, content), job.task.policy
        why = "the claim's time is over"
        for n in range(1, rules.HANDOVER_TRIES + 1):
            await job.gate.begin()
            within = _within(policy.auto_retry.timeout, job.gate)
            result = await self._calls.send(call, policy, within=within, max_bytes=_HANDOVER_ANSWER_BYTES)
            job.handover_tries.append(_noted(n, result))
            # Its key makes it repeatable: the receiver sees one hand-over, however often it is made.
            judged = judge(result, Effect.KEYED, None)
            if isinstance(judged, Verify):
                return proof("handover", Verdict.PASSED, f"answered {judged.answer.status}")
            why = judged.why
            if not isinstance(judged, Repeat):
                break
            wait = jitter(policy.auto_retry, n, throttled=judged.throttled, random=self._random)
            if n == rules.HANDOVER_TRIES or wait >= job.gate.remaining():
                break
            await self._sleep(wait / _SECOND)
        return proof("handover", Verdict.FAILED, why)


def _ended(job: _Job, judged: Repeat | Definite | MayHaveRun | Forbidden | RetryLater) -> Outcome:
    match judged:
        case RetryLater():
            return replace(judged, details=job.details)
        case Repeat(why=why):
            return _not_healed(job, Code.NOT_HEALED, f"tried {len(job.tries)} times: {why}")
        case Definite(why=why):
            return _not_healed(job, Code.NOT_HEALED, why)
        case MayHaveRun(why=why):
            return _unknown(job, f"{why}: the call may have had its effect, and is not repeated without a key")
        case Forbidden(why=why):
            return Refused(code=Code.REFUSED, reason=why)
        case _:
            assert_never(judged)


def _handover_call(task: Task, resume: ResumeContext, answer: Answer, content: Content) -> OutboundRequest:
    address = rules.handover_address(resume)
    carried: dict[str, Json] = {
        "failure_id": str(task.failure.id),
        "attempt_id": str(task.attempt_id),
        "org_id": str(task.failure.org_id),
        "workflow_name": task.failure.workflow_name,
        "response": handed_over(answer, content),
    }
    ours = {"content-type": "application/json", "idempotency-key": str(task.attempt_id)}
    kept = tuple((name, value) for name, value in address.headers if name.lower() not in ours)
    return replace(address, headers=(*kept, *ours.items()), body=to_json(carried))


def _within(limit: timedelta, gate: EffectGate) -> timedelta:
    remaining = gate.remaining()
    if remaining <= _NOTHING:
        raise DeadlinePassed("the claim's time is over before the call: nothing was sent")
    return min(limit, remaining)


def _noted(n: int, result: CallResult) -> dict[str, Json]:
    match result:
        case Answer(status=status, elapsed=elapsed):
            return {"n": n, "status": status, "seconds": round(elapsed / _SECOND, 3)}
        case NotSent(kind=kind, elapsed=elapsed) | Ambiguous(kind=kind, elapsed=elapsed):
            return {"n": n, "failure": kind, "seconds": round(elapsed / _SECOND, 3)}
        case EgressRefused():
            return {"n": n, "failure": "EgressRefused", "seconds": 0}


def _not_healed(job: _Job, code: Code, reason: str, proofs: tuple[Proof, ...] = ()) -> NotHealed:
    return NotHealed(code=code, reason=reason, proofs=proofs, details=job.details)


def _unknown(job: _Job, reason: str, proofs: tuple[Proof, ...] = ()) -> Unknown:
    return Unknown(reason=reason, proofs=proofs, details=job.details)
