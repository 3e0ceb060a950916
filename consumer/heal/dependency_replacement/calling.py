"""Makes the failed call at a candidate, tells its answer in the caller's words, and has it proven by the contract."""

from functools import partial
from typing import Final, TypeAlias, assert_never

from consumer.catalog.candidates import Candidate
from consumer.heal.calls.asked_wait import asked_wait
from consumer.heal.calls.backoff import jitter
from consumer.heal.calls.body import Content, content_of
from consumer.heal.calls.false_success.asked import asked_by
from consumer.heal.calls.handover import finish_from_call
from consumer.heal.calls.request import call_limit
from consumer.heal.calls.retry_budget import UNASKED_REFUND, cost
from consumer.heal.calls.session import call_entry
from consumer.heal.calls.status_verdict import (
    Definite,
    Forbidden,
    MayHaveRun,
    Repeat,
    Verify,
    judge,
    signals_unhealthy,
    throttled,
)
from consumer.heal.calls.verify import verify_answer
from consumer.heal.dependency_replacement.machine import candidate_answered
from consumer.heal.dependency_replacement.session import ReplacementSession
from consumer.heal.dependency_replacement.translation import broken_echo, candidate_call, told_back
from consumer.heal.gate import run_permitted
from consumer.heal.session import proof
from consumer.model import Healed, Outcome, Proof, Refused
from consumer.model.binding import Binding
from consumer.model.call import Answer, CallResult, NotSent, OutboundRequest
from consumer.runners.templates import UnfitValue
from schemas.dependency_binding import BindingState
from schemas.names import Code, Effect, Verdict
from schemas.value import value

_ITS_OWN_FAULT: Final = frozenset({400, 404, 405, 409, 410, 413, 414, 415, 422})
"""Refusals of one call that say nothing of the candidate."""


@value(frozen=True, slots=True, kw_only=True)
class Failed:
    """The candidate did not do what the contract demands."""

    outcome: Outcome
    may_have_run: bool = False
    """It may have had the call's effect: no other candidate may be called."""
    blames_candidate: bool = True


Called: TypeAlias = Outcome | Failed


async def call_candidate(session: ReplacementSession, binding: Binding, candidate: Candidate) -> Called:
    """Make the failed call at a candidate, and count its answer for or against the binding."""
    called = await _call_and_verify(session, candidate)
    good = not isinstance(called, Failed)
    if isinstance(called, Failed) and not called.blames_candidate:
        return called
    if isinstance(called, Healed | Failed) and _counts(binding, good=good):
        times = session.dependency.binding
        await session.book.change(
            session.named,
            lambda before, _, now: (
                None if before is None else candidate_answered(before, candidate.name, good=good, times=times, now=now)
            ),
        )
    return called


def _counts(binding: Binding, *, good: bool) -> bool:
    """Return whether an answer changes the binding: a good one of a candidate that has all calls does not."""
    return not good or binding.failed > 0 or binding.state is BindingState.CANARY


async def _call_and_verify(session: ReplacementSession, candidate: Candidate) -> Called:
    try:
        call = candidate_call(session.dependency, candidate, session.request, session.org_id)
    except UnfitValue as why:
        refused = Refused(code=Code.REFUSED, reason=f"{candidate.name} cannot take this call: {why}")
        return Failed(outcome=refused, blames_candidate=False)
    if (wait := session.watched.wait_to_call(session.org_id, session.name, candidate)) is not None:
        return session.retry_later(wait, f"{candidate.name} takes {candidate.limits.per_minute:g} calls a minute")
    session.called.append(candidate.name)
    session.paid += candidate.price or 0
    ended = await _call_until_judged(session, candidate, call)
    if isinstance(ended, Verify):
        return await _verify(session, candidate, ended.answer)
    return _failed(session, candidate, ended)


def _failed(
    session: ReplacementSession, candidate: Candidate, ended: Repeat | Definite | MayHaveRun | Forbidden
) -> Failed:
    match ended:
        case Repeat(why=why):
            return Failed(outcome=session.not_healed(Code.NOT_HEALED, f"{candidate.name}: {why}"))
        case Definite(why=why):
            last = session.tries[-1]
            status = last.get("status") if isinstance(last, dict) else None
            failed = session.not_healed(Code.NOT_HEALED, f"{candidate.name}: {why}")
            return Failed(outcome=failed, blames_candidate=status not in _ITS_OWN_FAULT)
        case MayHaveRun(why=why):
            told = f"{candidate.name}: {why}: the call may have had its effect there, and is made nowhere else"
            return Failed(outcome=session.unknown(told), may_have_run=True)
        case Forbidden(why=why):
            return Failed(outcome=Refused(code=Code.REFUSED, reason=why), blames_candidate=False)
        case _:
            assert_never(ended)


