"""Retry loop of the failed call: each try is allowed by the effect gate and paid from the target's retry budget."""

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from consumer.heal.calls.asked_wait import asked_wait
from consumer.heal.calls.backoff import jitter
from consumer.heal.calls.body import content_of
from consumer.heal.calls.done_before import done_before, leaves_in_doubt, may_have_run
from consumer.heal.calls.false_success.asked import asked_by
from consumer.heal.calls.handover import finish_from_call, finish_from_read_back
from consumer.heal.calls.read_back import Happened, NotHappened, Unclear, quiet, read_back
from consumer.heal.calls.request import call_limit, outbound
from consumer.heal.calls.retry_budget import UNASKED_REFUND, cost
from consumer.heal.calls.session import CallSession, call_entry
from consumer.heal.calls.status_verdict import (
    AlreadyDone,
    Definite,
    Forbidden,
    Judgement,
    MayHaveRun,
    Repeat,
    Verify,
    judge,
    signals_unhealthy,
)
from consumer.heal.calls.verify import Verification, verify_answer
from consumer.heal.gate import run_permitted
from consumer.heal.session import SECOND, proof
from consumer.model import Outcome, Refused, RetryLater
from consumer.model.call import Ambiguous, Answer, CallResult
from schemas.names import Code, Effect, Verdict


async def retry_call(session: CallSession) -> Outcome:
    """Retry the call until there is an answer to verify, verify it, and hand it over to the run."""
    ended = await _call_until_judged(session)
    match ended:
        case Verify(answer=answer):
            return await _verify_and_hand_over(session, answer)
        case Happened():
            return await finish_from_read_back(session, ended)
        case AlreadyDone():
            return await _finish_done(session, ended)
        case _:
            return _failed_outcome(session, ended)


def _failed_outcome(session: CallSession, ended: Repeat | Definite | MayHaveRun | Forbidden | RetryLater) -> Outcome:
    match ended:
        case RetryLater():
            return session.retry_later(ended.after, ended.reason)
        case Repeat(why=why):
            # Without an answer from the other side, and without a fault of its own, nothing was found out.
            code = Code.NOT_HEALED if ended.answer is not None or session.dependency_unhealthy else Code.UNVERIFIED
            return session.not_healed(code, f"tried {len(session.tries)} times: {why}")
        case Definite(why=why):
            return session.not_healed(Code.NOT_HEALED, why)
        case MayHaveRun(why=why):
            return session.unknown(f"{why}: the call may have had its effect, and is not repeated without a key")
        case Forbidden(why=why):
            return Refused(code=Code.REFUSED, reason=why)
        case _:
            assert_never(ended)


async def _call_until_judged(session: CallSession) -> Judgement | RetryLater | Happened | AlreadyDone:
    limits = session.policy.auto_retry
    acted, in_doubt = False, may_have_run(session.task.failure)
    for n in range(1, limits.tries + 1):
        result = await _call_once(session, n)
        judged = judge(result, session.effect, session.request.expect)
        if isinstance(judged, Verify):
            session.tools.quota.give_back(session.target, session.paid or UNASKED_REFUND)
        if isinstance(judged, Forbidden) and acted:
            return Definite(why=judged.why)
        done = await _already_done(session, result, judged, in_doubt=in_doubt)
        if done is not None:
            return done
        doubt = await _resolve_doubt(session, judged) if isinstance(judged, MayHaveRun) else judged
        if not isinstance(doubt, Repeat):
            return doubt
        acted = acted or isinstance(result, Answer | Ambiguous)
        in_doubt = in_doubt or leaves_in_doubt(result)
        wait = _wait(session, doubt, n)
        if isinstance(wait, RetryLater):
            return wait
        if n == limits.tries or wait >= session.gate.remaining():
            break
        session.paid = cost(throttled=doubt.throttled)
        if not session.tools.quota.take(session.target, session.paid):
            return replace(doubt, why=f"{doubt.why}; not again now, for too many calls to it have failed")
        await session.sleep(wait)
    return doubt


async def _call_once(session: CallSession, n: int) -> CallResult:
    given = call_limit(session.request, session.policy)

    async def act() -> CallResult:
        nonlocal given
        given = min(given, session.gate.remaining())
        return await session.send(replace(outbound(session.request), effect=True), within=given)

    result = await run_permitted(session.gate, act)
    session.tries.append(call_entry(n, result))
    session.dependency_unhealthy = signals_unhealthy(result, given)
    return result


