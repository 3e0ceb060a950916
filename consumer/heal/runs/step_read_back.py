"""Reads back whether a step that may have begun has had its effect, by the look that the catalog declares for it."""

from dataclasses import replace
from enum import StrEnum

from consumer.catalog import StepReadBack
from consumer.heal.calls.session import Calls
from consumer.heal.runs.again import Begun, begun, may_begin_again
from consumer.heal.runs.session import RunSession
from consumer.model.call import Answer, CallResult, OutboundRequest
from consumer.runners.answers import json_of
from consumer.runners.contract import RunRef, StepState
from consumer.runners.places import organisation, run_values
from consumer.runners.templates import ABSENT, UnfitValue, render_call
from schemas.json_value import value_at

_MAX_BYTES = 1024 * 1024
_OK = range(200, 300)


class StepEffect(StrEnum):
    """What a read-back of a step says."""

    HAPPENED = "happened"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


async def reason_against_beginning(session: RunSession, calls: Calls, step: str, state: StepState | None) -> str | None:
    """Return why a step must not be begun again, by the rule and, where that says no, by its read-back, or None."""
    rule = session.policy.rule_of(step)
    why = may_begin_again(step, rule, begun(state))
    if why is None or rule is None or rule.read_back is None:
        return why
    match await read_step_back(session, calls, rule.read_back, step):
        case StepEffect.NOTHING:
            return may_begin_again(step, rule, Begun.NOT)
        case StepEffect.HAPPENED:
            return f"step {step!r} has had its effect, by its read-back, and its run does not know that"
        case StepEffect.UNKNOWN:
            return f"{why}; its read-back says nothing"


async def read_step_back(session: RunSession, calls: Calls, look: StepReadBack, step: str) -> StepEffect:
    """Look at what a step leaves behind."""
    try:
        request = _request(look, replace(session.run, step=step))
    except UnfitValue:
        return StepEffect.UNKNOWN
    if calls.refusal(request, session.policy) is not None:
        return StepEffect.UNKNOWN
    result = await calls.send(request, session.policy, within=session.call_time(), max_bytes=_MAX_BYTES)
    said = effect_in(result, look)
    session.looks.append({"step": step[:200], "read_back": said.value})
    return said


def effect_in(result: CallResult, look: StepReadBack) -> StepEffect:
    """Return what an answer says of a step's effect."""
    if not isinstance(result, Answer) or "html" in (result.header("content-type") or "").lower():
        return StepEffect.UNKNOWN  # a page comes from whoever stands before the service
    if result.status in look.absent:
        return StepEffect.NOTHING
    document = json_of(result) if result.status in _OK else ABSENT
    if result.status in _OK and look.value is None:
        return StepEffect.HAPPENED
    if document is ABSENT or look.value is None:
        return StepEffect.UNKNOWN
    left = value_at(document, look.value, None)
    return StepEffect.NOTHING if left is None or left in ("", [], {}) else StepEffect.HAPPENED


def _request(look: StepReadBack, run: RunRef) -> OutboundRequest:
    return render_call(look, look.method, run_values(run), org_id=organisation(run))
