"""Streams and bundles whose end, or one part, says that the call failed: events, lines, frames, parts. Pure."""

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from itertools import islice
from typing import Final

from consumer.heal.calls.false_success.asked import Asked, Sign
from consumer.heal.calls.false_success.json_body import sign_in_json
from consumer.heal.calls.false_success.members import plain_name
from consumer.heal.calls.false_success.plain_text import MAX_SENTENCE, sign_in_text
from consumer.model import Json
from schemas.errors import EnvelopeError
from schemas.json_text import load_json

_MAX_READ: Final = 256 * 1024
"""Characters that are read of each end of a stream."""
_MAX_ITEMS: Final = 2000
_MAX_FRAMES: Final = 5000
_FAILED_EVENT: Final = re.compile(r"(?:.*[._/-])?(?:error|errors|fatal|failure|failed|exception)", re.IGNORECASE)
_UNFINISHED_EVENT: Final = re.compile(r"(?:.*[._/-])?(?:incomplete|cancelled|canceled|aborted|timeout)", re.IGNORECASE)
_ENDS: Final = (
    ("message_start", ("message_stop",)),
    ("response.created", ("response.completed", "response.failed", "response.incomplete")),
    ("RUN_STARTED", ("RUN_FINISHED", "RUN_ERROR")),
)
"""Events that begin a stream of a known kind, and those that end it."""
_CHUNKS: Final = frozenset(("chat.completion.chunk", "text_completion"))
_GUARD: Final = re.compile(r"\s*(?:\)\]\}'?,?|for\s*\(;;\);|while\s*\(1\);)\s*(?=[{\[])")
"""What stands before JSON so that no other page can run it."""
_CALLBACK: Final = re.compile(r"\s*(?:/\*\*/\s*)?[A-Za-z_$][\w$.]{0,100}\(\s*(?=[{\[])")
_JSON_PART: Final = re.compile(r"\r?\n\r?\n(\{[^\0]*?)\r?\n--")
_FORM: Final = re.compile(r"[\w.-]{1,64}=[^&\s]{0,500}(?:&[\w.-]{1,64}=[^&\s]{0,500})+")
_DONE: Final = "[DONE]"
_PART_STATUS: Final = re.compile(r"^HTTP/\d(?:\.\d)?[ \t]+([1-5]\d\d)\b", re.MULTILINE)
_TRAILER: Final = re.compile(rb"^grpc-status\s*:\s*(\d{1,3})\s*$", re.IGNORECASE | re.MULTILINE)
_FRAME_HEAD: Final = 5
_TRAILERS_FRAME: Final = 0x80
_END_OF_STREAM_FRAME: Final = 0x02


def sign_in_events(text: str, asked: Asked) -> Sign | None:
    """Return the sign of a failure in server-sent events."""
    kinds: set[str] = set()
    last, chunks, unfinished, seen = "", False, False, 0
    said: Sign | None = None
    if len(text) > 2 * _MAX_READ:
        text = f"{text[:_MAX_READ]}\n\n{text[-_MAX_READ:]}"
    for name, data in _events(text):
        seen += 1
        last = data.strip() or last
        value = _parsed(data) if data.lstrip()[:1] in ("{", "[") else None
        kind = name
        if isinstance(value, dict):
            kind = name or str(value.get("type") or "")
            chunks = chunks or value.get("object") in _CHUNKS
            unfinished = _is_unfinished(value) if isinstance(value.get("choices"), list) else unfinished
            if (sign := sign_in_json(value, asked)) is not None:
                return Sign(why=f"event {seen}: {sign.why}", sure=sign.sure)
        elif seen == 1:
            said = sign_in_text(data[:MAX_SENTENCE])
        kinds.add(kind)
        if _FAILED_EVENT.fullmatch(kind):
            return Sign(why=f"event {seen} is an error")
        if _UNFINISHED_EVENT.fullmatch(kind):
            return Sign(why=f"event {seen} says that it is not the whole", sure=False)
    if not seen:
        return Sign(why="a stream without an event", sure=False)
    if seen == 1 and said is not None:  # the only one, and no token of many
        return Sign(why=f"event 1: {said.why}", sure=said.sure)
    chunks = chunks or unfinished
    cut = any(begin in kinds and kinds.isdisjoint(ends) for begin, ends in _ENDS) or (chunks and last != _DONE)
    return Sign(why="a stream that was cut off", sure=False) if cut else None


def _is_unfinished(chunk: dict[str, Json]) -> bool:
    """Return whether a chunk of a completion says of no choice why it is finished."""
    choices = chunk.get("choices")
    parts = [one for one in choices if isinstance(one, dict)] if isinstance(choices, list) else []
    return bool(parts) and all("finish_reason" in one and one["finish_reason"] is None for one in parts)


