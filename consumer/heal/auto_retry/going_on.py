"""Going on with a suspended auto-retry: by a look, whoever suspended it; or its end by a decision or by its time.

A call that may have begun since the state was kept, in a process that died, is a doubt of its own: the other side is
left alone for a whole quiet period from now on, since nobody noted when that call ended.
"""

from datetime import timedelta
from typing import Final

from consumer.heal.auto_retry.doubt import CallDoubt, DoubtState, entries
from consumer.heal.auto_retry.first_look import look_first
from consumer.heal.auto_retry.retrying import go_on_from_doubt, retry_call
from consumer.heal.calls.handover import finish_from_read_back
from consumer.heal.calls.read_back import Happened, look_once, quiet
from consumer.heal.calls.session import CallSession
from consumer.heal.kept import Kept, Suspended
from consumer.heal.session import SECOND
from consumer.heal.strategy import Task
from consumer.model import NotHealed, Outcome, Refused, RetryLater, Unknown
from schemas.names import Code, Effect

_LOOK_AGAIN: Final = timedelta(seconds=5)
_DECIDED: Final = "a person has decided meanwhile"


def state_of(kept: Kept) -> DoubtState:
    """Return the state of a suspended auto-retry."""
    if not isinstance(kept.state, DoubtState):
        raise TypeError(f"not a state of auto-retry: {type(kept.state).__name__}")
    return kept.state


def restore(session: CallSession, state: DoubtState, *, interrupted: bool) -> None:
    """Let a session know what was done before; `interrupted`: a call may have begun in a process that died."""
    session.tries += state.tries
    session.looks += state.seen
    session.calls = 1  # The first of a heal is in the outbound budget since it began.
    if interrupted:
        session.tries.append({"n": state.doubt.calls + 1, "failure": "Interrupted", "seconds": 0})


async def go_on_looking(session: CallSession, state: DoubtState, *, begun: bool) -> Outcome | Suspended:
    """Go on from a doubt; `begun`: a call may have begun since it was kept."""
    if begun:
        state = _after_interruption(session, state)
        await session.gate.keep(state)  # a call that ends process after process is made as often as any other
    doubt, now = state.doubt, session.tools.now()
    if doubt.about != "earlier":
        return await go_on_from_doubt(session, doubt.after(state.passed(now)), state.progress(now))
    known = await look_first(session, state.progress(now), doubt.calls)
    return await retry_call(session, doubt.calls) if known is None else known


def _after_interruption(session: CallSession, state: DoubtState) -> DoubtState:
    """Return the state of a heal whose process died in a call, or may have: one call more, and perhaps in doubt."""
    look, doubt = session.request.read_back, state.doubt
    counted = doubt.model_copy(update={"calls": doubt.calls + 1, "in_doubt": True})
    kept = {"tries_made": entries(session.tries)}
    if session.effect is not Effect.UNSAFE or look is None:
        return state.model_copy(update={**kept, "doubt": counted})
    lost = CallDoubt(about="call", calls=counted.calls, why="the process that made the call died in it")
    left = quiet(look, session.request, session.policy) / SECOND
    return state.model_copy(update={**kept, "doubt": lost, "left": left, "wait": 0.0, "unclear": 0})


async def cancel(session: CallSession, state: DoubtState, *, begun: bool) -> Outcome:
    """End a heal against which a person has decided, with what one more look shows of its calls."""
    if not _ours(session.task, state, begun=begun):
        return Refused(code=Code.DENIED, reason=f"{_DECIDED}: nothing was sent")
    look = session.request.read_back
    if look is not None:
        found = await look_once(session, look, state.looks)
        if isinstance(found, Happened) and session.resume is None:
            return await finish_from_read_back(session, found)
        said = found.why
    else:
        said = "it cannot be read back"
    reason = f"{_DECIDED}, so the call is neither repeated nor handed over: {said}"
    if session.effect is Effect.UNSAFE:
        return session.unknown(reason)
    return session.not_healed(Code.UNVERIFIED, reason)


def too_long(task: Task, state: DoubtState, *, begun: bool) -> Outcome:
    """Return the outcome of a heal for which nobody has looked for too long."""
    reason = "whether the call has happened could not be read back in time"
    if not _ours(task, state, begun=begun):
        return RetryLater(after=_LOOK_AGAIN, reason=f"{reason}: nothing of this heal was sent", details=state.details)
    if task.plan.intent.effect is Effect.UNSAFE:
        return Unknown(reason=reason, details=state.details)
    return NotHealed(code=Code.UNVERIFIED, reason=reason, details=state.details)


def _ours(task: Task, state: DoubtState, *, begun: bool) -> bool:
    """Return whether a call of this heal, or of an attempt before it, may have had its effect."""
    return begun or task.failure.effect_in_doubt or state.doubt.about != "earlier" or state.doubt.calls > 0
