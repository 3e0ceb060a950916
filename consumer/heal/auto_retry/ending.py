"""How a heal ends that has an answer: verified, handed over, told."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, Literal

from consumer.call import Answer, OutboundRequest
from consumer.heal.auto_retry import rules
from consumer.heal.auto_retry.backoff import jitter
from consumer.heal.auto_retry.content import Content, content_of, handed_over, recovered
from consumer.heal.auto_retry.job import Job, noted
from consumer.heal.auto_retry.read_back import Happened
from consumer.heal.auto_retry.verdict import Repeat, Verify, judge
from consumer.heal.auto_retry.verify import proof
from consumer.heal.permitted import permitted
from consumer.model import Healed, Json, Outcome, Proof
from schemas.context import ResumeContext
from schemas.json_text import to_json
from schemas.names import Code, Effect, Verdict

_HANDOVER_ANSWER_BYTES: Final = 64 * 1024
Source = Literal["call", "read_back"]


async def healed_by_call(job: Job, answer: Answer, content: Content, proofs: tuple[Proof, ...]) -> Outcome:
    """End with the answer that the failed call should have had, verified."""
    reason = "the call succeeded, but its answer could not be handed over"
    unwell = job.unknown if job.effect is Effect.UNSAFE else _not_healed_by(job)
    handover = await _handed_over(job, answer, content, "call")
    if handover is not None and handover.verdict is not Verdict.PASSED:
        return unwell(f"{reason}: {handover.detail}", (*proofs, handover))
    return _healed(job, answer, content, proofs, handover, None)


async def healed_by_sight(job: Job, seen: Happened) -> Outcome:
    """End with what a look has shown: the effect happened, by whomever.

    With nothing of ours sent it is `recovered`: this heal did nothing, and a next one would see the same again.
    """
    answer, content = seen.answer, content_of(seen.answer)
    proofs = (proof("read_back", Verdict.PASSED, seen.why),)
    code = None if job.acted else Code.RECOVERED
    handover = await _handed_over(job, answer, content, "read_back")
    if handover is not None and handover.verdict is not Verdict.PASSED:
        reason = f"the call has happened, but what was read back could not be handed over: {handover.detail}"
        unwell = job.unknown if job.acted else _not_healed_by(job)
        return unwell(reason, (*proofs, handover))
    return _healed(job, answer, content, proofs, handover, code)


def _not_healed_by(job: Job) -> Callable[[str, tuple[Proof, ...]], Outcome]:
    return lambda reason, proofs: job.not_healed(Code.NOT_HEALED, reason, proofs)


def _healed(
    job: Job, answer: Answer, content: Content, proofs: tuple[Proof, ...], handover: Proof | None, code: Code | None
) -> Healed:
    return Healed(
        proofs=proofs if handover is None else (*proofs, handover),
        code=code,
        recovered=recovered(answer, content, job.means.redact),
        details=job.course.details,
    )


async def _handed_over(job: Job, answer: Answer, content: Content, source: Source) -> Proof | None:
    if job.resume is None:
        return None
    call, limits = _handover_call(job, job.resume, answer, content, source), job.policy.auto_retry
    why = "the claim's time is over"
    for n in range(1, rules.HANDOVER_TRIES + 1):
        result = await permitted(
            job.gate, partial(job.send, call, within=limits.timeout, max_bytes=_HANDOVER_ANSWER_BYTES)
        )
        job.course.handover_tries.append(noted(n, result))
        # Its key makes it repeatable: the receiver sees one hand-over, however often it is made.
        judged = judge(result, Effect.KEYED, None)
        if isinstance(judged, Verify):
            return proof("handover", Verdict.PASSED, f"answered {judged.answer.status}")
        why = judged.why
        if not isinstance(judged, Repeat):
            break
        wait = jitter(limits, n, throttled=judged.throttled, random=job.means.random)
        if n == rules.HANDOVER_TRIES or wait >= job.gate.remaining():
            break
        await job.sleep(wait)
    return proof("handover", Verdict.FAILED, why)


def _handover_call(
    job: Job, resume: ResumeContext, answer: Answer, content: Content, source: Source
) -> OutboundRequest:
    address, task = rules.handover_address(resume), job.task
    carried: dict[str, Json] = {
        "failure_id": str(task.failure.id),
        "attempt_id": str(task.attempt_id),
        "org_id": str(task.failure.org_id),
        "workflow_name": task.failure.workflow_name,
        "source": source,
        "response": handed_over(answer, content),
    }
    ours = {"content-type": "application/json", "idempotency-key": str(task.attempt_id)}
    kept = tuple((name, value) for name, value in address.headers if name.lower() not in ours)
    return replace(address, headers=(*kept, *ours.items()), body=to_json(carried), effect=True)
