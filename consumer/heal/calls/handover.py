"""Hand-over of a verified answer to the workflow run, and the outcome that a heal with an answer ends with."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final, Literal

from consumer.heal.calls.backoff import jitter
from consumer.heal.calls.body import Content, content_of, handover_body, recovered
from consumer.heal.calls.read_back import Happened
from consumer.heal.calls.request import HANDOVER_TRIES, handover_address
from consumer.heal.calls.retry_budget import UNASKED_REFUND, cost
from consumer.heal.calls.session import CallSession, call_entry
from consumer.heal.calls.status_verdict import Repeat, Verify, judge
from consumer.heal.gate import run_permitted
from consumer.heal.session import proof
from consumer.model import Healed, Json, Outcome, Proof
from consumer.model.call import Answer, OutboundRequest
from schemas.context import ResumeContext
from schemas.json_text import to_json
from schemas.names import Code, Effect, Verdict

_HANDOVER_ANSWER_BYTES: Final = 64 * 1024
Source = Literal["call", "read_back"]


async def finish_from_call(
    session: CallSession, answer: Answer, content: Content, proofs: tuple[Proof, ...]
) -> Outcome:
    """Hand over the verified answer of the call, and return the outcome."""
    reason = "the call succeeded, but its answer could not be handed over"
    unwell = session.unknown if session.effect is Effect.UNSAFE else _not_healed_by(session)
    handover = await _hand_over(session, answer, content, "call")
    if isinstance(handover, _PutOff):
        return _put_off(session, handover, f"{reason} yet", unknown=session.effect is Effect.UNSAFE)
    if handover is not None and handover.verdict is not Verdict.PASSED:
        return unwell(f"{reason}: {handover.detail}", (*proofs, handover))
    return _healed(session, answer, content, proofs, handover, None)


async def finish_from_read_back(session: CallSession, seen: Happened) -> Outcome:
    """Hand over the answer of a read-back that showed the effect, whoever made it, and return the outcome.

    Its code is `recovered` where this service sent nothing: this heal did nothing, and a next one would see the same.
    """
    answer, content = seen.answer, content_of(seen.answer)
    proofs = (proof("read_back", Verdict.PASSED, seen.why),)
    code = None if session.acted else Code.RECOVERED
    handover = await _hand_over(session, answer, content, "read_back")
    if isinstance(handover, _PutOff):
        return _put_off(session, handover, "the call has happened, but what was read back could not be handed over yet")
    if handover is not None and handover.verdict is not Verdict.PASSED:
        reason = f"the call has happened, but what was read back could not be handed over: {handover.detail}"
        unwell = session.unknown if session.acted else _not_healed_by(session)
        return unwell(reason, (*proofs, handover))
    return _healed(session, answer, content, proofs, handover, code)


def _not_healed_by(session: CallSession) -> Callable[[str, tuple[Proof, ...]], Outcome]:
    return lambda reason, proofs: session.not_healed(Code.NOT_HEALED, reason, proofs)


def _healed(
    session: CallSession,
    answer: Answer,
    content: Content,
    proofs: tuple[Proof, ...],
    handover: Proof | None,
    code: Code | None,
) -> Healed:
    return Healed(
        proofs=proofs if handover is None else (*proofs, handover),
        code=code,
        recovered=recovered(answer, content, session.tools.redact),
        details=session.details,
    )


@dataclass(frozen=True, slots=True)
class _PutOff:
    """The outbound budget is used up: the answer is not handed over now."""

    wait: timedelta
    why: str


def _put_off(session: CallSession, later: _PutOff, reason: str, *, unknown: bool = False) -> Outcome:
    """Return the outcome of an answer that is handed over later; an un-keyed call is not made again for that."""
    said = f"{reason}: {later.why}"
    if unknown and session.request.read_back is None:
        return session.unknown(said)
    return session.retry_later(later.wait, said, effect_in_doubt=session.acted and session.effect is Effect.UNSAFE)


async def _hand_over(session: CallSession, answer: Answer, content: Content, source: Source) -> Proof | _PutOff | None:
    if session.resume is None:
        return None
    call, limits = _handover_call(session, session.resume, answer, content, source), session.policy.auto_retry
    why, target, paid = "the claim's time is over", session.target_of(call.url), 0
    for n in range(1, HANDOVER_TRIES + 1):
        if (over := session.tools.budget.wait_to_send(session.task.failure, len(call.body or b""))) is not None:
            if n == 1:
                return _PutOff(*over)
            why = f"{why}; not again now: {over[1]}"
            break
        result = await run_permitted(
            session.gate, partial(session.send, call, within=limits.timeout, max_bytes=_HANDOVER_ANSWER_BYTES)
        )
        session.handover_tries.append(call_entry(n, result))
        # Its idempotency key makes it repeatable: the receiver sees one hand-over, however often it is sent.
        judged = judge(result, Effect.KEYED, None)
        if isinstance(judged, Verify):
            session.tools.quota.give_back(target, paid or UNASKED_REFUND)
            return proof("handover", Verdict.PASSED, f"answered {judged.answer.status}")
        why = judged.why
        if not isinstance(judged, Repeat):
            break
        wait = jitter(limits, n, throttled=judged.throttled, random=session.tools.random)
        if n == HANDOVER_TRIES or wait >= session.gate.remaining():
            break
        paid = cost(throttled=judged.throttled)
        if not session.tools.quota.take(target, paid):
            why = f"{why}; not again now, for too many calls to it have failed"
            break
        await session.sleep(wait)
    return proof("handover", Verdict.FAILED, why)


def _handover_call(
    session: CallSession, resume: ResumeContext, answer: Answer, content: Content, source: Source
) -> OutboundRequest:
    address, task = handover_address(resume), session.task
    carried: dict[str, Json] = {
        "failure_id": str(task.failure.id),
        "attempt_id": str(task.attempt_id),
        "org_id": str(task.failure.org_id),
        "workflow_name": task.failure.workflow_name,
        "source": source,
        "response": handover_body(answer, content),
    }
    ours = {"content-type": "application/json", "idempotency-key": str(task.attempt_id)}
    kept = tuple((name, value) for name, value in address.headers if name.lower() not in ours)
    return replace(address, headers=(*kept, *ours.items()), body=to_json(carried), effect=True)
