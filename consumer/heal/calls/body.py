"""Response bodies: decoding to JSON, text or bytes, and the forms that are stored and handed over. Pure."""

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from consumer.heal.strategy import Redact
from consumer.model import Json, Recovered
from consumer.model.call import Answer
from consumer.outbound.charsets import charset_of, decode_text
from schemas.errors import EnvelopeError
from schemas.json_text import check_storable, load_json

MAX_RECOVERED_BYTES: Final = 64 * 1024
_REDACTION_OVERLAP: Final = 1024
"""Characters redacted beyond the limit, so that a secret that the cut would halve is still found whole."""
_MAX_DEPTH: Final = 90
_KEPT_HEADERS: Final = (
    "content-type",
    "content-length",
    "etag",
    "location",
    "date",
    "retry-after",
    "x-request-id",
)
_DROPPED_HEADERS: Final = frozenset({"set-cookie", "connection", "keep-alive", "transfer-encoding", "content-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A decoded body. `value` is the JSON value, the text, or None for bytes and for an empty body."""

    kind: Literal["json", "text", "bytes", "empty"]
    value: Json
    claims_json: bool
    """The answer's Content-Type declares JSON, whatever the body is."""

    @property
    def looks_like_a_page(self) -> bool:
        """Whether the body is markup, as in answers of proxies and in error pages."""
        return isinstance(self.value, str) and self.kind == "text" and self.value.lstrip()[:1] == "<"


def content_of(answer: Answer) -> Content:
    """Decode a body by its Content-Type; without one, as JSON if it is an object or a list."""
    media = (answer.header("content-type") or "").partition(";")[0].strip().lower()
    claims_json = media.endswith(("/json", "+json"))
    if not answer.body.strip():
        return Content(kind="empty", value=None, claims_json=claims_json)
    if claims_json or answer.body.lstrip()[:1] in (b"{", b"["):
        try:
            return Content(kind="json", value=load_json(answer.body), claims_json=claims_json)
        except EnvelopeError:
            pass
    text = _decode_text(answer)
    return Content(kind="bytes" if text is None else "text", value=text, claims_json=claims_json)


def recovered(answer: Answer, content: Content, redact: Redact) -> Recovered:
    """Build the form of an answer that is stored and published: redacted, and cut at a limit."""
    kept: dict[str, Json] = {name: value for name in _KEPT_HEADERS if (value := answer.header(name)) is not None}
    headers, _ = redact(kept)
    whole = len(answer.body) <= MAX_RECOVERED_BYTES and not answer.truncated
    body: Json
    if content.kind == "json" and whole and check_storable(content.value, max_depth=_MAX_DEPTH) is None:
        body, _ = redact(content.value)
    elif content.kind in {"bytes", "empty"}:
        body = None
    else:
        body = _truncate(_decode_text(answer) or "", redact)
    return Recovered(
        status=answer.status,
        headers={name: _without_nul(value) for name, value in headers.items()} if isinstance(headers, dict) else {},
        body=body,
        size=len(answer.body),
        digest=f"sha256:{sha256(answer.body).hexdigest()}",
        truncated=not whole,
    )


def handover_body(answer: Answer, content: Content) -> dict[str, Json]:
    """Build the form of an answer that is handed over to the run: raw, with bytes as base64."""
    headers: dict[str, list[str]] = {}
    for name, value in answer.headers:
        if name.lower() not in _DROPPED_HEADERS:
            headers.setdefault(name.lower(), []).append(value)
    body = b64encode(answer.body).decode() if content.kind == "bytes" else content.value
    return {
        "status": answer.status,
        "headers": {name: ", ".join(values) for name, values in headers.items()},
        "body": body,
        "encoding": "base64" if content.kind == "bytes" else content.kind,
    }


def _decode_text(answer: Answer) -> str | None:
    charset = charset_of(answer.header("content-type") or "")
    return decode_text(answer.body, charset, truncated=answer.truncated)


def _truncate(text: str, redact: Redact) -> str:
    value, _ = redact(text[: MAX_RECOVERED_BYTES + _REDACTION_OVERLAP])
    raw = _without_nul(value).encode("utf-8", "replace")[:MAX_RECOVERED_BYTES]
    return raw.decode("utf-8", "ignore")


def _without_nul(value: Json) -> str:
    # PostgreSQL stores no NUL.
    return value.replace("\0", "\ufffd") if isinstance(value, str) else ""
