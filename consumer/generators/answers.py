"""Reads the refusals of generators: which kind, and which parameter is at fault. Pure.

The providers' error codes are the diagnosis's own (`consumer/diagnose/packs`): what it says of a failure that was
published, it says of an answer that a heal gets.
"""

import re
from typing import Final

from consumer.diagnose.diagnosis import diagnose
from consumer.generators.content import text_at
from consumer.generators.contract import Declined, DeclineKind
from consumer.model import Json, JsonObject
from consumer.model.call import Ambiguous, Answer, parsed_body, requested_wait
from consumer.model.http_status import Passing, is_unhealthy, passing
from schemas.names import Disposition

_GONE_STATUSES: Final = frozenset({404, 410})
_GONE_WORDS: Final = re.compile(
    r"model_not_found|model_not_available|model_deprecated|deprecated|decommissioned|retired|shut ?down|"
    r"no longer (?:available|supported)|(?:models?|application)\b.{0,80}\b(?:not found|does not exist)",
    re.IGNORECASE | re.DOTALL,
)
_MODERATION_WORDS: Final = re.compile(
    r"responsible ai\b|sensitive words|safety (?:system|filter)|content (?:moderation|policy)", re.IGNORECASE
)
"""Said beside a code of a wrong parameter, which tells no more than the status."""
_TOO_LARGE: Final = 413
_OK: Final = range(200, 300)
_MAX_READ: Final = 16 * 1024
_MAX_ERROR: Final = 64 * 1024
_SHOWN: Final = 200
_PARAMETER: Final = ("/error/param", "/param", "/detail/param", "/detail/0/loc/1", "/error/field")
_NAMED: Final = (
    ("voice", re.compile(r"voice", re.IGNORECASE)),
    ("format", re.compile(r"output_format|response_format|content_type|\bformat\b", re.IGNORECASE)),
    ("width and height", re.compile(r"\b(?:size|dimensions?|width|height|resolution|aspect)\b", re.IGNORECASE)),
    ("prompt", re.compile(r"\b(?:prompt|input|text|characters?)\b|text_too_long|character_limit", re.IGNORECASE)),
)
_MAY_HAVE_BEEN_DONE: Final = frozenset({301, 302, 303, 408})
_TRANSIENT: Final = frozenset({Disposition.RETRY_NOW, Disposition.RETRY_AFTER, Disposition.RETRY_IF_IDEMPOTENT})
_KINDS: Final = {
    Disposition.NEEDS_PERSON: DeclineKind.MODERATION,
    Disposition.NEVER: DeclineKind.MODERATION,
    Disposition.NEEDS_MONEY: DeclineKind.MONEY,
    Disposition.NEEDS_CREDENTIAL: DeclineKind.CREDENTIAL,
    Disposition.NEEDS_REPAIR: DeclineKind.PARAMETER,
}


def declined_by(answer: Answer, provider: str) -> Declined | Ambiguous:
    """Read an answer that brings no asset: a refusal of some kind, or one after which it may have been made."""
    said = json_of(answer) if len(answer.body) <= _MAX_ERROR else None
    text = answer.body[:_MAX_READ].decode("utf-8", "replace")
    status, shown = answer.status, said_in(said) or f"answered {answer.status}"
    kind = passing(status, answer.named_headers)
    found = _disposition(status, provider, said, text)
    if found not in (None, *_TRANSIENT) and status < 500:  # noqa: PLR2004 - HTTP's own border
        return _definite(found, status, said, text, shown)
    if kind in (Passing.FAILED, Passing.TIMED_OUT) or status in _MAY_HAVE_BEEN_DONE:
        reason = f"answered {status}: it may have been made"
        return Ambiguous(kind=f"Status{status}", reason=reason, elapsed=answer.elapsed)
    if kind is not None:
        unhealthy = is_unhealthy(status, answer.named_headers)
        return Declined(
            kind=DeclineKind.BUSY, reason=shown, after=requested_wait(answer), dependency_unhealthy=unhealthy
        )
    return _definite(found, status, said, text, shown)


def _definite(found: Disposition | None, status: int, said: Json, text: str, shown: str) -> Declined:
    if _GONE_WORDS.search(text) and status in {400, 403, *_GONE_STATUSES}:
        return Declined(kind=DeclineKind.GONE, reason=shown, parameter="model")
    kind = _KINDS.get(found, DeclineKind.PARAMETER) if found is not None else DeclineKind.PARAMETER
    if found is None and status in _GONE_STATUSES:
        kind = DeclineKind.GONE
    if kind is DeclineKind.PARAMETER and _MODERATION_WORDS.search(said_in(said)):
        return Declined(kind=DeclineKind.MODERATION, reason=shown, parameter="prompt")
    if status == _TOO_LARGE:
        kind = DeclineKind.PARAMETER
    return Declined(kind=kind, reason=shown, parameter=_parameter_in(said, text))


def _disposition(status: int, provider: str, said: Json, text: str) -> Disposition | None:
    error: JsonObject = {"http_status": status, "provider": provider, "body": said if said is not None else text}
    error |= {name: code for name, code in (("code", code_in(said)), ("message", said_in(said))) if code}
    diagnosed = diagnose(f"{provider}: {said_in(said) or text[:_SHOWN]}", {"error": error})
    spoken = {one.disposition for one in diagnosed.evidence}
    return diagnosed.disposition if diagnosed.disposition in spoken else None


def json_of(answer: Answer) -> Json:
    """Parse an answer's body; None where it is truncated or no JSON."""
    return parsed_body(answer, None)


def said_in(document: Json) -> str:
    """Return the words of an error in an answer, bounded; empty where there are none."""
    places = ("/error/message", "/message", "/detail/message", "/detail", "/errors/0", "/error", "/detail/0/msg")
    return (text_at(document, places) or "")[:_SHOWN]


def code_in(document: Json) -> str:
    """Return the code of an error in an answer; empty where there is none."""
    places = ("/error/code", "/code", "/detail/status", "/detail/code", "/error/status", "/error/type", "/name")
    return (text_at(document, places) or "")[:_SHOWN]


def _parameter_in(document: Json, text: str) -> str | None:
    if (told := text_at(document, _PARAMETER)) is not None:
        return told[:64]
    words = f"{code_in(document)} {said_in(document) or text[:_SHOWN]}"
    return next((name for name, pattern in _NAMED if pattern.search(words)), None)


def is_success(answer: Answer, accepted: tuple[int, ...] = ()) -> bool:
    """Return whether a status is one of success."""
    return answer.status in accepted if accepted else answer.status in _OK
