"""Read-back: queries the other side whether an effect has happened, and waits while it may still be in flight.

Read-backs ("looks") have no effect, so they do not ask the effect gate. Pure functions weigh their answers. A call
whose answer was lost may still be running. So "it has not happened" counts only after a quiet period (`quiet`) in
which the other side was left alone; a look before its end only shortens the wait, where it shows the effect.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final, TypeAlias

from consumer.catalog import AutoRetryLimits, WorkflowPolicy
from consumer.heal.calls.asked_wait import asked_wait
from consumer.heal.calls.body import Content, content_of
from consumer.heal.calls.done_before import is_of_a_gateway
from consumer.heal.calls.earlier_tries import provably_not_run
from consumer.heal.calls.false_success.asked import asked_by_look
from consumer.heal.calls.request import call_limit, origin
from consumer.heal.calls.retry_budget import cost
from consumer.heal.calls.session import CallSession, call_entry
from consumer.heal.calls.status_verdict import expected, signals_unhealthy, throttled
from consumer.heal.calls.verify import verify_answer
from consumer.heal.kept import SUSPEND_ABOVE
from consumer.heal.schema_check.check import LIMIT
from consumer.heal.session import NO_TIME
from consumer.model import Failure
from consumer.model.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest
from schemas.context import Expectation, ReadBack, RequestContext
from schemas.names import Effect

LONGEST_IN_SLOT: Final = timedelta(seconds=30)
"""Longest quiet period that is waited in a slot: for the failed call itself a longer one becomes a durable timer."""
CLOCKS_AGREE_WITHIN: Final = timedelta(minutes=1)
"""Clock skew allowed for a failure's `detected_at`: it is the publisher's clock, and an error may double an effect."""
_DEFAULT_QUIET: Final = timedelta(seconds=10)
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(seconds=30)
_GONE: Final = frozenset({404, 410})


class Suspect(Enum):
    """Which call may have had the effect before a heal begins: it decides what follows from an unclear read-back."""

    NOBODY = auto()  # none: it provably did not run, or a repeat does no harm: the call is made
    THEIRS = auto()  # the failed call itself: nothing is sent, and the read-back is repeated later
    OURS = auto()  # an earlier attempt of this service: the outcome is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """The read-back showed the effect: final, whenever it was observed."""

    why: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHappened:
    """The read-back showed that there is no effect: final only after the quiet period."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """The read-back was inconclusive: the same as none."""

    why: str
    answer: Answer | None = None


ReadBackResult: TypeAlias = Happened | NotHappened | Unclear


@dataclass(frozen=True, slots=True, kw_only=True)
class LookProgress:
    """How far a read-back is."""

    left: timedelta
    """What is left of the quiet period."""
    looks: int = 0
    unclear: int = 0
    """Inconclusive looks in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookLater:
    """The next look comes after a wait that no process has to spend: the heal is to be suspended."""

    why: str
    wait: timedelta
    progress: LookProgress
    """As it is before the wait."""


def effect_suspect(failure: Failure, request: RequestContext) -> Suspect:
    """Return which call may have had the effect already."""
    if request.effect_or_default is not Effect.UNSAFE:
        return Suspect.NOBODY
    if failure.effect_in_doubt:
        return Suspect.OURS
    return Suspect.NOBODY if provably_not_run(failure) else Suspect.THEIRS


def looks_first(request: RequestContext) -> bool:
    """Return whether to read back before the call: always where a repeat does harm, else where the event asks so."""
    look = request.read_back
    return look is not None and (look.first or request.effect_or_default is Effect.UNSAFE)


def quiet(look: ReadBack, request: RequestContext, policy: WorkflowPolicy) -> timedelta:
    """Return the quiet period: how long the other side may still work on a call whose client has given up."""
    if look.after_seconds is not None:
        return timedelta(seconds=look.after_seconds)
    return max(_DEFAULT_QUIET, call_limit(request, policy))


