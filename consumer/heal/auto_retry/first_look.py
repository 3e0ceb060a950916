"""Look before the call: whether an effect has happened before this heal, and what follows from that."""

from datetime import timedelta
from typing import assert_never

from consumer.heal.auto_retry.doubt import doubt_of, suspend
from consumer.heal.calls.handover import finish_from_read_back
from consumer.heal.calls.read_back import (
    Happened,
    LookLater,
    LookProgress,
    NotHappened,
    Suspect,
    Unclear,
    asked_to_wait,
    deferred,
    effect_suspect,
    quiet,
    quiet_left,
    read_back,
)
from consumer.heal.calls.session import CallSession
from consumer.heal.calls.status_verdict import MayHaveRun
from consumer.heal.kept import Suspended
from consumer.heal.session import NO_TIME
from consumer.model import Outcome, RetryLater
from schemas.names import Code


async def look_first(
    session: CallSession, progress: LookProgress | None = None, calls: int = 0
) -> Outcome | Suspended | None:
    """Return the outcome if the effect has happened already, or if that stays unclear; None: the call may be made.

    `progress` is how far the looks of a suspended heal are, `calls` how many calls of it died with their process.
    """
    look = session.request.read_back
    if look is None:
        return None
    failure, now = session.task.failure, session.tools.now()
    who = effect_suspect(failure, session.request)
    whole = quiet(look, session.request, session.policy)
    left = quiet_left(whole, failure, who, now)
    later = deferred(left, failure, who, now)
    if progress is None:
        progress = LookProgress(left=left if later is None else NO_TIME)
    found = await read_back(session, look, progress)
    if isinstance(found, LookLater):
        doubt = doubt_of(session, "earlier", MayHaveRun(why=found.why), calls=calls, in_doubt=who is not Suspect.NOBODY)
        return suspend(session, doubt, found)
    if isinstance(found, Happened):
        return await finish_from_read_back(session, found)
    if later is not None:
        wait = _longer(later, asked_to_wait(session, found) if isinstance(found, Unclear) else None)
        return _look_later(session, wait, f"{found.why}; the failed call may still be running there")
    match found:
        case NotHappened():
            return None
        case Unclear():
            return _outcome_if_unclear(session, who, found)
        case _:
            assert_never(found)


def _outcome_if_unclear(session: CallSession, who: Suspect, found: Unclear) -> Outcome | None:
    reason = f"whether it has happened cannot be read back: {found.why}"
    match who:
        case Suspect.NOBODY:
            return None
        case Suspect.OURS:
            return session.unknown(f"{reason}: an attempt before may have had its effect, and is not repeated")
        case Suspect.THEIRS:
            wait = asked_to_wait(session, found)
            if wait is not None and wait > session.policy.auto_retry.inline_wait:
                return _look_later(session, wait, reason)
            return session.not_healed(Code.UNVERIFIED, f"{reason}: nothing was sent")
        case _:
            assert_never(who)


def _look_later(session: CallSession, wait: timedelta, reason: str) -> RetryLater:
    return RetryLater(
        after=wait, reason=reason, details=session.details, dependency_unhealthy=session.dependency_unhealthy
    )


def _longer(wait: timedelta, named: timedelta | None) -> timedelta:
    return wait if named is None else max(wait, named)