def _events(text: str) -> Iterator[tuple[str, str]]:
    name, data, count = "", [], 0
    for line in [*text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value.strip()
            elif field == "data":
                data.append(value)
            continue
        if name or data:
            yield name, "\n".join(data)
            count += 1
        if count >= _MAX_ITEMS:
            return
        name, data = "", []


def sign_in_lines(text: str, asked: Asked, *, claims_lines: bool) -> Sign | None:
    """Return the sign of a failure in JSON by the line: its last item is one, or is cut off.

    Without the media type, a text is read so where each of its lines, two at least, is an object.
    """
    if len(text) > _MAX_READ:
        text = text[-_MAX_READ:].partition("\n")[2]
    lines = [line for one in text.split("\n") if (line := one.strip(" \t\r\x1e"))][-_MAX_ITEMS:]
    items = [_parsed(line) for line in lines]
    if not claims_lines and (len(items) < 2 or not all(isinstance(one, dict) for one in items)):  # noqa: PLR2004
        return None
    if items and items[-1] is None and lines[-1] != "null":
        return Sign(why="a stream of JSON that was cut off", sure=False)
    last = _strict(items[-1], asked) if items else None
    if last is not None:
        return Sign(why=f"its last item: {last.why}", sure=last.sure)
    found = next((sign for one in items[:-1] if (sign := _strict(one, asked)) is not None), None)
    return None if found is None else Sign(why=f"one of its items: {found.why}", sure=False)


def is_lines_of_json(text: str) -> bool:
    """Return whether a text that claims to be JSON is one object by the line."""
    lines = [line for one in text.split("\n", _MAX_ITEMS) if (line := one.strip())]
    return len(lines) > 1 and all(isinstance(_parsed(line), dict) for line in lines)


def _strict(item: Json, asked: Asked) -> Sign | None:
    # An exported resource has a state of its own; what ends a stream has no more than its error.
    sign = sign_in_json(item, asked) if isinstance(item, dict) else None
    is_resource = isinstance(item, dict) and any(plain_name(key) in {"id", "uuid", "key"} for key in item)
    return None if is_resource and asked.reads else sign


def _parsed(text: str) -> Json:
    try:
        return load_json(text.encode("utf-8", "replace"))  # type: ignore[no-any-return]
    except EnvelopeError:
        return None


def sign_in_frames(body: bytes, media: str, headers: frozenset[str]) -> Sign | None:
    """Return the sign of a failure in the frames of gRPC-Web or Connect, or of one whose status nobody sees."""
    if media.startswith("application/connect+"):
        end = next((data for flag, data in _frames(body) if flag & _END_OF_STREAM_FRAME), None)
        value = None if end is None else _parsed(end.decode("utf-8", "replace"))
        if end is None:
            return Sign(why="a stream without its end", sure=False)
        return Sign(why="the end of the stream is an error") if isinstance(value, dict) and value.get("error") else None
    if "grpc-status" in headers:
        return None
    body = _decoded_base64(body) if media.startswith("application/grpc-web-text") else body
    for flag, data in _frames(body):
        found = _TRAILER.search(data) if flag & _TRAILERS_FRAME else None
        if found is not None:
            return None if int(found[1]) == 0 else Sign(why=f"grpc-status is {int(found[1])}")
    return Sign(why="its grpc-status is not to be seen", sure=False)


def _frames(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(_MAX_FRAMES):
        if at + _FRAME_HEAD > len(body):
            return
        size = int.from_bytes(body[at + 1 : at + _FRAME_HEAD], "big")
        end = at + _FRAME_HEAD + size
        if end > len(body):
            return
        yield body[at], body[at + _FRAME_HEAD : end]
        at = end


def _decoded_base64(body: bytes) -> bytes:
    # Each frame may be padded for itself.
    pieces = (found[0] for found in islice(re.finditer(rb"[A-Za-z0-9+/\s]+={0,2}", body), _MAX_FRAMES))
    try:
        return b"".join(b64decode(piece) for piece in pieces)
    except binascii.Error:
        return b""


_GIT_REFUSES: Final = re.compile(rb"[0-9a-f]{4}(?:\x01?[0-9a-f]{4})?(?:ng refs/|unpack (?!ok)|ERR )")
_UNDISPOSED: Final = re.compile(
    r"^Disposition:[^\n]{0,200};\s*(?:processed/(?:error|failure|warning)|failed|denied|deleted)\b",
    re.IGNORECASE | re.MULTILINE,
)


def sign_in_git(body: bytes) -> Sign | None:
    """Return the sign of a reference that a push did not move."""
    return Sign(why="a reference was refused") if _GIT_REFUSES.search(body[:_MAX_READ]) else None


def sign_in_disposition(text: str) -> Sign | None:
    """Return the sign of a message that its receiver could not process (AS2)."""
    return Sign(why="the receiver could not process the message") if _UNDISPOSED.search(text[:_MAX_READ]) else None


def unguarded(text: str) -> Json:
    """Return the JSON behind a guard such as `)]}'`, None where there is none."""
    guard = _GUARD.match(text)
    return None if guard is None else _parsed(text[guard.end() :])


def sign_in_guarded(text: str, asked: Asked) -> Sign | None:
    """Return the sign of a failure in JSON behind a guard such as `)]}'`, or in a callback."""
    guard, callback = _GUARD.match(text), _CALLBACK.match(text)
    if callback is not None:
        return sign_in_json(_parsed(text[callback.end() :].rstrip().removesuffix(";").removesuffix(")")), asked)
    return None if guard is None else sign_in_json(_parsed(text[guard.end() :]), asked)


def sign_in_bundle(text: str, asked: Asked) -> Sign | None:
    """Return the sign of a failure in the parts of a batch (`multipart/mixed`)."""
    for found in islice(_JSON_PART.finditer(text), _MAX_ITEMS):
        if (sign := sign_in_json(_parsed(found[1]), asked)) is not None:
            return Sign(why=f"one of its parts: {sign.why}", sure=sign.sure)
    statuses = _PART_STATUS.findall(text)
    failed = [status for status in statuses if status >= "400"]
    return Sign(why=f"{len(failed)} of {len(statuses)} parts were answered {failed[0]} or so") if failed else None


def is_form(text: str) -> bool:
    """Return whether a text that claims to be none is written as a form, as some gateways for payments do."""
    return _FORM.fullmatch(text[:4096].strip()) is not None


def sign_in_form(text: str, asked: Asked) -> Sign | None:
    """Return the sign of a failure in an answer written as a form: `error=bad_code&error_description=...`."""
    pairs = (pair.partition("=") for pair in text[:4096].split("&"))
    return sign_in_json({name.strip(): value.replace("+", " ") for name, _, value in pairs}, asked)
