"""Rules of auto-retry: missing context, unsafe repeats, the window of a heal, and the fault digest. Pure."""

from datetime import timedelta
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.heal.calls.backoff import longest_waits
from consumer.heal.calls.earlier_tries import last_did_not_run, provably_not_run
from consumer.heal.calls.request import HANDOVER_TRIES, call_limit
from consumer.heal.digest import digest
from consumer.heal.schema_check.check import LIMIT
from consumer.model import Failure, Json
from schemas.context import ContextFault, RequestContext, ResumeContext
from schemas.names import Effect

_MARGIN: Final = timedelta(seconds=5)
_LONGEST_WINDOW: Final = timedelta(minutes=10)


def missing(
    request: RequestContext | ContextFault | None, resume: ResumeContext | ContextFault | None
) -> tuple[str, ...]:
    """Return the paths of the context fields that are absent or unusable."""
    if request is None:
        return ("context.request.method", "context.request.url")
    paths: list[str] = []
    if isinstance(request, ContextFault):
        paths += request.missing or (request.path,)
    elif request.effect_or_default is Effect.KEYED and not request.idempotency_key:
        paths.append("context.request.idempotency_key")
    if isinstance(resume, ContextFault):
        paths += resume.missing or (resume.path,)
    return tuple(paths)


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


def fault_digest(failure: Failure) -> str | None:
    """Return the digest of what is broken: this call in this step of this run's epoch.

    None without a run: then two calls are two intents. Everything that shapes the call, or defines when it counts as
    healed, is part of the digest: failures that share an outcome have the same digest.
    """
    run = failure.context.get("run")
    if not isinstance(run, dict) or not isinstance(run.get("id"), str) or type(run.get("epoch")) is not int:
        return None
    parts: list[Json] = [run["id"], run["epoch"], run.get("step"), failure.context.get("request")]
    return digest([*parts, failure.context.get("resume")])
