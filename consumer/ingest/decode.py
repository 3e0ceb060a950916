"""Decodes one record's bytes into an accepted failure, or into a dead letter with the reason. Pure."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol
from uuid import UUID

from consumer.ingest.foreign.translate import DeclaredTopics
from consumer.ingest.mended import REPLACEMENT, note_mended
from consumer.ingest.run_key import with_run_key
from consumer.model import (
    ID_SPACE,
    DeadLetter,
    Failure,
    FailureId,
    Json,
    JsonObject,
    OrgId,
    Record,
    Trace,
    original_position,
)
from consumer.model.identity import to_driver_uuid, uuid5_from_bytes
from consumer.redact import REDACTED, may_hold_secret, redact_context, redact_json, redact_text
from consumer.redact.pointers import DeclaredPlaces, spared_places
from schemas.envelope import Envelope, EnvelopeError, parse
from schemas.failure import WorkflowFailure, decode_failure
from schemas.json_value import steps_of
from schemas.names import PoisonReason

_SPACE: Final = ID_SPACE.bytes


class Speakers(Protocol):
    """Who may speak for whom, and which places hold no secret: the catalog."""

    @property
    def declared_places(self) -> DeclaredPlaces:
        """The places that hold no secret, by workflow."""
        ...

    @property
    def topics(self) -> DeclaredTopics:
        """The topics whose records are in another form, by name."""
        ...

    def may_speak(self, source: str, org_id: UUID) -> bool:
        """Return whether a source may report failures of an organisation."""
        ...

    def runner_of(self, workflow_name: str) -> str | None:
        """Return the name of the runner that has a workflow, or None."""
        ...


MOST_HEADERS: Final = 1000
"""Headers of a record, at most: a few bytes each, they would cost more than all else in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRules:
    """The rules by which an event is accepted."""

    catalog: Speakers
    max_event_bytes: int


def decode(record: Record, door: AdmissionRules, now: datetime) -> Failure | DeadLetter:
    """Decode one record into a failure that is redacted and fit for Postgres, or into a dead letter; raises nothing."""
    if record.fault is not None:
        return DeadLetter(record=record, reason=record.fault.reason, message=record.fault.message)
    if record.value is not None and len(record.value) > door.max_event_bytes:
        message = (
            f"the event has {len(record.value)} bytes, above the limit of {door.max_event_bytes}: send less context"
        )
        return DeadLetter(record=record, reason=PoisonReason.TOO_LARGE, message=message)
    if len(record.headers) > MOST_HEADERS:
        message = f"the record has {len(record.headers)} headers, the limit is {MOST_HEADERS}: send fewer"
        return DeadLetter(record=record, reason=PoisonReason.TOO_LARGE, message=message)
    try:
        envelope = parse(record.value, record.headers)
        event = decode_failure(envelope.data)
    except EnvelopeError as error:
        return DeadLetter(record=record, reason=error.kind, message=_describe(error))
    source = envelope.source or f"urn:kafka:{record.topic}"
    if not door.catalog.may_speak(source, event.org_id):
        return source_not_allowed(record, source, event.org_id)
    failure = _build_failure(record, envelope, event, source, now, door.catalog.declared_places)
    return with_run_key(failure, door.catalog.runner_of(failure.workflow_name))


def source_not_allowed(record: Record, source: str, org_id: UUID) -> DeadLetter:
    """Build the dead letter of a source that may not speak for an organisation."""
    # Redacted before it is escaped: an escape between a name and its value would hide them from the patterns.
    message = f"source {redact_text(source)!r} may not speak for organisation {org_id}: add it to the catalog's sources"
    return DeadLetter(record=record, reason=PoisonReason.SOURCE_NOT_ALLOWED, message=redact_text(message))


def event_failure_id(org_id: UUID, source: str, event_id: str) -> FailureId:
    """Return the id of the failure that an event reports: the same for every delivery, in every process."""
    # The length keeps two different pairs of source and id from running together into one text.
    return FailureId(uuid5_from_bytes(_SPACE, f"{org_id}:{len(source)}:{source}:{event_id}"))


def second_failure_id(failure_id: FailureId, content: str) -> FailureId:
    """Return the id of an event that comes under an id which another content has taken: by the digest of its own."""
    return FailureId(uuid5_from_bytes(failure_id.bytes, f"content:{content}"))


