"""Rules of auto-retry: unsafe repeats, and the window of a heal. Pure."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.heal.calls.backoff import longest_waits
from consumer.heal.calls.earlier_tries import last_did_not_run, provably_not_run
from consumer.heal.calls.request import HANDOVER_TRIES, call_limit, origin
from consumer.heal.schema_check.check import LIMIT
from consumer.model import Failure, JsonObject
from schemas.context import RequestContext, request_of
from schemas.names import Effect

_MARGIN: Final = timedelta(seconds=5)
_LONGEST_WINDOW: Final = timedelta(minutes=10)


def unsafe_repeat(failure: Failure, request: RequestContext) -> str | None:
    """Return why an effect must not be repeated: it may have happened, has no idempotency key and no read-back."""
    if request.effect_or_default is not Effect.UNSAFE or request.read_back is not None:
        return None
    if not failure.effect_in_doubt and provably_not_run(failure):
        return None
    whose = "in an attempt of ours " if failure.effect_in_doubt else ""
    if not failure.effect_in_doubt and last_did_not_run(failure):
        whose = "in a try before its last one, for all that the event tells, "
    return (
        f"{request.method} may already have had its effect {whose}and would have it twice: send "
        "context.request.idempotency_key, say in context.request.read_back how to see whether it happened, or declare "
        "context.request.effect as none, idempotent or keyed if that is so"
    )


def other_call(before: RequestContext, changes: JsonObject) -> str | None:
    """Return why new parts of the context are not the same call with another input; None where they are.

    What a second call does, where it goes and what proves it are its publisher's to say, and not whose who approves it.
    """
    if changes.keys() != {"request"}:
        return 'only another request can be given: {"request": ...}'
    after = request_of(changes)
    if not isinstance(after, RequestContext):
        return "request: is null" if after is None else f"{after.path.removeprefix('context.')}: {after.message}"
    changed = [name for name, of in _KEPT_OF_CALL.items() if of(before) != of(after)]
    return f"request: {', '.join(changed)} may not be changed" if changed else None


_KEPT_OF_CALL: Final[Mapping[str, Callable[[RequestContext], object]]] = {
    "method": lambda request: request.method,
    "the origin of url": lambda request: origin(request.url),
    "effect": lambda request: request.effect_or_default,
    "idempotency_key": lambda request: (request.idempotency_key, request.idempotency_header),
    "expect": lambda request: request.expect,
    "read_back": lambda request: request.read_back,
}


def window(request: RequestContext, *, hands_over: bool, settling: timedelta, policy: WorkflowPolicy) -> timedelta:
    """Return the upper bound of the time from the claim to the end of the last effect, read-backs included."""
    limits = policy.auto_retry
    whole = limits.tries * call_limit(request, policy) + longest_waits(limits, limits.tries) + settling + _MARGIN
    if hands_over:
        whole += HANDOVER_TRIES * limits.timeout + longest_waits(limits, HANDOVER_TRIES)
    if request.expect is not None and request.expect.schema_ is not None:
        whole += 2 * LIMIT
    return min(whole, _LONGEST_WINDOW)
