"""What auto-retry must not do, and in which words it says so: pure."""

import re
from datetime import timedelta
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

import httpx2

from consumer.call import OutboundRequest
from consumer.catalog import WorkflowPolicy
from consumer.heal.auto_retry.backoff import longest_waits
from consumer.heal.auto_retry.past_tries import last_did_not_run, provably_not_run
from consumer.heal.digest import digest
from consumer.heal.schema_check import LIMIT
from consumer.model import Diagnosis, Failure, Json
from schemas.context import ContextFault, RequestContext, ResumeContext
from schemas.json_text import to_json
from schemas.names import Disposition, Effect

HANDOVER_TRIES: Final = 3
_MARGIN: Final = timedelta(seconds=5)
_LONGEST_WINDOW: Final = timedelta(minutes=10)
_ORIGIN: Final = re.compile(r"[A-Za-z]+://[^/?#]*")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOPELESS: Final = {
    Disposition.NEVER: "the evidence says that trying again can only do harm",
    Disposition.NEEDS_MONEY: "it waits for a balance or a quota: the same call would be refused again",
    Disposition.NEEDS_CREDENTIAL: "it waits for a credential to be renewed: the same call would be refused again",
    Disposition.NEEDS_PERSON: "a person has to decide this",
}


def missing(
    request: RequestContext | ContextFault | None, resume: ResumeContext | ContextFault | None
) -> tuple[str, ...]:
    """Name the context fields that are absent or unusable."""
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
    """Refuse to repeat an effect that may already have happened, carries no key, and leaves nothing to look at."""
    if request.effect_or_default is not Effect.UNSAFE or request.read_back is not None:
        return None
    if not failure.unsure and provably_not_run(failure):
        return None
    whose = "in an attempt of ours " if failure.unsure else ""
    if not failure.unsure and last_did_not_run(failure):
        whose = "in a try before its last one, for all that the event tells, "
    return (
        f"{request.method} may already have had its effect {whose}and would have it twice: send "
        "context.request.idempotency_key, say in context.request.read_back how to see whether it happened, or declare "
        "context.request.effect as none, idempotent or keyed if that is so"
    )


def window(request: RequestContext, *, hands_over: bool, settling: timedelta, policy: WorkflowPolicy) -> timedelta:
    """Bound the time from the claim to the end of the last effect, doubts that are settled on the way included."""
    limits = policy.auto_retry
    whole = limits.tries * call_limit(request, policy) + longest_waits(limits, limits.tries) + settling + _MARGIN
    if hands_over:
        whole += HANDOVER_TRIES * limits.timeout + longest_waits(limits, HANDOVER_TRIES)
    if request.expect is not None and request.expect.schema_ is not None:
        whole += 2 * LIMIT
    return min(whole, _LONGEST_WINDOW)


def call_limit(request: RequestContext, policy: WorkflowPolicy) -> timedelta:
    """Bound one call: a request may ask for less than the policy, never for more."""
    asked = request.timeout_seconds
    limit = policy.auto_retry.timeout
    return limit if asked is None else min(timedelta(seconds=asked), limit)


def outbound(request: RequestContext, *, with_body: bool = True) -> OutboundRequest:
    """Build the call again as it was made, with the caller's own key; who only asks if it is allowed needs no body."""
    headers = dict(request.headers)
    given = {name.lower() for name in headers}
    body: bytes | None = None
    if isinstance(request.body, str):
        body = request.body.encode()
    elif request.body is not None:
        body = to_json(request.body) if with_body else None
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
    """Name a call by what it asks for, however its members are ordered and its host is spelled."""
    spelled = _origin_text(request.url)
    url = _origins(spelled)[1] + request.url[len(spelled) :]
    parts: list[Json] = [request.method, url, request.body, request.idempotency_key]
    return digest(parts)


def origin(url: str) -> str:
    """Name the other side of a call, what is ill when it does not answer: `https://api.example.com:443`."""
    return _origins(_origin_text(url))[0]


def damage(failure: Failure) -> str | None:
    """Name what is broken: this very call in this step of this run's epoch. Without a run two calls are two intents.

    Everything that shapes the call or says when it counts as healed is part of it: who shares an outcome has the same.
    """
    run = failure.context.get("run")
    if not isinstance(run, dict) or not isinstance(run.get("id"), str) or type(run.get("epoch")) is not int:
        return None
    parts: list[Json] = [run["id"], run["epoch"], run.get("step"), failure.context.get("request")]
    return digest([*parts, failure.context.get("resume")])


def _origin_text(url: str) -> str:
    found = _ORIGIN.match(url)
    return found[0] if found else url


@lru_cache(maxsize=4096)
def _origins(text: str) -> tuple[str, str]:
    """Write an origin in the one way: with its port, and as most URLs have it, without the scheme's own."""
    try:
        url = httpx2.URL(text)
        host = url.raw_host.decode("ascii")
        host = f"[{IPv6Address(host)}]" if ":" in host else host
    except (httpx2.InvalidURL, AddressValueError, UnicodeError):
        return text.lower(), text
    plain = f"{url.scheme}://{host}"
    default = _DEFAULT_PORTS.get(url.scheme)
    port = url.port or default
    return f"{plain}:{port}", plain if port == default else f"{plain}:{port}"
