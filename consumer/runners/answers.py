"""Maps an engine's HTTP answers to results of orders and looks: accepted, rejected, ambiguous or unseen. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import ClassVar, Final, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from consumer.catalog import OrderCall
from consumer.model.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, parsed_body, requested_wait
from consumer.model.http_status import NOT_PROCESSED
from consumer.runners.contract import Accepted, LookFailed, OrderResult, Phase, Rejected, RunRef, RunState
from consumer.runners.templates import ABSENT, Found
from schemas.json_value import value_at
from schemas.names import Effect

ReadT = TypeVar("ReadT")
SUCCESSES: Final = (HTTPStatus.OK, HTTPStatus.CREATED)
_CONFLICT: Final = frozenset({409, 412})
_UNAVAILABLE: Final = 503
_NEVER_DONE: Final = frozenset({501, 505})
_MAY_HIDE_AN_EFFECT: Final = frozenset({301, 302, 303, 408})
"""A redirect is how a form answers success; 408 may come from a proxy before the engine."""
_LOCAL_FAILURE: Final = "PoolTimeout"
_OK: Final = range(200, 300)
_SHOWN: Final = 60


class ServerModel(BaseModel):
    """A part of an engine's answer: frozen, and only what is read of it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, populate_by_name=True)


def is_accepted(status: int, accepted: Sequence[int]) -> bool:
    """Return whether a status means that the engine accepted the order."""
    return status in accepted if accepted else status in _OK


def not_accepted(answer: Answer, effect: Effect) -> Rejected | Ambiguous:
    """Map an answer that does not accept the order: rejected, or ambiguous where it may hide an effect."""
    status, wait = answer.status, requested_wait(answer)
    said = f"the engine answered {status}"
    if status in _CONFLICT:
        return Rejected(reason=f"{said}: it has moved on", conflict=True)
    # A proxy answers 503 too when it lost the engine halfway: only a 503 with Retry-After is the engine's own.
    if status in NOT_PROCESSED or (status == _UNAVAILABLE and (wait is not None or effect is not Effect.UNSAFE)):
        return Rejected(reason=said, dependency_unhealthy=True, after=wait)
    server_failed = status >= 500 and status not in _NEVER_DONE  # noqa: PLR2004 - HTTP's own border
    if status in _OK or server_failed or status in _MAY_HIDE_AN_EFFECT:
        return Ambiguous(kind=f"Status{status}", reason=f"{said}: it may have done it", elapsed=answer.elapsed)
    return Rejected(reason=said)


def accepted_run(run: RunRef, answer: Answer, call: OrderCall) -> OrderResult:
    """Return the acceptance, with the run to look at from now on, which the answer may name; or what it says."""
    document = json_of(answer)
    if call.answer is not None:
        word = value_at(document, call.answer.at, ABSENT)
        if word in call.answer.refused:
            return Rejected(reason=f"the engine answered {str(word)[:_SHOWN]!r}")
        if word not in call.answer.taken:
            reason = f"the engine answered {answer.status} without a known word at {call.answer.at}"
            return Ambiguous(kind="NoWord", reason=f"{reason}: it may have done it", elapsed=answer.elapsed)
    pointer = call.new_run
    accepted = Accepted(run=run, said=f"answered {answer.status}")
    if pointer is None:
        return accepted
    found = value_at(document, pointer, ABSENT)
    if isinstance(found, bool) or not isinstance(found, str | int) or not str(found):
        reason = f"the engine took the order, but at {pointer} of its answer there is no run to look at"
        return Ambiguous(kind="NoRun", reason=reason, elapsed=answer.elapsed)
    return replace(accepted, run=replace(run, run_id=str(found), epoch=None))


def unseen(result: CallResult) -> LookFailed:
    """Map the result of a look that did not yield the run's state."""
    match result:
        case Answer(status=status, truncated=truncated):
            dependency_unhealthy = status >= 500 or status in NOT_PROCESSED  # noqa: PLR2004
            unread = "an answer too long to be read" if truncated else "an answer of an unknown form"
            why = unread if status in _OK else f"answered {status}"
            return LookFailed(
                reason=f"the look: {why}", dependency_unhealthy=dependency_unhealthy, after=requested_wait(result)
            )
        case NotSent(kind=kind, reason=reason) | Ambiguous(kind=kind, reason=reason):
            return LookFailed(reason=f"the look: {reason}", dependency_unhealthy=kind != _LOCAL_FAILURE)
        case EgressRefused(reason=reason):
            return LookFailed(reason=reason)


def parsed(result: CallResult, form: TypeAdapter[ReadT]) -> ReadT | None:
    """Parse a complete, successful answer of this form; None for everything else."""
    if not isinstance(result, Answer) or result.truncated or result.status not in SUCCESSES:
        return None
    try:
        return form.validate_json(result.body)
    except ValidationError:
        return None


def gone(result: CallResult) -> RunState | None:
    """Return that the engine does not know the run, where it says so itself: a page of a proxy says nothing."""
    if not isinstance(result, Answer) or result.status != HTTPStatus.NOT_FOUND:
        return None
    return RunState(phase=Phase.GONE, said="answered 404") if isinstance(json_of(result), dict) else None


def server_time(result: CallResult) -> datetime | None:
    """Return the server's own clock, by the Date of its answer."""
    if not isinstance(result, Answer):
        return None
    try:
        moment = parsedate_to_datetime(result.header("date") or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def json_of(answer: Answer) -> Found:
    """Parse the answer's body; ABSENT where it is truncated or not JSON."""
    return parsed_body(answer, ABSENT)
