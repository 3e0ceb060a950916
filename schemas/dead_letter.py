"""A dead letter: the record's raw bytes and own headers, and beside them where it came from and why it was refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from schemas.names import PoisonReason
from schemas.replay import MARKS
from schemas.rfc3339 import Time, format_time

PREFIX: Final = "shw_dlq_"
"""Of every header that the healer adds; the record's own headers stand beside them unchanged."""
MAX_MESSAGE_BYTES: Final = 1024
MAX_CARRIED_HEADERS_BYTES: Final = 65_536


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
    shw_dlq_truncated: _Truth = Field(description="The value is cut, or the record's own headers are left out.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
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


def dead_letter(refused: Refused, *, now: datetime, max_value_bytes: int) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Build a dead letter's value and headers; a value above the limit is cut, its digest is of the whole.

    Headers of an earlier refusal are replaced: a replayed letter that is refused again tells of the last time, with
    the coordinates of the first.
    """
    value = refused.value or b""
    carried = [(name, content or b"") for name, content in refused.headers if not is_ours(name)]
    heavy = sum(len(name) + len(content) for name, content in carried) > MAX_CARRIED_HEADERS_BYTES
    marks = {
        "reason": refused.reason.value,
        "message": _cut(refused.message),
        "topic": refused.topic,
        "partition": str(refused.partition),
        "offset": str(refused.offset),
        "at": format_time(now),
        "bytes": str(len(value)),
        "sha256": sha256(value).hexdigest(),
        "truncated": "true" if heavy or len(value) > max_value_bytes else "false",
    }
    if refused.timestamp is not None:
        marks["timestamp"] = format_time(refused.timestamp)
    if refused.replayed:
        marks["replayed"] = str(refused.replayed)
    added = [(PREFIX + name, text.encode()) for name, text in marks.items()]
    return value[:max_value_bytes], [*([] if heavy else carried), *added]


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


def _cut(message: str) -> str:
    return message.encode("utf-8", "replace")[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore")
