"""What every strategy that makes the failed call asks before its plan: missing context, and the fault digest. Pure."""

from typing import Final

from consumer.heal.digest import digest
from consumer.heal.refusals import redacted_part
from consumer.model import Failure, Json
from schemas.context import ContextFault, RequestContext, ResumeContext
from schemas.names import Effect

CALL_FIELDS: Final = (
    "context.request.method",
    "context.request.url",
    "context.request.headers",
    "context.request.body",
    "context.request.idempotency_key",
    "context.request.expect",
    "context.request.read_back",
    "context.request",
    "context.resume.url",
    "context.resume",
)
"""Paths of the context fields that making the failed call reads."""


def redacted_call(failure: Failure) -> str | None:
    """Return why a failure is refused where redaction touched its call, or None."""
    return redacted_part(failure, ("request", "resume"), "use secret://NAME there, and declare NAME in the catalog")


def missing_fields(
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