def quiet_left(whole: timedelta, failure: Failure, who: Suspect, now: datetime) -> timedelta:
    """Return what is left of the quiet period as a heal begins.

    After an attempt of this service that is all of it: the time at which that attempt ended is not recorded.
    """
    match who:
        case Suspect.NOBODY:
            return NO_TIME
        case Suspect.OURS:
            return whole
        case Suspect.THEIRS:
            surely_past = max(NO_TIME, now - failure.detected_at - CLOCKS_AGREE_WITHIN)
            return max(NO_TIME, whole - surely_past)


def deferred(left: timedelta, failure: Failure, who: Suspect, now: datetime) -> timedelta | None:
    """Return after what time to read back again, instead of a wait in a slot.

    None where the wait is short, or where only waiting in the slot will do.
    """
    age = now - failure.detected_at
    if who is not Suspect.THEIRS or left <= LONGEST_IN_SLOT or age < NO_TIME:
        return None
    return left + max(NO_TIME, CLOCKS_AGREE_WITHIN - age)


def next_look_in(n: int, left: timedelta, unclear: int, limits: AutoRetryLimits) -> timedelta | None:
    """Return how long to wait after the n-th look that showed no effect; None: it was the last.

    `left` is what was left of the quiet period when the look began, `unclear` the number of inconclusive looks in a
    row.
    """
    if left > NO_TIME:
        return min(_exponential_pause(n), left)
    if 0 < unclear < limits.tries:
        return min(_exponential_pause(unclear), limits.inline_wait)
    return None


def settling_time(request: RequestContext, policy: WorkflowPolicy) -> timedelta:
    """Return the upper bound of the time for read-backs: one before the first call, and one after a call of ours."""
    look, limits = request.read_back, policy.auto_retry
    if look is None:
        return NO_TIME
    has_schema = any(one is not None and one.schema_ is not None for one in (look.expect, look.absent))
    each = look_limit(look, policy) + (2 * LIMIT if has_schema else NO_TIME) + limits.inline_wait
    looks = (limits.tries + 1) * each
    after = quiet(look, request, policy) + looks
    match request.effect_or_default:
        case Effect.UNSAFE | Effect.CONDITIONAL:
            return 2 * after
        case Effect.NONE:
            return looks if look.first else NO_TIME
        case Effect.KEYED | Effect.IDEMPOTENT:
            return after + looks if look.first else after


def look_limit(look: ReadBack, policy: WorkflowPolicy) -> timedelta:
    """Return the timeout of one look: the event may ask for less than the policy, never for more."""
    limit = policy.auto_retry.timeout
    return limit if look.timeout_seconds is None else min(timedelta(seconds=look.timeout_seconds), limit)


def look_call(look: ReadBack) -> OutboundRequest:
    """Build the request of a look, with `no-cache`: it asks for the present state, not for a cached one."""
    headers = tuple(look.headers.items())
    if not any(name.lower() == "cache-control" for name in look.headers):
        headers = (*headers, ("Cache-Control", "no-cache"))
    return OutboundRequest(method=look.method, url=look.url, headers=headers)


def unanswered(result: NotSent | Ambiguous | EgressRefused) -> Unclear:
    """Return the result of a look without an answer: inconclusive."""
    return Unclear(why=f"no answer ({result.reason})")


def weigh_answer(
    answer: Answer, content: Content, look: ReadBack, *, not_happened: str | None, not_absent: str | None
) -> ReadBackResult:
    """Weigh the answer of a look.

    `not_happened` is why it does not show the effect, `not_absent` why it does not show the absence; None where it
    does. An answer that shows both, neither, or an absence out of a cache is inconclusive.
    """
    if look.absent is None:
        not_absent = _why_not_absent(answer, content, look)
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


def weigh_deletion(answer: Answer, content: Content, *, not_there: str | None) -> ReadBackResult:
    """Weigh the answer of a look for what a call deletes, where the event does not say what is seen: gone, or there.

    `not_there` is why it does not show the resource; None where it does.
    """
    if answer.status in _GONE:
        if is_of_a_gateway(content):
            return Unclear(why=f"answered {answer.status}, by another than the resource", answer=answer)
        return Happened(why=f"answered {answer.status}: it is gone", answer=answer)
    if not_there is not None:
        return Unclear(why=not_there, answer=answer)
    if (answer.header("age") or "0").strip() != "0":
        return Unclear(why="answered out of a cache", answer=answer)
    return NotHappened(why=f"answered {answer.status}: it is still there")


