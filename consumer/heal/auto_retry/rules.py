"""What auto-retry must not do, and in which words it says so: pure."""

import re
from datetime import timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from consumer.call import OutboundRequest
from consumer.catalog import WorkflowPolicy
from consumer.heal.auto_retry.backoff import longest_wait
from consumer.heal.auto_retry.schema_check import LIMIT
from consumer.model import Diagnosis, Failure, Json
from schemas.context import ContextFault, ErrorContext, RequestContext, ResumeContext, error_of, request_of, resume_of
from schemas.json_text import to_json
from schemas.names import Disposition, Effect

HANDOVER_TRIES: Final = 3
_MARGIN: Final = timedelta(seconds=5)
_LONGEST_WINDOW: Final = timedelta(minutes=10)
_NEVER_LEFT: Final = frozenset(
    name.lower()
    for name in (
        "ClientConnectorDNSError",
        "ClientConnectorError",
        "ConnectError",
        "ConnectTimeout",
        "ConnectTimeoutError",
        "ConnectionRefusedError",
        "ConnectionTimeoutError",
        "EAI_AGAIN",
        "EAI_NONAME",
        "ECONNREFUSED",
        "ENOTFOUND",
        "NameResolutionError",
        "NewConnectionError",
        "NotSent",
        "PoolTimeout",
        "UND_ERR_CONNECT_TIMEOUT",
        "gaierror",
    )
)
"""Error codes and types that clients raise before the first byte of a request leaves."""
_NOT_EXECUTED: Final = frozenset({425, 429})
_HOPELESS: Final = {
    Disposition.NEVER: "the evidence says that trying again can only do harm",
    Disposition.NEEDS_MONEY: "it waits for a balance or a quota: the same call would be refused again",
    Disposition.NEEDS_CREDENTIAL: "it waits for a credential to be renewed: the same call would be refused again",
    Disposition.NEEDS_PERSON: "a person has to decide this",
}


def missing(failure: Failure) -> tuple[str, ...]:
    """Name the context fields that are absent or unusable."""
    request = request_of(failure.context)
    resume = resume_of(failure.context)
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


def redacted_part(failure: Failure) -> str | None:
    """Refuse what redaction touched: the marker in place of a secret would be sent instead of it."""
    for pointer in failure.redactions:
        if pointer == "/context" or re.match(r"/context/(request|resume)(/|$)", pointer):
            return (
                f"{pointer} was redacted and cannot be sent: use secret://NAME there, and declare NAME in the catalog"
            )
    return None


def hopeless(diagnosis: Diagnosis) -> str | None:
    """Refuse what the diagnosis rules out."""
    return _HOPELESS.get(diagnosis.disposition)


def unsafe_repeat(failure: Failure, request: RequestContext) -> str | None:
    """Refuse to repeat an effect that may already have happened and carries no key."""
    if request.effect_or_default is not Effect.UNSAFE or provably_not_run(error_of(failure.context)):
        return None
    return (
        f"{request.method} may already have had its effect, and would have it twice: send "
        "context.request.idempotency_key, or declare context.request.effect as none, idempotent or keyed if that is so"
    )


def provably_not_run(error: ErrorContext) -> bool:
    """Tell whether the evidence proves that the failed call had no effect."""
    if error.http_status is not None:
        return error.http_status in _NOT_EXECUTED
    names = (re.split(r"[.:/]+", name)[-1].lower() for name in (error.code, error.type) if name)
    return any(name in _NEVER_LEFT for name in names)


def window(request: RequestContext, *, hands_over: bool, policy: WorkflowPolicy) -> timedelta:
    """Bound the time from the claim to the end of the last effect."""
    limits = policy.auto_retry
    calls = limits.tries * call_limit(request, policy)
    waits = sum((longest_wait(limits, n) for n in range(1, limits.tries)), timedelta(0))
    handover = timedelta(0)
    if hands_over:
        handover = HANDOVER_TRIES * limits.timeout
        handover += sum((longest_wait(limits, n) for n in range(1, HANDOVER_TRIES)), timedelta(0))
    has_schema = request.expect is not None and request.expect.schema_ is not None
    judging = 2 * LIMIT if has_schema else timedelta(0)
    return min(calls + waits + judging + handover + _MARGIN, _LONGEST_WINDOW)


def call_limit(request: RequestContext, policy: WorkflowPolicy) -> timedelta:
    """Bound one call: a request may ask for less than the policy, never for more."""
    asked = request.timeout_seconds
    limit = policy.auto_retry.timeout
    return limit if asked is None else min(timedelta(seconds=asked), limit)


def outbound(request: RequestContext) -> OutboundRequest:
    """Build the call again as it was made, with the caller's own key."""
    headers = dict(request.headers)
    given = {name.lower() for name in headers}
    body: bytes | None = None
    if isinstance(request.body, str):
        body = request.body.encode()
    elif request.body is not None:
        body = to_json(request.body)
        if "content-type" not in given:
            headers["Content-Type"] = "application/json"
    if request.idempotency_key:
        header = request.idempotency_header
        headers = {name: value for name, value in headers.items() if name.lower() != header.lower()}
        headers[header] = request.idempotency_key
    return OutboundRequest(method=request.method, url=request.url, headers=tuple(headers.items()), body=body)


def handover_address(resume: ResumeContext) -> OutboundRequest:
    """Build the hand-over's envelope, still without what it carries."""
    return OutboundRequest(method=resume.method, url=resume.url, headers=tuple(resume.headers.items()))


def call_digest(request: RequestContext) -> str:
    """Name a call by what it asks for, however its members are ordered."""
    parts: list[Json] = [request.method, request.url, request.body, request.idempotency_key]
    return sha256(to_json(_sorted(parts))).hexdigest()


def dependency(request: RequestContext) -> str:
    """Name the other side of a call: what is ill when it does not answer."""
    parts = urlsplit(request.url)
    return f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2].lower()}"


def damage(failure: Failure, called: str) -> str | None:
    """Name what is broken: this call in this step of this run's epoch. Without a run two calls may be two intents."""
    run = failure.context.get("run")
    if not isinstance(run, dict) or not isinstance(run.get("id"), str) or not isinstance(run.get("epoch"), int):
        return None
    parts: list[Json] = [run["id"], run["epoch"], run.get("step"), called, failure.context.get("resume")]
    return sha256(to_json(_sorted(parts))).hexdigest()


def _sorted(value: Json) -> Json:
    match value:
        case dict():
            return {name: _sorted(value[name]) for name in sorted(value)}
        case list():
            return [_sorted(item) for item in value]
        case _:
            return value
