"""Rules of auto-retry: unsafe repeats, and the window of a heal. Pure."""

from datetime import timedelta
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.heal.calls.backoff import longest_waits
from consumer.heal.calls.earlier_tries import last_did_not_run, provably_not_run
from consumer.heal.calls.request import HANDOVER_TRIES, call_limit
from consumer.heal.schema_check.check import LIMIT
from consumer.model import Failure
from schemas.context import RequestContext
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


def window(request: RequestContext, *, hands_over: bool, settling: timedelta, policy: WorkflowPolicy) -> timedelta:
    """Return the upper bound of the time from the claim to the end of the last effect, read-backs included."""
    limits = policy.auto_retry
    whole = limits.tries * call_limit(request, policy) + longest_waits(limits, limits.tries) + settling + _MARGIN
    if hands_over:
        whole += HANDOVER_TRIES * limits.timeout + longest_waits(limits, HANDOVER_TRIES)
    if request.expect is not None and request.expect.schema_ is not None:
        whole += 2 * LIMIT
    return min(whole, _LONGEST_WINDOW)
