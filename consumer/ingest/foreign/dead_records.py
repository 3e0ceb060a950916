"""Dead letters of Kafka Connect and of Spring Kafka: their headers are the error, their value is the payload. Pure."""

import base64
import re
from collections.abc import Mapping
from typing import Final

from consumer.catalog.topics import DeclaredTopic
from consumer.ingest.foreign.sent_back import SENT_BACK
from consumer.ingest.foreign.told import (
    REASON_CHARACTERS,
    ToldFailure,
    bounded,
    organisation,
    refuse,
    without_none,
)
from consumer.model import Json, JsonObject, Record
from schemas.errors import EnvelopeError
from schemas.event_text import load_event
from schemas.json_text import is_plainly_storable, refuse_unstorable

_CONNECT: Final = "__connect.errors."
_SPRING: Final = ("kafka_dlt-", "kafka_")
"""Of a listener's error handler; of `@RetryableTopic`."""
_LINE_CHARACTERS: Final = 2000
_KEY_BYTES: Final = 1024
_PAYLOAD_BYTES: Final = 256 * 1024
"""Of a record that is read as a payload; a larger one is recorded, and not mended."""
_NUMBER: Final = re.compile(r"[0-9]{1,19}")
_CAUSE: Final = re.compile(r"^Caused by: (?P<cause>.+)$", re.MULTILINE)


def told_by_connect(record: Record, topic: DeclaredTopic) -> ToldFailure:
    """Return the failure of a sink connector's dead letter; EnvelopeError where its headers do not name it."""
    said = _Headers(record, _CONNECT)
    advice = "set errors.deadletterqueue.context.headers.enable=true in the connector"
    origin, connector = said.name("topic", advice), said.name("connector.name", advice)
    place = said.number("partition"), said.number("offset")
    return ToldFailure(
        event_id=f"{connector}:{origin}:{place[0]}:{place[1]}",
        source=f"urn:kafka-connect:{connector}",
        org_id=organisation(topic.organisation_of(connector), "connector", connector, topic.topic),
        workflow_name=connector,
        failure_reason=_reason(said, "exception.class.name", "exception.message", "exception.stacktrace"),
        context=_context(record, said, "exception.class.name", "exception.message")
        | _run(record, origin, place)
        | {
            "record": _origin(record, origin, place)
            | without_none(connector=connector, task=said.text("task.id"), stage=said.text("stage")),
        },
    )


def told_by_spring(record: Record, topic: DeclaredTopic) -> ToldFailure:
    """Return the failure of a record that a listener of Spring Kafka gave up; EnvelopeError without its headers."""
    said = _Headers(record, *_SPRING)
    origin = said.name("original-topic", "publish dead letters by DeadLetterPublishingRecoverer, with its headers")
    place = said.integer("original-partition"), said.integer("original-offset")
    group = said.text("original-consumer-group")
    kinds = ("exception-cause-fqcn", "exception-fqcn", "key-exception-fqcn")
    kind = next((one for one in kinds if said.text(one)), kinds[1])
    of_key = "key-" if kind.startswith("key-") else ""
    message, stack = f"{of_key}exception-message", f"{of_key}exception-stacktrace"
    return ToldFailure(
        event_id=f"{group or ''}:{origin}:{place[0]}:{place[1]}",
        source=f"urn:spring-kafka:{origin}",
        org_id=organisation(topic.organisation_of(origin), "topic", origin, topic.topic),
        workflow_name=origin,
        failure_reason=_reason(said, kind, message, stack),
        context=_context(record, said, kind, message)
        | _run(record, origin, place)
        | {"record": _origin(record, origin, place) | without_none(consumer_group=group)},
    )


class _Headers:
    """The headers of one kind of dead letter; of a name that stands twice the last counts: it is of the last try."""

    def __init__(self, record: Record, *prefixes: str) -> None:
        self._prefixes = prefixes
        self._named: Mapping[str, bytes] = {name: content for name, content in record.headers if content is not None}

    def _bytes(self, name: str) -> bytes | None:
        full = (prefix + name for prefix in self._prefixes)
        return next((self._named[one] for one in full if one in self._named), None)

    def text(self, name: str) -> str | None:
        found = self._bytes(name)
        return found.decode("utf-8", "replace").replace("\0", "\ufffd") or None if found is not None else None

    def name(self, name: str, advice: str) -> str:
        found = self.text(name)
        if found is None:
            refuse(f"the record has no header {self._prefixes[0]}{name}: {advice}")
        return bounded(found, f"header {self._prefixes[0]}{name}")

    def number(self, name: str) -> int:
        """Return a number that is written in digits."""
        found = self.text(name) or ""
        if not _NUMBER.fullmatch(found):
            refuse(f"header {self._prefixes[0]}{name} is no number")
        return int(found)

    def integer(self, name: str) -> int:
        """Return a number that is written as Java's 4 or 8 bytes."""
        found = self._bytes(name) or b""
        if len(found) not in (4, 8) or found[0] > 0x7F:  # noqa: PLR2004 - the sign
            refuse(f"header {self._prefixes[0]}{name} is no number of 4 or 8 bytes")
        return int.from_bytes(found)


def _run(record: Record, topic: str, place: tuple[int, int]) -> JsonObject:
    """Return the record as a run of the catalog's `kafka` runner; one that was sent back before is not sent again."""
    if any(name == SENT_BACK for name, _ in record.headers):
        return {}
    return {"run": {"id": f"{topic}/{place[0]}/{place[1]}", "step": topic, "epoch": 0, "status": "failed"}}


def _origin(record: Record, topic: str, place: tuple[int, int]) -> JsonObject:
    key = record.key
    kept = base64.b64encode(key).decode() if key is not None and len(key) <= _KEY_BYTES else None
    back = dict(record.headers).get(SENT_BACK)
    return without_none(
        topic=topic,
        partition=place[0],
        offset=place[1],
        key_base64=kept,
        sent_back_of=back.decode("utf-8", "replace")[:_KEY_BYTES].replace("\0", "\ufffd") if back is not None else None,
    )


def _context(record: Record, said: _Headers, kind: str, message: str) -> JsonObject:
    told = said.text(message)
    error = without_none(type=said.text(kind), message=told[:_LINE_CHARACTERS] if told else None)
    payload = _payload(record.value)
    return {**({"error": error} if error else {}), **({} if payload is None else {"payload": payload[0]})}


def _payload(value: bytes | None) -> tuple[Json] | None:
    """Return the record's value: JSON where it is, else its text; None where no text holds it."""
    if value is None or len(value) > _PAYLOAD_BYTES:
        return None
    try:
        document, mended = load_event(value)
        if not is_plainly_storable(value):
            refuse_unstorable(document)
    except EnvelopeError:
        return _text(value)
    return (document,) if not mended else _text(value)


def _text(value: bytes) -> tuple[Json] | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return (text,) if "\0" not in text else None


def _reason(said: _Headers, kind: str, message: str, stack: str) -> str:
    """Return class and message, with the innermost cause of the stack where that is another one."""
    reason = ": ".join(one for one in (said.text(kind), said.text(message)) if one)
    causes = _CAUSE.findall(said.text(stack) or "")
    if causes and causes[-1] not in reason:
        reason = f"{reason}\nCaused by: {causes[-1][:_LINE_CHARACTERS]}"
    return reason[:REASON_CHARACTERS] or "a record was given up, and its headers say nothing of why"
