"""Looking whether an effect has happened: reads only, so the gate's beginning is not asked for."""

from datetime import timedelta
from typing import Final

from consumer.call import Answer, CallResult
from consumer.heal.auto_retry.backoff import named_wait
from consumer.heal.auto_retry.content import Content, content_of
from consumer.heal.auto_retry.job import Job, noted
from consumer.heal.auto_retry.quota import cost
from consumer.heal.auto_retry.read_back import (
    Happened,
    Sighting,
    Unclear,
    look_call,
    look_limit,
    pause,
    sighting,
    unanswered,
)
from consumer.heal.auto_retry.rules import origin
from consumer.heal.auto_retry.verdict import THROTTLED, expected, ill
from consumer.heal.auto_retry.verify import verified
from schemas.context import Expectation, ReadBack

_NOTHING: Final = timedelta(0)


async def looked(job: Job, look: ReadBack, quiet: timedelta) -> Sighting:
    """Look until it is sure: it has happened, or it has not after the quiet time; else, that nobody can say.

    The quiet time is counted from now. An absence that was seen before its end is looked at again.
    """
    left, unclear, n = quiet, 0, 0
    while True:
        n += 1
        result = await _look(job, look, n)
        found = await _sighted(job, look, result)
        if isinstance(found, Happened):
            return found
        unclear = unclear + 1 if isinstance(found, Unclear) else 0
        wait = _pause(job, found, n, left, unclear)
        if wait is None:
            return found
        if wait >= job.gate.remaining():
            return Unclear(why=f"{found.why}, and no time was left to look again")
        if unclear and not job.means.quota.take(job.target, cost(throttled=_throttled(result))):
            return found
        await job.sleep(wait)
        # A look that began within the quiet time proves nothing, however late it was answered: only waits count.
        left -= wait


async def _look(job: Job, look: ReadBack, n: int) -> CallResult:
    within = look_limit(look, job.policy)
    result = await job.send(look_call(look), within=within)
    job.course.looks.append(noted(n, result))
    if origin(look.url) == job.task.plan.intent.dependency and ill(result, within):
        job.course.ill = True
    return result


async def _sighted(job: Job, look: ReadBack, result: CallResult) -> Sighting:
    if not isinstance(result, Answer):
        return unanswered(result)
    content = content_of(result)
    not_happened = await _why_not(job, look, result, content, look.expect)
    not_absent = None if look.absent is None else await _why_not(job, look, result, content, look.absent)
    return sighting(result, content, look, not_happened=not_happened, not_absent=not_absent)


async def _why_not(
    job: Job, look: ReadBack, answer: Answer, content: Content, expect: Expectation | None
) -> str | None:
    if not expected(answer.status, expect):
        return f"answered {answer.status}"
    verification = await verified(answer, content, expect, look.headers, job.means.schemas)
    return None if verification.code is None else f"answered {answer.status}; {verification.reason}"


def _pause(job: Job, found: Sighting, n: int, left: timedelta, unclear: int) -> timedelta | None:
    limits = job.policy.auto_retry
    wait = pause(n, left, unclear, limits)
    named = asked_to_wait(job, found) if isinstance(found, Unclear) else None
    if wait is None or named is None:
        return wait
    return None if named > limits.inline_wait else max(wait, named)


def asked_to_wait(job: Job, found: Unclear) -> timedelta | None:
    """Say how long the other side asks to be left alone."""
    return None if found.answer is None else named_wait(found.answer, job.means.now())


def _throttled(result: CallResult) -> bool:
    return isinstance(result, Answer) and result.status in THROTTLED
