"""Looking whether an effect has happened, and how long it may still be on its way there.

Looks are reads only, so the gate's beginning is not asked for. What a look tells is weighed by pure functions.
A call whose answer was lost may still be running. So "it has not happened" counts only once the other side has been
left alone for a stated time (`quiet`), and what was seen before that only shortens the wait when it has happened.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final, TypeAlias

from consumer.catalog import AutoRetryLimits, WorkflowPolicy
from consumer.heal.calls.body import Content, content_of
from consumer.heal.calls.earlier_tries import provably_not_run
from consumer.heal.calls.request import call_limit, origin
from consumer.heal.calls.retry_budget import cost
from consumer.heal.calls.session import CallSession, noted
from consumer.heal.calls.status_verdict import THROTTLED, expected, signals_unhealthy
from consumer.heal.calls.verify import verified
from consumer.heal.schema_check.check import LIMIT
from consumer.heal.session import NO_TIME
from consumer.model import Failure
from consumer.model.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest, named_wait
from schemas.context import Expectation, ReadBack, RequestContext
from schemas.names import Effect

LONGEST_IN_SLOT: Final = timedelta(seconds=30)
"""A longer quiet time of somebody else's call becomes a durable timer instead of a wait in a slot."""
CLOCKS_AGREE_WITHIN: Final = timedelta(minutes=1)
"""What a failure's `detected_at` is trusted to: it is its publisher's clock, and this is about effects that double."""
_QUIET: Final = timedelta(seconds=10)
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(seconds=30)
_GONE: Final = frozenset({404, 410})


