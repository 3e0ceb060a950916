"""Tells a failed call in a candidate's words, and its answer in the words that the caller knows. Pure.

Of the request's headers nothing goes along but what says how the body is written and what is wanted back: the rest,
credentials above all, is between the caller and the first.
"""

from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from consumer.catalog.candidates import AnswerTranslation, Candidate, CandidateCall, LookTemplate
from consumer.catalog.dependencies import Contract, Dependency, rest_below
from consumer.heal.calls.body import Content, content_of
from consumer.heal.calls.request import outbound
from consumer.model import Json, JsonObject
from consumer.model.call import Answer, OutboundRequest
from consumer.runners.templates import ABSENT, Found, UnfitValue, Values, json_bytes, render_call, render_document
from schemas.context import RequestContext
from schemas.json_value import same, value_at

PASSED_ON: Final = frozenset({"accept", "accept-language", "content-type"})
"""Headers of the request that a candidate with the same wire gets."""
_KEPT: Final = frozenset({"date", "retry-after", "x-request-id"})
"""Headers of a translated answer: those about its body are no longer true of it."""


def candidate_call(
    dependency: Dependency, candidate: Candidate, request: RequestContext, org_id: UUID
) -> OutboundRequest:
    """Return the failed call as the candidate takes it.

    Raises
    ------
    UnfitValue
        It cannot be told in the candidate's words: a value is missing, or does not fit where it is put.

    """
    rest = rest_below(dependency.url, request.url)
    if rest is None:
        raise UnfitValue(f"the call does not lie below {dependency.url}")
    if candidate.call is None:
        call = _same_wire(candidate, request, rest, org_id)
    else:
        call = _other_wire(candidate.call, request, rest, org_id)
    limit = candidate.limits.request_bytes
    if limit is not None and len(call.body or b"") > limit:
        raise UnfitValue(f"its body is longer than the {limit} bytes that {candidate.name} takes")
    return replace(call, effect=True)


def look_call(look: LookTemplate, org_id: UUID) -> OutboundRequest:
    """Return a declared call without effect; raises as `candidate_call`."""
    return render_call(look, look.method, {"org_id": str(org_id)}, org_id=org_id)


def sample_call(candidate: Candidate, org_id: UUID) -> OutboundRequest:
    """Return where a candidate's calls go, so that it can be asked whether the catalog allows them."""
    if candidate.call is None:
        return OutboundRequest(method="POST", url=candidate.url or "", headers=_headers(candidate, ()), org_id=org_id)
    anything: Values = dict.fromkeys((*candidate.call.values, "key", "org_id"), "x")
    return render_call(candidate.call, candidate.call.method, anything, org_id=org_id)


def told_back(candidate: Candidate, answer: Answer) -> Answer:
    """Return a candidate's answer in the words of the first; raises as `candidate_call`."""
    if candidate.answer is None:
        return answer
    content = content_of(answer)
    if content.kind != "json":
        raise UnfitValue(f"{candidate.name} answered {content.kind}, where JSON is translated")
    body = render_document(candidate.answer.body, _values(candidate.answer, content.value))
    if body is ABSENT:
        raise UnfitValue(f"{candidate.name} left out what the answer is made of")
    kept = tuple((name, value) for name, value in answer.headers if name.lower() in _KEPT)
    return replace(answer, headers=(*kept, ("content-type", "application/json")), body=json_bytes(body))


def broken_echo(contract: Contract, request: RequestContext, answered: Content) -> str | None:
    """Return which member of an answer is not that of the request, as the contract demands, or None; quotes neither."""
    absent = object()
    for echo in contract.echoes:
        asked, got = value_at(request.body, echo.request, absent), value_at(answered.value, echo.answer, absent)
        if asked is absent and got is absent:
            continue
        if asked is absent or got is absent or not same(asked, got):
            return f"{echo.answer or 'the answer'} is not the request's {echo.request or 'body'}"
    return None


def _same_wire(candidate: Candidate, request: RequestContext, rest: str, org_id: UUID) -> OutboundRequest:
    call = outbound(request)
    carried = tuple(
        (name, value)
        for name, value in call.headers
        if (name.lower() in PASSED_ON and not value.startswith("secret://"))
        or (request.idempotency_key is not None and name.lower() == request.idempotency_header.lower())
    )
    url = (candidate.url or "").rstrip("/") + rest
    return replace(call, url=url, headers=_headers(candidate, carried), org_id=org_id)


def _headers(candidate: Candidate, carried: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    own = {name.lower() for name in candidate.headers}
    return (*(both for both in carried if both[0].lower() not in own), *candidate.headers.items())


def _other_wire(call: CandidateCall, request: RequestContext, rest: str, org_id: UUID) -> OutboundRequest:
    split = urlsplit(rest)
    document: Json = {
        "body": request.body,
        "query": _query(split.query),
        "path": split.path,
        "method": request.method,
    }
    values: dict[str, Found] = dict(_values(call, document))
    values |= {"org_id": str(org_id)} | ({"key": request.idempotency_key} if request.idempotency_key else {})
    return render_call(call, call.method, values, org_id=org_id)


def _query(text: str) -> JsonObject:
    """Return a query by its names; one that stands there more than once is a list of its values."""
    given = parse_qs(text, keep_blank_values=True)
    return {name: list[Json](values) if len(values) > 1 else values[0] for name, values in given.items()}


def _values(declared: AnswerTranslation | CandidateCall, document: Json) -> Values:
    return {name: value_at(document, at, ABSENT) for name, at in declared.values.items()}
