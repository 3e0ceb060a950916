"""Carries out a declared action: a look, one call, and looks until it is proven or the time for that is over.

What stood there before, and the class that was chosen, are kept before the call: an heir goes on from them, and never
chooses again. What carries no key is called once, whatever becomes of its answer.
"""

from datetime import timedelta
from typing import Final, assert_never

from consumer.heal.actions.rung import ORACLE
from consumer.heal.actions.session import ActionSession, Read
from consumer.heal.actions.state import MAX_WORD, ActionState
from consumer.heal.gate import run_permitted
from consumer.heal.kept import SUSPEND_ABOVE, Kept, Suspended, keepable_text
from consumer.heal.runs.run_watch import pause
from consumer.heal.session import SECOND, proof
from consumer.model import Healed, NotHealed, Outcome, Refused
from consumer.model.call import Ambiguous, Answer, EgressRefused, NotSent
from consumer.plan.memory import memory_evidence, says_out_of_memory
from consumer.runners.answers import is_accepted, not_accepted
from consumer.runners.contract import LookFailed, Rejected, Runner, RunState
from schemas.names import Code, Effect, Verdict

_MIN_WAIT: Final = timedelta(milliseconds=50)


async def carry_out(session: ActionSession, runner: Runner | None) -> Outcome | Suspended:
    """Look, act once, and look until it is proven."""
    if refused := await _refusal_for_memory(session, runner):
        return refused
    before = await session.look()
    if isinstance(before, LookFailed):
        return session.not_healed(Code.NOT_HEALED, f"what it changes cannot be seen: {before.reason}: nothing was sent")
    if session.task.failure.effect_in_doubt:
        return await _after_doubt(session, before)
    if before.word is not None and before.word in session.action.read_back.done:
        return _refused_as_done(session, before)
    target = _target(session, before)
    if isinstance(target, Refused):
        return target
    return await _act(session, _state(session, before, target))


async def _act(session: ActionSession, state: ActionState) -> Outcome | Suspended:
    """Make the call under a state that says what it is for."""
    await session.gate.keep(state)
    result = await run_permitted(session.gate, lambda: session.act(state.target, state.before))
    if not isinstance(result, NotSent | EgressRefused):
        session.gate.charge(session.action.cost)
    session.told["call"] = type(result).__name__ if not isinstance(result, Answer) else f"answered {result.status}"
    match result:
        case NotSent(reason=reason):
            session.gate.unsent()
            return session.not_healed(Code.NOT_HEALED, f"it could not be reached: {reason}")
        case EgressRefused(reason=reason):
            session.gate.unsent()
            return Refused(code=Code.REFUSED, reason=reason, details=session.details)
        case Answer() if not is_accepted(result.status, session.action.call.accepted):
            said = not_accepted(result, session.effect)
            if isinstance(said, Rejected):
                if said.after is not None:
                    return session.retry_later(said.after, f"it asks to be left alone: {said.reason}")
                return session.not_healed(Code.NOT_HEALED, f"it was not taken: {said.reason}")
        case Answer() | Ambiguous():
            pass  # an acceptance proves no more than a lost answer does
        case _:
            assert_never(result)
    return await watch(session, state.model_copy(update={"sent": True}))


async def watch(session: ActionSession, state: ActionState) -> Outcome | Suspended:
    """Look until what the action changes is as it shall be, or the time for that is over."""
    until = session.run_tools.monotonic() + state.left
    n = state.looks
    while True:
        n += 1
        seen = await session.look()
        if isinstance(seen, Read) and is_done(session, state, seen):
            return outcome_if_done(session, state, seen)
        left = timedelta(seconds=max(0.0, until - session.run_tools.monotonic()))
        wait = min(pause(n), left)
        if wait <= _MIN_WAIT or wait + session.action.timeout >= session.gate.remaining():
            return _unproven(session, seen)
        if wait > SUSPEND_ABOVE:
            kept = state.model_copy(update={"looks": n, "left": (left - wait) / SECOND})
            return Suspended(
                state=kept,
                look_again=wait,
                reason=f"{session.name} was carried out, and is looked for again",
                dependency_unhealthy=session.dependency_unhealthy,
            )
        await session.sleep(wait)