class Suspect(Enum):
    """Who may have had the effect before a heal begins: it decides what comes of a look that tells nothing."""

    NOBODY = auto()  # it provably did not run, or once more does no harm: the call is made
    THEIRS = auto()  # the failed call itself: nothing is sent, and it is looked again later
    OURS = auto()  # an earlier attempt of ours: unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A look showed the effect: final, whenever it was seen."""

    why: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHappened:
    """A look showed that there is no effect: final only once it was quiet for long enough."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """A look told nothing: the same as not having looked."""

    why: str
    answer: Answer | None = None


ReadBackResult: TypeAlias = Happened | NotHappened | Unclear


def effect_suspect(failure: Failure, request: RequestContext) -> Suspect:
    """Say who may have had the effect already."""
    if request.effect_or_default is not Effect.UNSAFE:
        return Suspect.NOBODY
    if failure.effect_in_doubt:
        return Suspect.OURS
    return Suspect.NOBODY if provably_not_run(failure) else Suspect.THEIRS


def looks_first(request: RequestContext) -> bool:
    """Tell whether to look before anything is sent: always where once more does harm, else where it was asked for."""
    look = request.read_back
    return look is not None and (look.first or request.effect_or_default is Effect.UNSAFE)


def quiet(look: ReadBack, request: RequestContext, policy: WorkflowPolicy) -> timedelta:
    """How long the other side may still work on a call that nobody waits for any more."""
    if look.after_seconds is not None:
        return timedelta(seconds=look.after_seconds)
    return max(_QUIET, call_limit(request, policy))


def quiet_left(whole: timedelta, failure: Failure, who: Suspect, now: datetime) -> timedelta:
    """What is left of the quiet time as a heal begins; of an attempt of ours nobody noted when it ended: all of it."""
    match who:
        case Suspect.NOBODY:
            return NO_TIME
        case Suspect.OURS:
            return whole
        case Suspect.THEIRS:
            surely_past = max(NO_TIME, now - failure.detected_at - CLOCKS_AGREE_WITHIN)
            return max(NO_TIME, whole - surely_past)


def deferred(left: timedelta, failure: Failure, who: Suspect, now: datetime) -> timedelta | None:
    """When to look again instead of waiting in a slot; None where waiting is short, or only waiting will do."""
    age = now - failure.detected_at
    if who is not Suspect.THEIRS or left <= LONGEST_IN_SLOT or age < NO_TIME:
        return None
    return left + max(NO_TIME, CLOCKS_AGREE_WITHIN - age)


def pause(n: int, left: timedelta, unclear: int, limits: AutoRetryLimits) -> timedelta | None:
    """How long to wait after the n-th look that showed no effect; None: it was the last.

    `left` is the quiet time that was left when the look began, `unclear` how many looks in a row told nothing.
    """
    if left > NO_TIME:
        return min(_doubled(n), left)
    if 0 < unclear < limits.tries:
        return min(_doubled(unclear), limits.inline_wait)
    return None


def settling_time(request: RequestContext, policy: WorkflowPolicy) -> timedelta:
    """Bound the time in which doubts are settled: one before the first call, and one after a call of ours."""
    look, limits = request.read_back, policy.auto_retry
    if look is None:
        return NO_TIME
    has_schema = any(one is not None and one.schema_ is not None for one in (look.expect, look.absent))
    each = look_limit(look, policy) + (2 * LIMIT if has_schema else NO_TIME) + limits.inline_wait
    looks = (limits.tries + 1) * each
    if request.effect_or_default is Effect.UNSAFE:
        return 2 * (quiet(look, request, policy) + looks)
    return looks if look.first else NO_TIME


def look_limit(look: ReadBack, policy: WorkflowPolicy) -> timedelta:
    """Bound one look: it may ask for less than the policy, never for more."""
    limit = policy.auto_retry.timeout
    return limit if look.timeout_seconds is None else min(timedelta(seconds=look.timeout_seconds), limit)


def look_call(look: ReadBack) -> OutboundRequest:
    """Build a look; it asks for what is so now, and not for what a cache remembers."""
    headers = tuple(look.headers.items())
    if not any(name.lower() == "cache-control" for name in look.headers):
        headers = (*headers, ("Cache-Control", "no-cache"))
    return OutboundRequest(method=look.method, url=look.url, headers=headers)


def unanswered(result: NotSent | Ambiguous | EgressRefused) -> Unclear:
    """What a look without an answer tells: nothing."""
    return Unclear(why=f"no answer ({result.reason})")


def weigh_answer(
    answer: Answer, content: Content, look: ReadBack, *, not_happened: str | None, not_absent: str | None
) -> ReadBackResult:
    """Weigh an answer; the two reasons say why it does not show the one or the other, None where it does.

    What shows both, neither, or an absence that a cache remembers tells nothing.
    """
    if look.absent is None:
        not_absent = _not_gone(answer, content, look)
    if not_happened is None and look.expect is None and look.method == "GET" and not content.value:
        not_happened = "answered with nothing in it"
    if not_happened is None and not_absent is None:
        return Unclear(why="looks as if it had happened and as if it had not", answer=answer)
    if not_happened is None:
        return Happened(why=f"answered {answer.status}: it has happened", answer=answer)
    if not_absent is not None:
        return Unclear(why=not_happened, answer=answer)
    if (answer.header("age") or "0").strip() != "0":
        return Unclear(why="answered out of a cache", answer=answer)
    return NotHappened(why=f"answered {answer.status}: it has not happened")


def _not_gone(answer: Answer, content: Content, look: ReadBack) -> str | None:
    if answer.status not in _GONE or expected(answer.status, look.expect):
        return f"answered {answer.status}"
    # A proxy that does not know the route says 404 too, mostly as a page.
    return "a page, where a resource is looked for" if content.looks_like_a_page else None


def _doubled(n: int) -> timedelta:
    return min(_FIRST_PAUSE * (1 << min(n - 1, 10)), _LONGEST_PAUSE)


async def read_back(session: CallSession, look: ReadBack, quiet: timedelta) -> ReadBackResult:
    """Look until it is sure: it has happened, or it has not after the quiet time; else, that nobody can say.

    The quiet time is counted from now. An absence that was seen before its end is looked at again.
    """
    left, unclear, n = quiet, 0, 0
    while True:
        n += 1
        result = await _look(session, look, n)
        found = await _sighted(session, look, result)
        if isinstance(found, Happened):
            return found
        unclear = unclear + 1 if isinstance(found, Unclear) else 0
        wait = _pause(session, found, n, left, unclear)
        if wait is None:
            return found
        if wait >= session.gate.remaining():
            return Unclear(why=f"{found.why}, and no time was left to look again")
        if unclear and not session.tools.quota.take(session.target, cost(throttled=_throttled(result))):
            return found
        await session.sleep(wait)
        # A look that began within the quiet time proves nothing, however late it was answered: only waits count.
        left -= wait


async def _look(session: CallSession, look: ReadBack, n: int) -> CallResult:
    within = look_limit(look, session.policy)
    result = await session.send(look_call(look), within=within)
    session.looks.append(noted(n, result))
    if origin(look.url) == session.task.plan.intent.dependency and signals_unhealthy(result, within):
        session.dependency_unhealthy = True
    return result


async def _sighted(session: CallSession, look: ReadBack, result: CallResult) -> ReadBackResult:
    if not isinstance(result, Answer):
        return unanswered(result)
    content = content_of(result)
    not_happened = await _why_not(session, look, result, content, look.expect)
    not_absent = None if look.absent is None else await _why_not(session, look, result, content, look.absent)
    return weigh_answer(result, content, look, not_happened=not_happened, not_absent=not_absent)


async def _why_not(
    session: CallSession, look: ReadBack, answer: Answer, content: Content, expect: Expectation | None
) -> str | None:
    if not expected(answer.status, expect):
        return f"answered {answer.status}"
    verification = await verified(answer, content, expect, look.headers, session.tools.schemas)
    return None if verification.code is None else f"answered {answer.status}; {verification.reason}"


def _pause(session: CallSession, found: ReadBackResult, n: int, left: timedelta, unclear: int) -> timedelta | None:
    limits = session.policy.auto_retry
    wait = pause(n, left, unclear, limits)
    named = asked_to_wait(session, found) if isinstance(found, Unclear) else None
    if wait is None or named is None:
        return wait
    return None if named > limits.inline_wait else max(wait, named)


def asked_to_wait(session: CallSession, found: Unclear) -> timedelta | None:
    """Say how long the other side asks to be left alone."""
    return None if found.answer is None else named_wait(found.answer, session.tools.now())


def _throttled(result: CallResult) -> bool:
    return isinstance(result, Answer) and result.status in THROTTLED
