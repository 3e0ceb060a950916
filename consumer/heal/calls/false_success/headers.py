"""Headers of a 2xx that say that it failed, that it is a part, or that the work is still to be done. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from consumer.heal.calls.false_success.asked import Asked, Sign
from consumer.heal.calls.false_success.members import FAILED, HARMLESS, failing_status, plain_word

_ERROR_NAME: Final = re.compile(
    r"(?:[a-z0-9]+-){0,4}(?:errors?|exception|fault|errortype|errorcode)"
    r"(?:-(?:code|type|message|detail|details|description|reason|name|text|msg|status|id))?"
)
_CALL_STATUS: Final = frozenset((
    "x-status", "x-request-status", "x-response-status", "x-call-status", "x-api-status", "x-app-status",
    "x-result-status", "x-processing-status",
))  # fmt: skip
_STATUS_NAME: Final = re.compile(
    r"status|x-(?:[a-z0-9]+-){0,3}status(?:-code)?(?:-override)?|x-(?:response|result|return)-code"
)
_GRAVE: Final = re.compile(r"\"severity\"\s*:\s*\"(?:error|fatal|abort)\"", re.IGNORECASE)
"""A message of an OData service, as JSON in a header."""
_FLAGS: Final = frozenset((
    "x-rate-limited", "x-ratelimited", "x-throttled", "x-maintenance", "x-maintenance-mode", "x-envoy-overloaded",
    "x-overloaded", "x-failed", "x-circuit-open",
))  # fmt: skip
_RIGHT_FLAGS: Final = frozenset(("x-success", "x-succeeded", "x-ok", "x-is-success"))
_OUTCOMES: Final = frozenset(("x-result", "x-outcome", "x-response-result", "x-call-result"))
_NO: Final = frozenset(("false", "no", "0"))
_INCOMPLETE: Final = frozenset((
    "x-partial", "x-partial-response", "x-truncated", "x-incomplete", "x-degraded", "x-fallback",
    "x-served-fallback", "x-served-stale", "x-stale",
))  # fmt: skip
_YES: Final = frozenset(("true", "yes", "on", "1"))
_STALE: Final = re.compile(r"(?:^|,)\s*(110|111|112)\s")
_RANGE: Final = re.compile(r"\s*bytes\s+(\d{1,15})-(\d{1,15})/(\d{1,15}|\*)", re.IGNORECASE)
_MONITORS: Final = ("location", "operation-location", "azure-asyncoperation", "content-location")
_MONITOR_LINK: Final = re.compile(r"rel=\"?(?:monitor|status|status-monitor)\b", re.IGNORECASE)
_ACCEPTED: Final = 202
_PARTIAL: Final = 206
_HIDES_ERRORS: Final = 218
"""Apache's way to let an error's body pass a proxy that would replace it."""


def sign_in_headers(headers: Mapping[str, str]) -> Sign | None:
    """Return the sign of a failure in an answer's headers, whatever is in its body."""
    if (grpc := headers.get("grpc-status", "0").strip()) not in {"0", "OK", ""}:
        return Sign(why=f"grpc-status is {_shown(grpc)}")
    named = next((sign for name, value in headers.items() if (sign := _sign_in_header(name, value)) is not None), None)
    if named is not None:
        return named
    if headers.get("x-cache", "").lower().startswith("error from"):
        return Sign(why="its header x-cache says that the page is one for errors")
    if _STALE.search(headers.get("warning", "")):
        return Sign(why="its header Warning says that it is stale: the origin did not answer", sure=False)
    return None


def _sign_in_header(name: str, value: str) -> Sign | None:
    if _ERROR_NAME.fullmatch(name) and plain_word(value.strip()) not in HARMLESS:
        return Sign(why=f"it has the header {_shown(name)}")
    if _STATUS_NAME.fullmatch(name) and (status := failing_status(value)) is not None:
        return Sign(why=f"its header {name} says {status}")
    said = value.strip().lower()
    is_grave = name.endswith(("-message", "-messages")) and _GRAVE.search(value) is not None
    if is_grave or (name in _FLAGS and said in _YES) or (name in _RIGHT_FLAGS and said in _NO):
        return Sign(why=f"its header {name} says {_shown(said)}")
    if name in _OUTCOMES | _CALL_STATUS and plain_word(said) in FAILED:
        return Sign(why=f"its header {name} says {_shown(said)}")
    if name in _INCOMPLETE and said in _YES:
        return Sign(why=f"its header {name} says that it is not the whole", sure=False)
    return None


def sign_in_status(status: int, headers: Mapping[str, str], asked: Asked) -> Sign | None:
    """Return the sign of a 2xx that is not the whole, or not yet done; the caller may say that it expects it."""
    if status in asked.statuses:
        return None
    if status == _HIDES_ERRORS:
        return Sign(why="answered 218, with which errors pass proxies", sure=False)
    if "range" not in asked.headers and _is_a_part(status, headers.get("content-range", "")):
        return Sign(why="a part, where the whole was asked for", sure=False)
    if status == _ACCEPTED and not asked.demands and is_to_be_followed(headers):
        why = "accepted only, and to be seen elsewhere whether it was done: say so in context.request.read_back"
        return Sign(why=why, sure=False)
    return None


def is_to_be_followed(headers: Mapping[str, str]) -> bool:
    """Return whether an accepted call names the place where its end is to be seen."""
    return any(name in headers for name in _MONITORS) or _MONITOR_LINK.search(headers.get("link", "")) is not None


def _is_a_part(status: int, content_range: str) -> bool:
    found = _RANGE.match(content_range)
    if found is None:
        return status == _PARTIAL
    first, last, whole = found.groups()
    return int(first) > 0 or whole == "*" or int(last) + 1 < int(whole)


def _shown(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "", text)[:40]
