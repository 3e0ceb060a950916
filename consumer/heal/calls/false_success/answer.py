"""The order in which a 2xx is asked whether it is a failure: headers, status, media type, then its body. Pure."""

from typing import Final

from consumer.heal.calls.body import Content
from consumer.heal.calls.false_success import markup, media, stream
from consumer.heal.calls.false_success.asked import Asked, Sign
from consumer.heal.calls.false_success.headers import sign_in_headers, sign_in_status
from consumer.heal.calls.false_success.json_body import sign_in_json
from consumer.heal.calls.false_success.part_statuses import failed_parts
from consumer.heal.calls.false_success.plain_text import sign_in_tail, sign_in_text, sign_of_refusal
from consumer.model.call import Answer

_MULTI_STATUS: Final = 207
_PROBLEM: Final = ("application/problem+json", "application/problem+xml", "application/vnd.error+json")
_FRAMES: Final = ("application/grpc", "application/connect+", "application/x-git-")
_FORM: Final = "application/x-www-form-urlencoded"
_MAX_TEXT: Final = 2000
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


def false_success(answer: Answer, content: Content, asked: Asked) -> Sign | None:
    """Return the sign that a 2xx is no success, or None; any other status that the caller expects is believed."""
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's success
        return None
    headers = answer.named_headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _PROBLEM:
        return Sign(why=f"it is of the kind {kind}")
    sign = sign_in_headers(headers) or sign_in_status(answer.status, headers, asked)
    if sign is not None or asked.method == "HEAD":
        return sign
    if kind.startswith(_FRAMES):
        is_git = kind.startswith("application/x-git-")
        return (
            stream.sign_in_git(answer.body) if is_git else stream.sign_in_frames(answer.body, kind, frozenset(headers))
        )
    if answer.status == _MULTI_STATUS and (sign := _sign_in_parts(answer, content, asked)) is not None:
        return sign
    return _sign_in_body(answer, content, kind, asked)


def _sign_in_body(answer: Answer, content: Content, kind: str, asked: Asked) -> Sign | None:
    text = _text_of(answer, content, kind)
    is_lines = media.is_json_lines_type(kind) or (
        content.claims_json and text is not None and stream.is_lines_of_json(text)
    )
    if kind.endswith("event-stream") and content.kind in ("text", "empty"):
        return stream.sign_in_events(text or "", asked)
    if is_lines and text is not None:
        return stream.sign_in_lines(text, asked, claims_lines=True)
    if content.claims_json and content.kind == "text" and (guarded := stream.unguarded(str(content.value))) is not None:
        return sign_in_json(guarded, asked)
    sign = media.sign_in_media(answer.status, kind, content, asked)
    if sign is not None:
        return sign
    if content.kind == "json":
        is_text = isinstance(content.value, str) and len(content.value) <= _MAX_TEXT
        said = sign_in_text(str(content.value)) if is_text else None
        return said or sign_in_json(content.value, asked)
    return None if text is None else _sign_in_text(text, kind, asked)


def _sign_in_text(text: str, kind: str, asked: Asked) -> Sign | None:
    if kind == "multipart/mixed":
        return stream.sign_in_bundle(text, asked)
    if kind.startswith("multipart/report"):
        return stream.sign_in_disposition(text)
    if kind.startswith("multipart/"):
        return markup.sign_in_xml(text[text.find("<") :], asked, claims_xml=False) if "Envelope" in text else None
    if kind == _FORM:
        return stream.sign_in_form(text, asked)
    return markup.sign_in_page(text, asked) or _sign_in_markup(text, kind, asked) or _sign_in_plain(text, asked)


def _sign_in_markup(text: str, kind: str, asked: Asked) -> Sign | None:
    claims_xml = media.is_xml_type(kind)
    begins_like_it = text.lstrip("\ufeff \t\r\n").startswith("<") and not media.is_html(text)
    return markup.sign_in_xml(text, asked, claims_xml=claims_xml) if claims_xml or begins_like_it else None


def _sign_in_plain(text: str, asked: Asked) -> Sign | None:
    sign = sign_in_text(text) if len(text) <= _MAX_TEXT else None
    if sign is None and stream.is_form(text):
        sign = stream.sign_in_form(text, asked)
    sign = sign or stream.sign_in_guarded(text, asked) or stream.sign_in_lines(text, asked, claims_lines=False)
    return sign or sign_in_tail(text) or (None if asked.reads else sign_of_refusal(text, asked))


def _sign_in_parts(answer: Answer, content: Content, asked: Asked) -> Sign | None:
    """Judge a multi-status part by part; one that names no part's status is believed where the caller says how."""
    text = _text_of(answer, content, "")
    if content.kind == "json":
        told, failed = failed_parts(content.value)
    elif text is not None:
        told, failed = markup.failed_parts_of_xml(text, asked)
    else:
        told, failed = 0, 0
    if failed:
        return Sign(why=f"{failed} of {told} parts failed")
    if told or asked.demands or answer.status in asked.statuses:
        return None
    return Sign(why="a multi-status whose parts do not say how they went", sure=False)


def _text_of(answer: Answer, content: Content, kind: str) -> str | None:
    if isinstance(content.value, str):
        return content.value
    if answer.body.startswith(_UTF_16):
        return answer.body.decode("utf-16", "replace")
    is_mixed = kind.startswith("multipart/") and content.kind == "bytes"
    return answer.body.decode("latin-1") if is_mixed else None
