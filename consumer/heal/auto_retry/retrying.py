"""Retry loop of the failed call: each try is allowed by the effect gate and paid from the target's retry budget.

Where a try leaves a doubt, it is read back whether the call has happened. What follows from that is the same whether it
is seen at once, or by whoever goes on with the heal after a long wait (`go_on_from_doubt`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias, assert_never

from consumer.heal.auto_retry.doubt import CallDoubt, doubt_of, suspend
from consumer.heal.calls.asked_wait import asked_wait
from consumer.heal.calls.backoff import jitter
from consumer.heal.calls.body import content_of
from consumer.heal.calls.done_before import done_before, leaves_in_doubt, may_have_run
from consumer.heal.calls.false_success.asked import asked_by
from consumer.heal.calls.handover import finish_from_call, finish_from_read_back
from consumer.heal.calls.read_back import (
    Happened,
    LookLater,
    LookProgress,
    NotHappened,
    Unclear,
    quiet,
    read_back,
)
from consumer.heal.calls.request import call_limit, outbound
from consumer.heal.calls.retry_budget import UNASKED_REFUND, cost
from consumer.heal.calls.session import CallSession, call_entry
from consumer.heal.calls.status_verdict import (
    AlreadyDone,
    Definite,
    EarlierAnswer,
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
from consumer.heal.kept import Suspended
from consumer.heal.session import SECOND, proof
from consumer.model import Outcome, Proof, Refused, RetryLater
from consumer.model.call import Ambiguous, Answer, CallResult
from schemas.names import Code, Effect, Verdict

_Ended: TypeAlias = Judgement | RetryLater | Happened | AlreadyDone | Suspended


async def retry_call(session: CallSession, made: int = 0) -> Outcome | Suspended:
    """Retry the call until there is an answer to verify, verify it, and hand it over to the run.

    `made` is the number of calls of this heal that died with their process.
    """
    in_doubt = made > 0 or may_have_run(session.task.failure)
    return await _finish(session, await _call_until_judged(session, made, in_doubt))


async def go_on_from_doubt(session: CallSession, doubt: CallDoubt, progress: LookProgress) -> Outcome | Suspended:
    """Look for what a suspended heal's call has done, and go on with what follows from it."""
    found = await _look(session, doubt, doubt.judged(), progress)
    if isinstance(found, Suspended):
        return found
    if doubt.about == "answer":
        return await _finish_unproven(session, doubt.code, [kept.proof for kept in doubt.proofs], found)
    if isinstance(found, Happened):
        return await finish_from_read_back(session, found)
    return await _go_on_unhappened(session, doubt, found)


async def _go_on_unhappened(session: CallSession, doubt: CallDoubt, found: MayHaveRun | Repeat) -> Outcome | Suspended:
    is_refusal = doubt.about == "refusal"
    if isinstance(found, MayHaveRun):
        return _unproven_refusal(session, found.why) if is_refusal else _failed_outcome(session, found)
    following = doubt.otherwise() if is_refusal else found
    ended = await _wait_to_repeat(session, following, doubt.calls) if isinstance(following, Repeat) else following
    if ended is not None:
        return _failed_outcome(session, ended)
    return await _finish(session, await _call_until_judged(session, doubt.calls, doubt.in_doubt))


async def _finish(session: CallSession, ended: _Ended) -> Outcome | Suspended:
    match ended:
        case Suspended():
            return ended
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


async def _call_until_judged(session: CallSession, made: int, in_doubt: bool) -> _Ended:
    """Call, after so many calls of this heal, until the verdict is final."""
    limits = session.policy.auto_retry
    acted, last = made > 0, Repeat(why="no call was left", throttled=False)
    for n in range(made + 1, limits.tries + 1):
        result = await _call_once(session, n)
        judged = judge(result, session.effect, session.request.expect)
        if isinstance(judged, Verify):
            session.tools.quota.give_back(session.target, session.paid or UNASKED_REFUND)
        if isinstance(judged, Forbidden) and acted:
            return Definite(why=judged.why)
        done = await _already_done(session, result, judged, n) if in_doubt else None
        if done is not None:
            return done
        in_doubt = in_doubt or leaves_in_doubt(result)
        doubt = await _resolve_call(session, judged, n, in_doubt) if isinstance(judged, MayHaveRun) else judged
        if not isinstance(doubt, Repeat):
            return doubt
        acted, last = acted or isinstance(result, Answer | Ambiguous), doubt
        ended = await _wait_to_repeat(session, doubt, n)
        if ended is not None:
            return ended
    return last


