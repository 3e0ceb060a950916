"""The declared look at the first or a candidate: a call without effect whose answer has to be the one demanded."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from uuid import UUID

from consumer.catalog.candidates import LookTemplate
from consumer.heal.calls.body import content_of
from consumer.heal.calls.false_success.asked import asked_by
from consumer.heal.calls.status_verdict import expected
from consumer.heal.calls.verify import Judge, verify_answer
from consumer.heal.dependency_replacement.translation import look_call
from consumer.model.call import Answer, CallResult, OutboundRequest
from schemas.context import RequestContext
from schemas.names import Effect
from schemas.value import value

LOOK_BYTES: Final = 64 * 1024
Send: TypeAlias = Callable[[OutboundRequest, LookTemplate], Awaitable[CallResult]]
"""Sends a look within its timeout."""


@value(frozen=True, slots=True, kw_only=True)
class LookResult:
    """What a look has found."""

    result: CallResult
    fault: str | None
    """Why the answer is not the one that is demanded; None: it is."""


async def look(declared: LookTemplate, org_id: UUID, send: Send, judge: Judge) -> LookResult:
    """Make a declared look; raises UnfitValue where its template cannot be filled."""
    call = look_call(declared, org_id)
    result = await send(call, declared)
    return LookResult(result=result, fault=await _fault(declared, call, result, judge))


async def _fault(declared: LookTemplate, call: OutboundRequest, result: CallResult, judge: Judge) -> str | None:
    if not isinstance(result, Answer):
        return result.reason
    if not expected(result.status, declared.expect):
        return f"answered {result.status}"
    if declared.method == "HEAD":
        return None
    request = RequestContext(method=call.method, url=call.url, effect=Effect.NONE, expect=declared.expect)
    said = await verify_answer(result, content_of(result), declared.expect, asked_by(request), judge)
    return None if said.code is None else said.reason