async def go_on(session: ActionSession, state: ActionState, kept: Kept) -> Outcome | Suspended:
    """Go on from a state: look for what may have been done, and do it where it was not and may be done again."""
    if state.sent or (kept.begun and session.effect is Effect.UNSAFE):
        return await watch(session, state)
    seen = await session.look()
    if isinstance(seen, Read) and is_done(session, state, seen):
        return outcome_if_done(session, state, seen)
    return await _act(session, state)


def is_done(session: ActionSession, state: ActionState, seen: Read) -> bool:
    """Return whether a look shows that the action is done."""
    if state.target is not None:
        return seen.word == state.target
    if session.action.read_back.done:
        return seen.word in session.action.read_back.done
    return seen.word is not None and seen.word != state.before


async def _refusal_for_memory(session: ActionSession, runner: Runner | None) -> Refused | None:
    if not session.action.larger:
        return None
    said = memory_evidence(session.task.failure)
    if said is None and runner is not None and session.run is not None:
        seen = await runner.look(session.run, session.policy, within=session.call_time())
        said = _memory_in(seen) if isinstance(seen, RunState) else None
    if said is None:
        return Refused(code=Code.REFUSED, reason="nothing says that it ran out of memory", details=session.details)
    session.told["evidence"] = said
    return None


def _memory_in(seen: RunState) -> str | None:
    words = (seen.said, *(one.said for one in seen.steps))
    return next((said for word in words if (said := says_out_of_memory(word)) is not None), None)


def _target(session: ActionSession, before: Read) -> str | Refused | None:
    """Return the next larger class of the one in force; None where the action has no classes."""
    if not session.action.larger:
        return None
    session.told["class"] = before.word
    target = session.action.larger.get(str(before.word))
    if target is None:
        why = f"it ran out of memory in class {str(before.word)[:80]!r}, and no larger one is declared"
        return Refused(code=Code.NEEDS_PERSON, reason=why, details=session.details)
    session.told["larger"] = target
    return target


def _state(session: ActionSession, before: Read, target: str | None) -> ActionState:
    word = before.word
    if isinstance(word, str):
        word = keepable_text(word, session.run_tools.redact, MAX_WORD)
    return ActionState(action=session.name.action, before=word, target=target, left=session.action.verify / SECOND)


def _refused_as_done(session: ActionSession, before: Read) -> Outcome:
    said = proof(ORACLE, Verdict.PASSED, f"its look finds {before.word!r} already")
    if session.action.heals:
        return Healed(code=Code.RECOVERED, proofs=(said,), details=session.details)
    why = f"{session.name} is not needed: {said.detail}"
    return Refused(code=Code.REFUSED, reason=why, details=session.details)


async def _after_doubt(session: ActionSession, before: Read) -> Outcome | Suspended:
    """End, or begin again, where an earlier attempt may have acted and nothing of it is kept any more."""
    words = session.action.read_back.done
    if words and before.word in words:
        return outcome_if_done(session, _state(session, before, None), before)
    if words and session.effect is not Effect.UNSAFE:
        return await _act(session, _state(session, before, None))
    return session.unknown(f"{session.name} may have been carried out before: its look finds {before.word!r}")


def outcome_if_done(session: ActionSession, state: ActionState, seen: Read) -> Outcome:
    """Return the outcome of an action that a look shows to be done: a heal, or the next rung's turn."""
    came = f"from {state.before!r} to " if seen.word != state.before else ""
    said = proof(ORACLE, Verdict.PASSED, f"{session.name}: its look finds that it came {came}{seen.word!r}")
    if session.action.heals:
        return Healed(proofs=(said,), details=session.details)
    return NotHealed(
        code=Code.NOT_HEALED,
        reason=f"{said.detail}; by itself that heals nothing: the next rung goes on",
        proofs=(said,),
        details=session.details,
    )


def _unproven(session: ActionSession, seen: Read | LookFailed) -> Outcome:
    found = f"its look finds {seen.word!r}" if isinstance(seen, Read) else f"it cannot be seen: {seen.reason}"
    why = f"{session.name} was called, and nothing shows that it was done: {found}"
    said = proof(ORACLE, Verdict.INCONCLUSIVE, why)
    if session.effect is Effect.UNSAFE:
        return session.unknown(why, (said,))
    return session.not_healed(Code.UNVERIFIED, why, (said,))