def _why_not_absent(answer: Answer, content: Content, look: ReadBack) -> str | None:
    if answer.status not in _GONE or expected(answer.status, look.expect):
        return f"answered {answer.status}"
    # A proxy that does not know the route answers 404 too, mostly with a page.
    return "a page, where a resource is looked for" if content.looks_like_a_page else None


def _exponential_pause(n: int) -> timedelta:
    return min(_FIRST_PAUSE * (1 << min(n - 1, 10)), _LONGEST_PAUSE)


async def read_back(session: CallSession, look: ReadBack, progress: LookProgress) -> ReadBackResult | LookLater:
    """Repeat the look until it shows the effect, or its absence after the quiet period; else the result is unclear.

    The quiet period is counted from now. An absence that was observed before its end is checked again.
    """
    left, unclear, n = progress.left, progress.unclear, progress.looks
    while True:
        n += 1
        result = await _look(session, look, n)
        found = await _weigh_result(session, look, result)
        if isinstance(found, Happened):
            return found
        unclear = unclear + 1 if isinstance(found, Unclear) else 0
        wait = _pause(session, found, n, left, unclear)
        if wait is None:
            return found
        suspends = wait > SUSPEND_ABOVE
        if not suspends and wait >= session.gate.remaining():
            return Unclear(why=f"{found.why}, and no time was left to look again")
        if unclear and not session.tools.quota.take(session.target_of(look.url), cost(throttled=throttled(result))):
            return found
        if suspends:
            return LookLater(why=found.why, wait=wait, progress=LookProgress(left=left, looks=n, unclear=unclear))
        await session.sleep(wait)
        # A look that began within the quiet period proves nothing, however late its answer came: only waits count.
        left -= wait


async def look_once(session: CallSession, look: ReadBack, looks: int) -> ReadBackResult:
    """Look a last time, after `looks` before it: an absence is what this one look shows, whatever is still quiet."""
    return await _weigh_result(session, look, await _look(session, look, looks + 1))


async def _look(session: CallSession, look: ReadBack, n: int) -> CallResult:
    within = look_limit(look, session.policy)
    result = await session.send(look_call(look), within=within)
    session.looks.append(call_entry(n, result))
    if origin(look.url) == session.task.plan.intent.dependency and signals_unhealthy(result, within):
        session.dependency_unhealthy = True
    return result


async def _weigh_result(session: CallSession, look: ReadBack, result: CallResult) -> ReadBackResult:
    if not isinstance(result, Answer):
        return unanswered(result)
    content = content_of(result)
    if session.request.method == "DELETE" and look.expect is None and look.absent is None:
        return weigh_deletion(result, content, not_there=await _why_not_expected(session, look, result, content, None))
    not_happened = await _why_not_expected(session, look, result, content, look.expect)
    not_absent = None if look.absent is None else await _why_not_expected(session, look, result, content, look.absent)
    return weigh_answer(result, content, look, not_happened=not_happened, not_absent=not_absent)


async def _why_not_expected(
    session: CallSession, look: ReadBack, answer: Answer, content: Content, expect: Expectation | None
) -> str | None:
    if not expected(answer.status, expect):
        return f"answered {answer.status}"
    verification = await verify_answer(answer, content, expect, asked_by_look(look, expect), session.judge)
    return None if verification.code is None else f"answered {answer.status}; {verification.reason}"


def _pause(session: CallSession, found: ReadBackResult, n: int, left: timedelta, unclear: int) -> timedelta | None:
    limits = session.policy.auto_retry
    wait = next_look_in(n, left, unclear, limits)
    named = asked_to_wait(session, found) if isinstance(found, Unclear) else None
    if wait is None or named is None:
        return wait
    return None if named > limits.inline_wait else max(wait, named)


def asked_to_wait(session: CallSession, found: Unclear) -> timedelta | None:
    """Return the wait that the other side asks for (Retry-After), or None."""
    return None if found.answer is None else asked_wait(found.answer, session.tools.now())
