"""What a look at the other side tells, and how long an effect may still be on its way there: pure.

A call whose answer was lost may still be running. So "it has not happened" counts only once the other side has been
left alone for a stated time (`quiet`), and what was seen before that only shortens the wait when it has happened.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final, TypeAlias

from consumer.call import Ambiguous, Answer, EgressRefused, NotSent, OutboundRequest
from consumer.catalog import AutoRetryLimits, WorkflowPolicy
from consumer.heal.auto_retry.content import Content
from consumer.heal.auto_retry.past_tries import provably_not_run
from consumer.heal.auto_retry.rules import call_limit
from consumer.heal.auto_retry.verdict import expected
from consumer.heal.schema_check import LIMIT
from consumer.model import Failure
from schemas.context import ReadBack, RequestContext
from schemas.names import Effect

LONGEST_IN_SLOT: Final = timedelta(seconds=30)
"""A longer quiet time of somebody else's call becomes a durable timer instead of a wait in a slot."""
CLOCKS_AGREE_WITHIN: Final = timedelta(minutes=1)
"""What a failure's `detected_at` is trusted to: it is its publisher's clock, and this is about effects that double."""
_QUIET: Final = timedelta(seconds=10)
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(seconds=30)
_NOTHING: Final = timedelta(0)
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


Sighting: TypeAlias = Happened | NotHappened | Unclear


def suspect(failure: Failure, request: RequestContext) -> Suspect:
    """Say who may have had the effect already."""
    if request.effect_or_default is not Effect.UNSAFE:
        return Suspect.NOBODY
    if failure.unsure:
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
            return _NOTHING
        case Suspect.OURS:
            return whole
        case Suspect.THEIRS:
            surely_past = max(_NOTHING, now - failure.detected_at - CLOCKS_AGREE_WITHIN)
            return max(_NOTHING, whole - surely_past)


def deferred(left: timedelta, failure: Failure, who: Suspect, now: datetime) -> timedelta | None:
    """When to look again instead of waiting in a slot; None where waiting is short, or only waiting will do."""
    age = now - failure.detected_at
    if who is not Suspect.THEIRS or left <= LONGEST_IN_SLOT or age < _NOTHING:
        return None
    return left + max(_NOTHING, CLOCKS_AGREE_WITHIN - age)


def pause(n: int, left: timedelta, unclear: int, limits: AutoRetryLimits) -> timedelta | None:
    """How long to wait after the n-th look that showed no effect; None: it was the last.

    `left` is the quiet time that was left when the look began, `unclear` how many looks in a row told nothing.
    """
    if left > _NOTHING:
        return min(_doubled(n), left)
    if 0 < unclear < limits.tries:
        return min(_doubled(unclear), limits.inline_wait)
    return None


def settling_time(request: RequestContext, policy: WorkflowPolicy) -> timedelta:
    """Bound the time in which doubts are settled: one before the first call, and one after a call of ours."""
    look, limits = request.read_back, policy.auto_retry
    if look is None:
        return _NOTHING
    has_schema = any(one is not None and one.schema_ is not None for one in (look.expect, look.absent))
    each = look_limit(look, policy) + (2 * LIMIT if has_schema else _NOTHING) + limits.inline_wait
    looks = (limits.tries + 1) * each
    if request.effect_or_default is Effect.UNSAFE:
        return 2 * (quiet(look, request, policy) + looks)
    return looks if look.first else _NOTHING


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


def sighting(
    answer: Answer, content: Content, look: ReadBack, *, not_happened: str | None, not_absent: str | None
) -> Sighting:
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
