"""What came, against what was asked for: JSON and a page, JSON and nothing, a picture and an error's text. Pure."""

import re
from typing import Final

from consumer.heal.calls.body import Content
from consumer.heal.calls.false_success.asked import Asked, Sign
from schemas.errors import EnvelopeError
from schemas.json_text import load_json

_STREAMED_JSON: Final = (
    "x-ndjson",
    "ndjson",
    "jsonl",
    "x-jsonl",
    "jsonlines",
    "x-jsonlines",
    "json-seq",
    "event-stream",
)
_BYTES: Final = ("image/", "audio/", "video/", "font/", "application/pdf", "application/zip", "application/gzip")
_BYTES_ASKED: Final = (*_BYTES, "application/octet-stream")
_XML: Final = ("/xml", "+xml")
_NO_BODY_EXPECTED: Final = frozenset(("HEAD", "DELETE", "OPTIONS"))
_WITH_BODY: Final = frozenset((200, 203))
_CUT: Final = re.compile(r"\s*(?:\{\s*\"|\[\s*(?:\{|\[|\"|-?\d+\s*,))")
_HTML: Final = re.compile(
    r"\s*(?:<!--.{0,500}?-->\s*)?(?:<!doctype\s+html|<html|<head|<body)", re.IGNORECASE | re.DOTALL
)


def is_html(text: str) -> bool:
    """Return whether a text is a page of the web."""
    return _HTML.match(text) is not None


def is_xml_type(media: str) -> bool:
    """Return whether a media type is XML, and no page."""
    return media.endswith(_XML) and media != "application/xhtml+xml"


def is_json_lines_type(media: str) -> bool:
    """Return whether a media type is JSON by the line, or by the event."""
    return media.endswith(_STREAMED_JSON)


def sign_in_media(status: int, media: str, content: Content, asked: Asked) -> Sign | None:
    """Return the sign of an answer that is not what was asked for, or not what it says it is."""
    return (
        _false_claim(status, media, content, asked)
        or _no_json(status, media, content, asked)
        or _no_bytes(content, asked)
        or _page_for_a_program(content, asked)
    )


def _false_claim(status: int, media: str, content: Content, asked: Asked) -> Sign | None:
    if content.claims_json and content.kind == "empty":
        is_due = status in _WITH_BODY and asked.method not in _NO_BODY_EXPECTED
        return Sign(why="says that it is JSON, and is nothing") if is_due else None
    if content.claims_json and content.kind in ("text", "bytes"):
        return Sign(why="says that it is JSON, and is not")
    if media.startswith(_BYTES) and content.kind == "json":
        return Sign(why="says that it is a file, and is JSON")
    return _false_text(media, content.value) if isinstance(content.value, str) and content.kind == "text" else None


def _false_text(media: str, text: str) -> Sign | None:
    if media.startswith(_BYTES) and not is_xml_type(media) and is_html(text):
        return Sign(why="says that it is a file, and is a page")
    if is_xml_type(media) and not text.lstrip("\ufeff \t\r\n").startswith("<"):
        return Sign(why="says that it is XML, and is not")
    if not media and _CUT.match(text):
        return Sign(why="looks like JSON that was cut off", sure=False)
    return None


def _no_json(status: int, media: str, content: Content, asked: Asked) -> Sign | None:
    accepted = asked.accepted_types
    if content.looks_like_a_page and _wants_json(accepted):
        return Sign(why="a page, where JSON was asked for")
    if not accepted or not all(map(_is_json, accepted)) or content.kind == "json" or is_json_lines_type(media):
        return None
    if content.kind == "empty":
        if status not in _WITH_BODY or asked.method in _NO_BODY_EXPECTED:
            return None
        return Sign(why="nothing, where JSON was asked for", sure=asked.reads)
    if isinstance(content.value, str) and _is_scalar(content.value):
        return None
    return Sign(why="no JSON, where JSON was asked for")


def _wants_json(accepted: tuple[str, ...]) -> bool:
    return any(map(_is_json, accepted)) and not any("html" in one for one in accepted)


def _is_json(media: str) -> bool:
    return media.endswith(("/json", "+json"))


def _is_scalar(text: str) -> bool:
    try:
        load_json(text.encode("utf-8", "replace"))
    except EnvelopeError:
        return False
    return True


def _no_bytes(content: Content, asked: Asked) -> Sign | None:
    accepted = asked.accepted_types
    if not accepted or not all(one.startswith(_BYTES_ASKED) for one in accepted):
        return None
    if content.kind == "json" and "application/octet-stream" not in accepted:
        return Sign(why=f"JSON, where {accepted[0]} was asked for")
    if isinstance(content.value, str) and is_html(content.value):
        return Sign(why=f"a page, where {accepted[0]} was asked for")
    if content.kind == "empty" and asked.method == "GET":
        return Sign(why=f"nothing, where {accepted[0]} was asked for")
    return None


def _page_for_a_program(content: Content, asked: Asked) -> Sign | None:
    """Return a sign where a page answers a call that only a program makes."""
    if not isinstance(content.value, str) or not is_html(content.value):
        return None
    accepted, sent = asked.accepted_types, asked.headers.get("content-type", "")
    if "soapaction" in asked.headers or "soap" in sent or (accepted and all(map(is_xml_type, accepted))):
        return Sign(why="a page, where XML was asked for")
    if "grpc" in sent or any("event-stream" in one for one in accepted):
        return Sign(why="a page, where a stream was asked for")
    if asked.sends_json and not any("html" in one for one in accepted):
        return Sign(why="a page, for a call that sends JSON", sure=False)
    return None