async def _call_until_judged(
    session: ReplacementSession, candidate: Candidate, call: OutboundRequest
) -> Verify | Repeat | Definite | MayHaveRun | Forbidden:
    limits, target = session.policy.auto_retry, session.target_of(call.url)
    expect = session.request.expect if candidate.answer is None and candidate.call is None else None
    paid = 0
    for n in range(1, limits.tries + 1):
        result = await run_permitted(session.gate, partial(_send, session, call))
        entry = call_entry(n, result) | {"candidate": candidate.name}
        session.tries.append(entry)
        session.dependency_unhealthy = signals_unhealthy(result, call_limit(session.request, session.policy))
        judged = judge(result, session.effect, expect)
        if isinstance(result, Answer):
            session.watched.answered(session.name, candidate.name, result.elapsed)
        if isinstance(judged, Verify):
            session.tools.quota.give_back(target, paid or UNASKED_REFUND)
        if not isinstance(judged, Repeat) or n == limits.tries:
            return judged
        wait = jitter(limits, n, throttled=judged.throttled, random=session.tools.random)
        if isinstance(judged.answer, Answer):
            wait = max(wait, asked_wait(judged.answer, session.tools.now()) or wait)
        if not _may_be_paid_again(session, candidate, result):
            return judged
        paid = cost(throttled=judged.throttled)
        late = wait >= min(session.gate.remaining(), limits.inline_wait)
        if late or not session.tools.quota.take(target, paid):
            return judged
        await session.sleep(wait)
    raise AssertionError("at least one call is made")


def _may_be_paid_again(session: ReplacementSession, candidate: Candidate, result: CallResult) -> bool:
    """Return whether what is held pays for one more try, and count it; a try that certainly cost nothing is free.

    Under one key a call is charged once, however often it is made.
    """
    free = isinstance(result, NotSent) or throttled(result) or session.effect is not Effect.NONE
    if free or not candidate.price:
        return True
    if not session.can_pay(candidate):
        return False
    session.paid += candidate.price
    return True


async def _send(session: ReplacementSession, call: OutboundRequest) -> CallResult:
    return await session.send(call, within=call_limit(session.request, session.policy))


async def _verify(session: ReplacementSession, candidate: Candidate, answer: Answer) -> Called:
    if candidate.price is not None:
        session.gate.charge(candidate.price)
    try:
        told = told_back(candidate, answer)
    except UnfitValue as why:
        return _lied(session, candidate, str(why), ())
    content = content_of(told)
    kept = await _contract_proof(session, candidate, told, content)
    if kept.verdict is not Verdict.PASSED:
        return _lied(session, candidate, kept.detail, (kept,))
    said = await verify_answer(told, content, session.request.expect, asked_by(session.request), session.judge)
    proofs = (kept, *said.proofs)
    if said.code is not None:
        # It keeps the contract, and this caller demands more: that is between the two.
        unproven = _unproven(session, said.code, f"{candidate.name}: {said.reason}", proofs)
        blames = any(one.oracle == "body" for one in said.proofs)
        return Failed(outcome=unproven, may_have_run=session.effect is not Effect.NONE, blames_candidate=blames)
    return await finish_from_call(session, told, content, proofs)


async def _contract_proof(session: ReplacementSession, candidate: Candidate, told: Answer, content: Content) -> Proof:
    if told.truncated:
        return proof("contract", Verdict.INCONCLUSIVE, f"{candidate.name}: longer than what is read")
    if content.kind != "json":
        return proof("contract", Verdict.FAILED, f"{candidate.name}: {content.kind}, where the contract demands JSON")
    contract = session.dependency.contract
    found, detail = await session.judge(contract.answer, content.value)
    if found != "passed":
        verdict = Verdict.FAILED if found == "failed" else Verdict.INCONCLUSIVE
        return proof("contract", verdict, f"{candidate.name}: {detail}")
    if (why := broken_echo(contract, session.request, content)) is not None:
        return proof("contract", Verdict.FAILED, f"{candidate.name}: {why}")
    return proof("contract", Verdict.PASSED, f"the answer of {candidate.name} keeps the contract")


def _lied(session: ReplacementSession, candidate: Candidate, why: str, proofs: tuple[Proof, ...]) -> Failed:
    inconclusive = any(one.verdict is Verdict.INCONCLUSIVE for one in proofs)
    code = Code.UNVERIFIED if inconclusive else Code.NOT_HEALED
    outcome = _unproven(session, code, f"{candidate.name} answered, but not as the contract demands: {why}", proofs)
    return Failed(outcome=outcome, may_have_run=session.effect is not Effect.NONE)


def _unproven(session: ReplacementSession, code: Code, reason: str, proofs: tuple[Proof, ...]) -> Outcome:
    if session.effect is Effect.UNSAFE:
        return session.unknown(reason, proofs)
    return session.not_healed(code, reason, proofs)
