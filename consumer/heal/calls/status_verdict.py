"""Verdict on one call's result by its status and effect class: verify, retry, give up, or in doubt. Pure.

Verification of the body of a good answer (`verify.py`) comes after it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

from consumer.model.call import NOT_PERMITTED, Ambiguous, Answer, CallResult, EgressRefused, NotSent, advised_against
from consumer.model.http_status import NOT_PROCESSED, Passing, is_throttling, is_unhealthy, passing
from schemas.context import Expectation, StatusRule
from schemas.names import Effect

_MAY_HAVE_RUN: Final = frozenset({301, 302, 303, 408})
"""Statuses below 500 after which an un-keyed effect may have happened: a redirect is how a form answers success."""
_SURELY_NOT_RUN: Final = frozenset({501, 505})
_MIN_TIMEOUT: Final = timedelta(seconds=1)
"""A timeout counts against the other side only where it had at least this long: an event may ask for less."""
_TIME_OUTS: Final = frozenset({"ReadTimeout", "ConnectTimeout"})
_LOCAL_FAILURES: Final = frozenset({NOT_PERMITTED, "PoolTimeout"})
"""Failures on our side, no permission to start or no free connection slot: no evidence about the other side."""
_OK: Final = "2xx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """The expected status came: the content of the answer decides."""

    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierAnswer:
    """An answer of which only this is known: another process, or an earlier run of the heal, received it."""

    asked_wait: timedelta | None
    """What is left of the wait that it asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """The call failed, and may be retried."""

    why: str
    throttled: bool
    answer: Answer | EarlierAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definite:
    """The call failed, and a retry would fail as well."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MayHaveRun:
    """An un-keyed effect, which must not happen twice, may have happened."""

    why: str
    throttled: bool = False
    answer: Answer | EarlierAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyDone:
    """The call was refused, because one before it has had its effect."""

    answer: Answer
    why: str
    is_proof: bool
    """Nothing else can be seen of it; where there is a read-back that told nothing, the answer alone proves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """The catalog or the egress guard refused the call."""

    why: str


Judgement: TypeAlias = Verify | Repeat | Definite | MayHaveRun | Forbidden


def judge(result: CallResult, effect: Effect, expect: Expectation | None) -> Judgement:
    """Return the verdict on the result of one call."""
    match result:
        case EgressRefused():
            return Forbidden(why=result.reason)
        case NotSent():
            return Repeat(why=result.reason, throttled=False)
        case Ambiguous():
            unsafe = effect is Effect.UNSAFE
            return MayHaveRun(why=result.reason) if unsafe else Repeat(why=result.reason, throttled=False)
        case Answer():
            return _judge_status(result, effect, expect)


def signals_unhealthy(result: CallResult, within: timedelta) -> bool:
    """Return whether a result counts as a strike against the dependency; a refusal or a false success does not."""
    match result:
        case Answer():
            return is_unhealthy(result.status, result.named_headers)
        case NotSent() | Ambiguous():
            timed_out = result.kind in _TIME_OUTS
            return result.kind not in _LOCAL_FAILURES and not (timed_out and within < _MIN_TIMEOUT)
        case EgressRefused():
            return False


def expected(status: int, expect: Expectation | None) -> bool:
    """Return whether a status is one that the caller expects: 2xx unless it declares others."""
    rules = _OK if expect is None or expect.status is None else expect.status
    if not isinstance(rules, tuple):
        rules = (rules,)
    return any(_matches(status, rule) for rule in rules)


def throttled(result: CallResult) -> bool:
    """Return whether a result says that the other side wants fewer calls."""
    return isinstance(result, Answer) and is_throttling(passing(result.status, result.named_headers))


def _matches(status: int, rule: StatusRule) -> bool:
    return status == rule if isinstance(rule, int) else str(status)[0] == rule[0]


def _judge_status(answer: Answer, effect: Effect, expect: Expectation | None) -> Judgement:
    status = answer.status
    why = f"answered {status}" if answer.not_followed is None else f"answered {status}; {answer.not_followed}"
    if expected(status, expect):
        return Verify(answer=answer)
    kind = passing(status, answer.named_headers)
    turned_away = status in NOT_PROCESSED or (status < 500 and kind is Passing.THROTTLED)  # noqa: PLR2004
    if effect is Effect.UNSAFE and not turned_away:
        if _may_have_run(status):
            return MayHaveRun(why=why, throttled=throttled(answer), answer=answer)
        return Definite(why=why)
    if kind is None:
        return Definite(why=why)
    if advised_against(answer):
        return Definite(why=f"{why}, and said not to try again")
    return Repeat(why=why, throttled=throttled(answer), answer=answer)


def _may_have_run(status: int) -> bool:
    server_failed = status >= 500 and status not in _SURELY_NOT_RUN  # noqa: PLR2004 - HTTP's own border
    unexpected_success = status < 300  # noqa: PLR2004
    return server_failed or unexpected_success or status in _MAY_HAVE_RUN
