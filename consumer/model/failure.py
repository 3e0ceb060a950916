"""A failure from its record on: as Kafka gave it, as it is stored, and what it was diagnosed as."""

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta

from consumer.model.identity import AttemptId, FailureId, JsonObject, OrgId
from schemas.names import Disposition, FailureType, PoisonReason
from schemas.replay import MARKS, read_mark
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why something in the log cannot be read as a record."""

    reason: PoisonReason
    message: str


@value(frozen=True, slots=True, kw_only=True)
class Record:
    """One Kafka record, as the broker gave it; the client's own types end here."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    fault: Fault | None = None
    """Set where it is none: its value is then what lies there, byte for byte, and it can only be a dead letter."""


def first_read(record: Record) -> tuple[Record, int]:
    """Give a record as it lay before it was ever replayed, and how often it was: what a bare event is told apart by."""
    first = read_mark(record.headers, record.topic) if record.headers else None
    if first is None:
        return record, 0
    place = replace(record, partition=first.partition, offset=first.offset, timestamp_ms=first.timestamp_ms)
    return place, first.replayed


def with_value_alone(record: Record) -> Record:
    """Leave out what a producer chose freely beside the value; the mark of a replay is exact, and stays."""
    _, replayed = first_read(record)
    if not replayed:
        return replace(record, key=None, headers=())
    marks = tuple((name, content) for name, content in record.headers if name in MARKS)
    return replace(record, key=None, headers=marks)


@value(frozen=True, slots=True, kw_only=True)
class Trace:
    """W3C trace context, carried through unchanged."""

    traceparent: str
    tracestate: str | None = None


@value(frozen=True, slots=True, kw_only=True)
class LadderProgress:
    """How far a failure has come on its ladder since it was last begun anew."""

    attempts: Mapping[str, int] = field(default_factory=dict)
    """Attempts that acted, by strategy; a newer release may have named one that is not known here."""
    exhausted: frozenset[str] = frozenset()
    """Strategies that refused once they were asked to act: they would again."""
    in_doubt: str | None = None
    """Whose effect, perhaps a keyed one, may have happened: until that is known no other may act."""


NO_PROGRESS = LadderProgress()
"""Nothing was tried yet."""


@value(frozen=True, slots=True, kw_only=True)
class Failure:
    """An accepted failure in the form in which it is stored, healed and shown: redacted, and fit for Postgres."""

    id: FailureId
    org_id: OrgId
    workflow_name: str
    failure_reason: str
    context: JsonObject
    detected_at: datetime
    source: str | None
    """The CloudEvents source that spoke, or None where a member inserted the row."""
    digest: bytes
    """SHA-256 of the event's value; the same id with another digest is a publisher's mistake."""
    redactions: tuple[str, ...] = ()
    """JSON Pointers into `context` (and `/failure_reason`) whose values were taken out at the door."""
    size: int = 0
    """Bytes of the event's value: what the cap on open bytes counts."""
    extra: JsonObject = field(default_factory=dict)
    """Fields and attributes of the event that this version does not know; kept."""
    trace: Trace | None = None
    step: int = 0
    attempts: int = 0
    """Attempts of ours that acted, since it was last begun anew; refusals and waits are not counted."""
    lifetime_attempts: int = 0
    """The same, over its whole life."""
    effect_in_doubt: bool = False
    """An earlier attempt ended unknown: an effect may have happened, and is read back before anything else."""
    healed_by_attempt: AttemptId | None = None
    """An attempt that healed the very same damage while this one waited for its scope."""
    ladder_progress: LadderProgress = NO_PROGRESS
    """What its ladder has tried."""


@value(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that can never be accepted as it is, and why."""

    record: Record
    reason: PoisonReason
    message: str


@value(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing that spoke for a diagnosis: where it stood, what it was, which rule read it, and how much it weighs."""

    source: str
    text: str
    rule: str
    weight: float
    failure_type: FailureType | None = None
    """The type that it speaks for."""
    disposition: Disposition | None = None
    """The disposition that it speaks for."""
    decided: bool = True
    """It spoke for what the diagnosis says; otherwise against it."""


@value(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is broken, and whether doing it again can help."""

    failure_type: FailureType
    disposition: Disposition
    evidence: tuple[Evidence, ...]
    wait: timedelta | None = None
    """How long whoever failed asked to be left alone, from when it failed on."""
