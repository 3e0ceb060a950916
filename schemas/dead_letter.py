"""A dead letter: the record's raw bytes and own headers, and beside them where it came from and why it was refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from schemas.names import PoisonReason
from schemas.record_size import header_size, record_size
from schemas.replay import MARKS
from schemas.rfc3339 import Time, format_time

PREFIX: Final = "shw_dlq_"
"""Of every header that the healer adds; the record's own headers stand beside them unchanged."""
MAX_MESSAGE_BYTES: Final = 1024
KEPT_KEY_BYTES: Final = 1024
"""Of a key that has to be cut: enough for a person to know it again; its digest identifies it."""
SMALLEST_LETTER: Final = 2048
"""Bytes into which every dead letter can be cut with all of its marks; a topic below it takes no letters."""
_MARKS_OF_A_CUT: Final = 256
"""Bytes of the marks that a cut adds, at most."""

Header = tuple[str, bytes]

_Decimal = Annotated[int, WithJsonSchema({"type": "string", "pattern": "^-?[0-9]+$"})]
_Truth = Annotated[bool, WithJsonSchema({"type": "string", "enum": ["true", "false"]})]


class DeadLetterHeaders(BaseModel):
    """The headers that the healer adds; on the wire each is a UTF-8 string."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    shw_dlq_reason: PoisonReason = Field(description="Why it was refused.")
    shw_dlq_message: str = Field(description="Why, in words: what was wrong, where, what to do. At most 1,024 bytes.")
    shw_dlq_topic: str = Field(description="The topic that it was read from.")
    shw_dlq_partition: _Decimal = Field(description="Its partition there, before it was ever replayed.")
    shw_dlq_offset: _Decimal = Field(description="Its offset there, before it was ever replayed.")
    shw_dlq_timestamp: Time | None = Field(
        default=None, description="The record's own timestamp, before it was ever replayed; absent: it had none."
    )
    shw_dlq_replayed: _Decimal = Field(
        default=0, description="How often `shw dlq replay` had sent it again; absent: never."
    )
    shw_dlq_at: Time = Field(description="When it was refused.")
    shw_dlq_bytes: _Decimal = Field(description="The length of the whole value in bytes.")
    shw_dlq_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the whole value, hexadecimal.")
    shw_dlq_truncated: _Truth = Field(description="The value or the key is cut, or own headers are left out.")
    shw_dlq_key_bytes: _Decimal | None = Field(
        default=None, description="The length of the whole key in bytes; absent: the key is whole."
    )
    shw_dlq_key_sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="SHA-256 of the whole key; absent: the key is whole."
    )
    shw_dlq_headers_left_out: _Decimal | None = Field(
        default=None, description="How many of the record's own headers are left out; absent: none."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRecord:
    """A record that is refused, and why."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    reason: PoisonReason
    message: str
    replayed: int = 0


def dead_letter(refused: RefusedRecord, *, now: datetime, max_value_bytes: int) -> tuple[bytes, list[Header]]:
    """Build a dead letter's value and headers; a value above the limit is cut, its digest is of the whole.

    Headers of an earlier refusal are replaced: a replayed letter that is refused again tells of the last time, with
    the coordinates of the first. The whole record may still be too large to be sent: `cut_letter` sees to that.
    """
    value = refused.value or b""
    carried = [(_writable(name), content or b"") for name, content in refused.headers if not is_ours(name)]
    marks = {
        "reason": refused.reason.value,
        "message": _cut(refused.message, MAX_MESSAGE_BYTES),
        "topic": refused.topic,
        "partition": str(refused.partition),
        "offset": str(refused.offset),
        "at": format_time(now),
        "bytes": str(len(value)),
        "sha256": sha256(value).hexdigest(),
        "truncated": "true" if len(value) > max_value_bytes else "false",
    }
    if refused.timestamp is not None:
        marks["timestamp"] = format_time(refused.timestamp)
    if refused.replayed:
        marks["replayed"] = str(refused.replayed)
    return value[:max_value_bytes], [*carried, *((PREFIX + name, text.encode()) for name, text in marks.items())]


def cut_letter(
    key: bytes | None, value: bytes, headers: Sequence[Header], max_bytes: int
) -> tuple[bytes | None, bytes, list[Header]]:
    """Cut a dead letter until it can be sent as one record of so many bytes, and mark what was cut.

    Its marks stay. A key and the record's own headers may each take a quarter of the room beside them: a longer key is
    cut to 1,024 bytes at most, with its length and the digest of the whole, and own headers that do not fit are left
    out and counted. The value gets what remains. Cutting again what was cut keeps the digests of the whole.
    """
    if record_size(key, value, headers) <= max_bytes:
        return key, value, list(headers)
    marks = {name: content for name, content in headers if name.startswith(PREFIX)}
    message = marks.get(PREFIX + "message", b"").decode("utf-8", "replace")
    marks |= {PREFIX + "message": _cut(message, min(MAX_MESSAGE_BYTES, max_bytes // 8)).encode()}
    marks |= {PREFIX + "truncated": b"true"}
    room = max(0, max_bytes - _MARKS_OF_A_CUT - record_size(None, None, list(marks.items())))
    if key is not None and len(key) > room // 4:
        marks.setdefault(PREFIX + "key_bytes", str(len(key)).encode())
        marks.setdefault(PREFIX + "key_sha256", sha256(key).hexdigest().encode())
        key = key[: min(KEPT_KEY_BYTES, room // 4)]
    own = [header for header in headers if not header[0].startswith(PREFIX)]
    kept, size = _fitting(own, room // 4)
    if len(kept) < len(own):
        before = int(marks.get(PREFIX + "headers_left_out", b"0"))
        marks[PREFIX + "headers_left_out"] = str(before + len(own) - len(kept)).encode()
    return key, value[: max(0, room - size - len(key or b""))], [*kept, *marks.items()]


def _fitting(headers: Sequence[Header], room: int) -> tuple[list[Header], int]:
    """Give the headers that fit, in their order, and the bytes that they take."""
    kept: list[Header] = []
    taken = 0
    for name, content in headers:
        size = header_size(name, content)
        if taken + size <= room:
            kept.append((name, content))
            taken += size
    return kept, taken


def is_ours(header: str) -> bool:
    """Tell whether a header is one of the healer's, and none of the record's own."""
    return header.startswith(PREFIX) or header in MARKS


def read_headers(headers: Sequence[tuple[str, bytes | None]]) -> DeadLetterHeaders | None:
    """Read what `dead_letter` wrote; None if the record carries no such headers or not all of them."""
    marks = {name: content.decode("utf-8", "replace") for name, content in headers if content is not None}
    try:
        return DeadLetterHeaders.model_validate(marks)
    except ValidationError:
        return None


def _cut(message: str, max_bytes: int) -> str:
    return message.encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore")


def _writable(name: str) -> str:
    """Write half a surrogate pair as an escape: a header's name is UTF-8, and the client breaks on what is none."""
    return name.encode("utf-8", "backslashreplace").decode()