async def _already_done(
    session: CallSession, result: CallResult, judged: Judgement, *, in_doubt: bool
) -> AlreadyDone | Happened | None:
    """Return the end of a call that is refused because one before has worked; None: it is judged as any other."""
    if not in_doubt or not isinstance(result, Answer) or not isinstance(judged, Repeat | Definite):
        return None
    why = done_before(result, content_of(result), session.request)
    if why is None:
        return None
    found = await _resolve_doubt(session, MayHaveRun(why=why, answer=result))
    match found:
        case Happened():
            return found
        case Repeat():
            return None
        case MayHaveRun():
            return AlreadyDone(answer=result, why=found.why, is_proof=session.request.read_back is None)
        case _:
            assert_never(found)


async def _finish_done(session: CallSession, done: AlreadyDone) -> Outcome:
    """Count a call as healed whose effect an earlier one had, where its own answer is not asked for."""
    said = proof("status", Verdict.PASSED if done.is_proof else Verdict.INCONCLUSIVE, done.why)
    expect, content = session.request.expect, content_of(done.answer)
    wants_the_answer = expect is not None and (expect.schema_ is not None or bool(expect.json_))
    wants_the_answer = wants_the_answer or (session.resume is not None and session.request.method != "DELETE")
    if not done.is_proof or wants_the_answer:
        advice = "" if not done.is_proof else "; say in context.request.read_back where its result is to be seen"
        return session.not_healed(Code.UNVERIFIED, f"{done.why}{advice}", (said,))
    return await finish_from_call(session, done.answer, content, (said,))


async def _resolve_doubt(session: CallSession, judged: MayHaveRun) -> MayHaveRun | Repeat | Happened:
    look = session.request.read_back
    if look is None:
        return judged
    found = await read_back(session, look, quiet(look, session.request, session.policy))
    match found:
        case Happened():
            return found
        case NotHappened(why=why):
            return Repeat(why=f"{judged.why}; read back: {why}", throttled=judged.throttled, answer=judged.answer)
        case Unclear(why=why):
            return replace(judged, why=f"{judged.why}; reading back told nothing: {why}")
        case _:
            assert_never(found)


def _wait(session: CallSession, judged: Repeat, n: int) -> timedelta | RetryLater:
    limits = session.policy.auto_retry
    named = asked_wait(judged.answer, session.tools.now()) if judged.answer is not None else None
    if named is not None and named > limits.inline_wait:
        return RetryLater(after=named, reason=f"{judged.why}, and asked to wait {named / SECOND:g} s")
    drawn = jitter(limits, n, throttled=judged.throttled, random=session.tools.random)
    # A moment that has passed, or a wait of nothing, is no reason to do without the jitter.
    return drawn if named is None else max(drawn, named)


async def _verify_and_hand_over(session: CallSession, answer: Answer) -> Outcome:
    content = content_of(answer)
    request = session.request
    said = await verify_answer(answer, content, request.expect, asked_by(request), session.judge)
    if said.code is None:
        return await finish_from_call(session, answer, content, said.proofs)
    unproven = MayHaveRun(why=f"answered {answer.status}, but {said.reason}", throttled=False)
    if session.effect is not Effect.UNSAFE:
        return await _look_or_end(session, said, unproven)
    found = await _resolve_doubt(session, unproven)
    match found:
        case Happened() if said.code is Code.UNVERIFIED:
            return await finish_from_read_back(session, found)
        case Repeat(why=why):
            return session.not_healed(said.code, why, said.proofs)
        case _:
            # The effect happened, and its answer is not what the caller demands: a retry would not change that.
            return session.unknown(f"the call may have had its effect, but {said.reason}", said.proofs)


async def _look_or_end(session: CallSession, said: Verification, unproven: MayHaveRun) -> Outcome:
    """End with an answer that proves nothing; where the event says how, see elsewhere whether the call has worked."""
    code = said.code or Code.UNVERIFIED
    if code is not Code.UNVERIFIED or session.effect is Effect.NONE or session.request.read_back is None:
        return session.not_healed(code, said.reason, said.proofs)
    found = await _resolve_doubt(session, unproven)
    if isinstance(found, Happened):
        return await finish_from_read_back(session, found)
    return session.not_healed(code, found.why, said.proofs)