async def _wait_to_repeat(session: CallSession, doubt: Repeat, n: int) -> RetryLater | Repeat | None:
    """Wait before the call after the n-th; returns the end where there is none."""
    limits = session.policy.auto_retry
    wait = _wait(session, doubt, n)
    if isinstance(wait, RetryLater):
        return wait
    if n >= limits.tries or wait >= session.gate.remaining():
        return doubt
    session.paid = cost(throttled=doubt.throttled)
    if not session.tools.quota.take(session.target, session.paid):
        return replace(doubt, why=f"{doubt.why}; not again now, for too many calls to it have failed")
    await session.sleep(wait)
    return None


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
    session: CallSession, result: CallResult, judged: Judgement, n: int
) -> AlreadyDone | Happened | Suspended | None:
    """Return the end of a call that is refused because one before has worked; None: it is judged as any other."""
    if not isinstance(result, Answer) or not isinstance(judged, Repeat | Definite):
        return None
    why = done_before(result, content_of(result), session.request)
    if why is None:
        return None
    if session.request.read_back is None:
        return AlreadyDone(answer=result, why=why, is_proof=True)
    refused = MayHaveRun(why=why, answer=result)
    found = await _look(session, doubt_of(session, "refusal", refused, calls=n, otherwise=judged), refused)
    match found:
        case Happened() | Suspended():
            return found
        case Repeat():
            return None
        case MayHaveRun():
            return AlreadyDone(answer=result, why=found.why, is_proof=False)
        case _:
            assert_never(found)


async def _finish_done(session: CallSession, done: AlreadyDone) -> Outcome:
    """Count a call as healed whose effect an earlier one had, where its own answer is not asked for."""
    if not done.is_proof:
        return _unproven_refusal(session, done.why)
    said = proof("status", Verdict.PASSED, done.why)
    expect, content = session.request.expect, content_of(done.answer)
    wants_the_answer = expect is not None and (expect.schema_ is not None or bool(expect.json_))
    wants_the_answer = wants_the_answer or (session.resume is not None and session.request.method != "DELETE")
    if wants_the_answer:
        advice = "say in context.request.read_back where its result is to be seen"
        return session.not_healed(Code.UNVERIFIED, f"{done.why}; {advice}", (said,))
    return await finish_from_call(session, done.answer, content, (said,))


def _unproven_refusal(session: CallSession, why: str) -> Outcome:
    return session.not_healed(Code.UNVERIFIED, why, (proof("status", Verdict.INCONCLUSIVE, why),))


async def _resolve_call(
    session: CallSession,
    judged: MayHaveRun,
    n: int,
    in_doubt: bool,
) -> MayHaveRun | Repeat | Happened | Suspended:
    return await _look(session, doubt_of(session, "call", judged, calls=n, in_doubt=in_doubt), judged)


async def _look(
    session: CallSession, doubt: CallDoubt, judged: MayHaveRun, progress: LookProgress | None = None
) -> MayHaveRun | Repeat | Happened | Suspended:
    """Read back whether a call has happened, from the beginning of its quiet period or from where it was left."""
    look = session.request.read_back
    if look is None:
        return judged
    if progress is None:
        progress = LookProgress(left=quiet(look, session.request, session.policy))
    found = await read_back(session, look, progress)
    match found:
        case LookLater():
            return suspend(session, doubt, found)
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
    match judged.answer:
        case EarlierAnswer(asked_wait=named):
            pass
        case Answer():
            named = asked_wait(judged.answer, session.tools.now())
        case _:
            named = None
    if named is not None and named > limits.inline_wait:
        return RetryLater(after=named, reason=f"{judged.why}, and asked to wait {named / SECOND:g} s")
    drawn = jitter(limits, n, throttled=judged.throttled, random=session.tools.random)
    # A moment that has passed, or a wait of nothing, is no reason to do without the jitter.
    return drawn if named is None else max(drawn, named)


async def _verify_and_hand_over(session: CallSession, answer: Answer) -> Outcome | Suspended:
    content = content_of(answer)
    request = session.request
    said = await verify_answer(answer, content, request.expect, asked_by(request), session.judge)
    if said.code is None:
        return await finish_from_call(session, answer, content, said.proofs)
    can_look = said.code is Code.UNVERIFIED and session.effect is not Effect.NONE and request.read_back is not None
    if session.effect is not Effect.UNSAFE and not can_look:
        return session.not_healed(said.code, said.reason, said.proofs)
    unproven = MayHaveRun(why=f"answered {answer.status}, but {said.reason}", throttled=False)
    doubt = doubt_of(session, "answer", unproven, calls=len(session.tries), code=said.code, proofs=said.proofs)
    found = await _look(session, doubt, unproven)
    return found if isinstance(found, Suspended) else await _finish_unproven(session, said.code, said.proofs, found)


async def _finish_unproven(
    session: CallSession, code: Code | None, proofs: Sequence[Proof], found: MayHaveRun | Repeat | Happened
) -> Outcome:
    """End with an answer that proves nothing, by what was seen elsewhere of whether the call has worked."""
    said = Verification(proofs=tuple(proofs), code=code or Code.UNVERIFIED)
    if isinstance(found, Happened) and said.code is Code.UNVERIFIED:
        return await finish_from_read_back(session, found)
    if isinstance(found, Repeat) or session.effect is not Effect.UNSAFE:
        return session.not_healed(said.code or Code.UNVERIFIED, found.why, said.proofs)
    # The effect happened, and its answer is not what the caller demands: a retry would not change that.
    return session.unknown(f"the call may have had its effect, but {said.reason}", said.proofs)