def _build_failure(
    record: Record,
    envelope: Envelope,
    event: WorkflowFailure,
    source: str,
    now: datetime,
    declared: DeclaredPlaces,
) -> Failure:
    record, _ = original_position(record)
    value = record.value or b""
    digest = hashlib.sha256(value).digest()
    event_id = envelope.id or f"{record.partition}:{record.offset}:{record.timestamp_ms}:{digest.hex()}"
    extra = {**(event.model_extra or {}), **({"extensions": dict(envelope.extensions)} if envelope.extensions else {})}
    org_id = OrgId(to_driver_uuid(event.org_id))
    failure = Failure(
        id=event_failure_id(org_id, source, event_id),
        org_id=org_id,
        workflow_name=event.workflow_name,
        failure_reason=event.failure_reason,
        context=event.context,
        detected_at=event.detected_at or _detection_time(record, now),
        source=redact_text(source) if _is_suspect(source) else source,
        digest=digest,
        size=len(value),
        extra=extra,
        trace=_trace(envelope),
    )
    # Attributes of a binary event are in the headers, which the quick check of the value does not cover.
    suspect = value_may_hold_secret(value) or bool(envelope.extensions) or _is_suspect(source)
    failure = redact_failure(failure, declared) if suspect else failure
    return note_mended(failure, envelope.mended) if envelope.mended else failure


def _describe(error: EnvelopeError) -> str:
    """Return the message without secrets: its path quotes the event's own names, which are redacted one by one."""
    return _redact_escaped(".".join(map(_redact_escaped, str(error).split("."))))


def _redact_escaped(text: str) -> str:
    """Redact a text in which names stand escaped as Python does: as they were before, since escapes hide secrets."""
    text = redact_text(text)
    if "\\" not in text:
        return text
    try:
        plain = text.encode("latin-1", "backslashreplace").decode("unicode_escape")
    except UnicodeDecodeError:  # an escape that was cut
        return text
    clean = redact_text(plain)
    return text if clean == plain else clean.encode("unicode_escape").decode()


def _trace(envelope: Envelope) -> Trace | None:
    if envelope.traceparent is None:
        return None
    state = envelope.tracestate
    # Its grammar has no place for a redaction mark: a state that holds a secret is dropped, as the standard allows.
    kept = state if state is None or redact_text(state) == state else None
    return Trace(traceparent=envelope.traceparent, tracestate=kept)


def value_may_hold_secret(value: bytes) -> bool:
    """Return whether redaction could change anything in a record's value; of a large one the answer is remembered."""
    return _large_may_hold_secret(value) if len(value) > _REMEMBERED_ABOVE else may_hold_secret(value)


# Asked of a large value where its poll is split, where it is read, and where it is decoded: a third of a millisecond.
_REMEMBERED_ABOVE: Final = 16 * 1024
_large_may_hold_secret: Final = lru_cache(maxsize=256)(may_hold_secret)


@lru_cache(maxsize=1024)
def _is_suspect(source: str) -> bool:
    return may_hold_secret(source.encode())


def redact_failure(failure: Failure, declared: DeclaredPlaces = ()) -> Failure:
    """Redact every secret of a failure and record the paths: memory and database then hold the same form.

    What stands in a place that the catalog declares to hold none stays.
    """
    context, paths = redact_context(failure.context, spared_places(declared, failure.workflow_name))
    extra, _ = _redact_object(failure.extra)
    reason = redact_text(failure.failure_reason)
    name = redact_text(failure.workflow_name)
    unchanged = (
        context is failure.context
        and extra is failure.extra
        and reason == failure.failure_reason
        and name == failure.workflow_name
    )
    if unchanged:
        return failure
    found = tuple(f"/context{path}" for path in paths) + (
        ("/failure_reason",) if reason != failure.failure_reason else ()
    )
    return replace(failure, workflow_name=name, failure_reason=reason, context=context, extra=extra, redactions=found)


def redact_stored(failure: Failure, declared: DeclaredPlaces = ()) -> Failure:
    """Redact a failure whose content somebody inserted or rewrote in the database.

    What was redacted before stays known, as long as the mark still stands there: it cannot be sent.
    """
    clean = redact_failure(failure, declared)
    before = (path for path in failure.redactions if _holds_mark(clean, path))
    found = clean.redactions if clean is not failure else ()
    return replace(clean, redactions=tuple(dict.fromkeys((*before, *found))))


def _holds_mark(failure: Failure, pointer: str) -> bool:
    if pointer == "/failure_reason":
        return REDACTED in failure.failure_reason or REPLACEMENT in failure.failure_reason
    here: Json = failure.context
    for name in steps_of(pointer.removeprefix("/context")):
        if isinstance(here, dict) and name in here:
            here = here[name]
        elif isinstance(here, list) and name.isdigit() and int(name) < len(here):
            here = here[int(name)]
        else:
            # Gone; but a name that was redacted itself is numbered where there were several.
            return REDACTED in name and isinstance(here, dict) and any(REDACTED in key for key in here)
    return isinstance(here, dict | list) or (isinstance(here, str) and (REDACTED in here or REPLACEMENT in here))


def _redact_object(value: JsonObject) -> tuple[JsonObject, tuple[str, ...]]:
    redacted_value, paths = redact_json(value)
    # An object stays one: only what is in it is replaced.
    return (redacted_value if isinstance(redacted_value, dict) else {}), paths


def _detection_time(record: Record, now: datetime) -> datetime:
    try:
        at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return now
    # A broker without a clock, or a producer with a wild one: the time of receipt is nearer to the truth.
    return at if record.timestamp_ms > 0 and at <= now else now
