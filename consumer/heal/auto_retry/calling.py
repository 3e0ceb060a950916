"""Making the failed call again: try by try, each allowed by the gate and paid from the target's retry quota."""

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from consumer.call import Ambiguous, Answer, CallResult
from consumer.heal.auto_retry import rules
from consumer.heal.auto_retry.backoff import jitter, named_wait
from consumer.heal.auto_retry.content import content_of
from consumer.heal.auto_retry.ending import healed_by_call, healed_by_sight
from consumer.heal.auto_retry.job import SECOND, Job, noted
from consumer.heal.auto_retry.looking import looked
from consumer.heal.auto_retry.quota import UNASKED_REFUND, cost
from consumer.heal.auto_retry.read_back import Happened, NotHappened, Unclear, quiet
from consumer.heal.auto_retry.verdict import Definite, Forbidden, Judgement, MayHaveRun, Repeat, Verify, ill, judge
from consumer.heal.auto_retry.verify import verified
from consumer.heal.permitted import permitted
from consumer.model import Outcome, Refused, RetryLater
from schemas.names import Code, Effect


async def called(job: Job) -> Outcome:
    """Call until there is an answer that counts, verify it, hand it over."""
    ended = await _tried(job)
    match ended:
        case Verify(answer=answer):
            return await _finished(job, answer)
        case Happened():
            return await healed_by_sight(job, ended)
        case _:
            return _unhealed(job, ended)


def _unhealed(job: Job, ended: Repeat | Definite | MayHaveRun | Forbidden | RetryLater) -> Outcome:
    match ended:
        case RetryLater():
            return replace(ended, details=job.course.details, ill=job.course.ill)
        case Repeat(why=why):
            # Without an answer, and without the other side's being to blame, nothing was found out.
            code = Code.NOT_HEALED if ended.answer is not None or job.course.ill else Code.UNVERIFIED
            return job.not_healed(code, f"tried {len(job.course.tries)} times: {why}")
        case Definite(why=why):
            return job.not_healed(Code.NOT_HEALED, why)
        case MayHaveRun(why=why):
            return job.unknown(f"{why}: the call may have had its effect, and is not repeated without a key")
        case Forbidden(why=why):
            return Refused(code=Code.REFUSED, reason=why)
        case _:
            assert_never(ended)


async def _tried(job: Job) -> Judgement | RetryLater | Happened:
    limits = job.policy.auto_retry
    acted = False
    for n in range(1, limits.tries + 1):
        result = await _try(job, n)
        judged = judge(result, job.effect, job.request.expect)
        if isinstance(judged, Verify):
            job.means.quota.give_back(job.target, job.course.paid or UNASKED_REFUND)
        if isinstance(judged, Forbidden) and acted:
            return Definite(why=judged.why)
        doubt = await _read_back(job, judged) if isinstance(judged, MayHaveRun) else judged
        if not isinstance(doubt, Repeat):
            return doubt
        acted = acted or isinstance(result, Answer | Ambiguous)
        wait = _wait(job, doubt, n)
        if isinstance(wait, RetryLater):
            return wait
        if n == limits.tries or wait >= job.gate.remaining():
            break
        job.course.paid = cost(throttled=doubt.throttled)
        if not job.means.quota.take(job.target, job.course.paid):
            return replace(doubt, why=f"{doubt.why}; not again now, for too many calls to it have failed")
        await job.sleep(wait)
    return doubt


async def _try(job: Job, n: int) -> CallResult:
    given = rules.call_limit(job.request, job.policy)

    async def act() -> CallResult:
        nonlocal given
        given = min(given, job.gate.remaining())
        return await job.send(replace(rules.outbound(job.request), effect=True), within=given)

    result = await permitted(job.gate, act)
    job.course.tries.append(noted(n, result))
    job.course.ill = ill(result, given)
    return result


async def _read_back(job: Job, judged: MayHaveRun) -> MayHaveRun | Repeat | Happened:
    look = job.request.read_back
    if look is None:
        return judged
    found = await looked(job, look, quiet(look, job.request, job.policy))
    match found:
        case Happened():
            return found
        case NotHappened(why=why):
            return Repeat(why=f"{judged.why}; read back: {why}", throttled=judged.throttled, answer=judged.answer)
        case Unclear(why=why):
            return replace(judged, why=f"{judged.why}; reading back told nothing: {why}")
        case _:
            assert_never(found)


def _wait(job: Job, judged: Repeat, n: int) -> timedelta | RetryLater:
    limits = job.policy.auto_retry
    named = named_wait(judged.answer, job.means.now()) if judged.answer is not None else None
    if named is not None and named > limits.inline_wait:
        return RetryLater(after=named, reason=f"{judged.why}, and asked to wait {named / SECOND:g} s")
    drawn = jitter(limits, n, throttled=judged.throttled, random=job.means.random)
    return drawn if named is None else named


async def _finished(job: Job, answer: Answer) -> Outcome:
    content = content_of(answer)
    request = job.request
    said = await verified(answer, content, request.expect, request.headers, job.means.schemas)
    if said.code is None:
        return await healed_by_call(job, answer, content, said.proofs)
    if job.effect is not Effect.UNSAFE:
        return job.not_healed(said.code, said.reason, said.proofs)
    unproven = MayHaveRun(why=f"answered {answer.status}, but {said.reason}", throttled=False)
    found = await _read_back(job, unproven)
    match found:
        case Happened() if said.code is Code.UNVERIFIED:
            return await healed_by_sight(job, found)
        case Repeat(why=why):
            return job.not_healed(said.code, why, said.proofs)
        case _:
            # It happened, and its answer is not what the caller demands: once more would not make it so.
            return job.unknown(f"the call may have had its effect, but {said.reason}", said.proofs)
