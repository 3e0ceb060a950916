"""A failure in its forms: the Kafka record, the accepted failure as stored, the dead letter, and its diagnosis."""

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta
from typing import Final

from consumer.model.agent_diagnosis import AgentDiagnosis, DiagnosisAnswer
from consumer.model.approval import Approval
from consumer.model.identity import AttemptId, FailureId, JsonObject, OrgId
from schemas.names import Budget, Disposition, FailureType, PoisonReason
from schemas.replay import MARKS, read_mark
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class UnreadableRecord:
    """Why an entry of the Kafka log cannot be read as a record."""

    reason: PoisonReason
    message: str


@value(frozen=True, slots=True, kw_only=True)
class Record:
    """One Kafka record, as the broker delivered it, independent of the Kafka client's own types."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    fault: UnreadableRecord | None = None
    """Set where the entry is unreadable: `value` then holds its raw bytes, and it can only become a dead letter."""
    part: int = 0
    """Its place in the batch that was the record, from 1; 0: the record holds one event."""


def original_position(record: Record) -> tuple[Record, int]:
    """Return a record at its place before any replay, and the number of replays.

    This place identifies an event without an id of its own.
    """
    first = read_mark(record.headers, record.topic) if record.headers else None
    if first is None:
        return record, 0
    place = replace(record, partition=first.partition, offset=first.offset, timestamp_ms=first.timestamp_ms)
    return place, first.replayed


def without_producer_metadata(record: Record) -> Record:
    """Strip a record's key and headers, which its producer chose freely; the replay marks are exact, and stay."""
    _, replayed = original_position(record)
    if not replayed:
        return replace(record, key=None, headers=())
    marks = tuple((name, content) for name, content in record.headers if name in MARKS)
    return replace(record, key=None, headers=marks)


@value(frozen=True, slots=True, kw_only=True)
class Trace:
    """W3C trace context, propagated unchanged."""

    traceparent: str
    tracestate: str | None = None


@value(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The run that a lineage event told of, and the runs that it is a part of: digests of organisation and run."""

    run: bytes
    parents: tuple[bytes, ...] = ()


@value(frozen=True, slots=True, kw_only=True)
class LadderProgress:
    """Progress of a failure on its ladder of strategies since it was last restarted."""

    attempts: Mapping[str, int] = field(default_factory=dict)
    """Attempts that acted, by strategy; a newer release may have stored one that is not known here."""
    exhausted: frozenset[str] = frozenset()
    """Strategies that refused when they were asked to act: they would refuse again."""
    in_doubt: str | None = None
    """Strategy whose effect, perhaps a keyed one, may have happened: until that is known no other may act."""
    payable: Mapping[Budget, int] = field(default_factory=dict)
    """What the wallet could pay of each budget that refused a hold, in millionths of an AUD: a rung within it acts
    next."""


NO_PROGRESS = LadderProgress()
"""Nothing was tried yet."""


BELIEVED: Final = frozenset({"service", "owner", "admin"})
"""`inserted_as` of rows that are healed as the catalog allows; all others are recorded and diagnosed only."""


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
    """The CloudEvents source that reported it, or None where a member inserted the row."""
    digest: bytes
    """SHA-256 of the event's value; the same id with another digest is a publisher's mistake."""
    redactions: tuple[str, ...] = ()
    """JSON Pointers into `context` (and `/failure_reason`) whose values were redacted, or mended, at intake."""
    mended: int = 0
    """Characters of the event that no database stores, and that became U+FFFD; told once, at intake."""
    run_key: bytes | None = None
    """SHA-256 of what names the failed try of a step of a run, at intake; two events with one key are one failure."""
    lineage: Lineage | None = None
    """Its place among the runs of its engine, at intake, where a lineage event told of it."""
    size: int = 0
    """Bytes of the event's value: counted against the cap on open bytes."""
    extra: JsonObject = field(default_factory=dict)
    """Fields and attributes of the event that this version does not know; kept."""
    trace: Trace | None = None
    step: int = 0
    attempts: int = 0
    """Attempts of this service that acted since the failure was last restarted; refusals and waits are not counted."""
    lifetime_attempts: int = 0
    """The same, over the failure's whole life."""
    effect_in_doubt: bool = False
    """An earlier attempt ended unknown: an effect may have happened, and is read back before anything else."""
    healed_by_attempt: AttemptId | None = None
    """An attempt that healed the same fault (equal digest) while this failure waited for its scope."""
    ladder_progress: LadderProgress = NO_PROGRESS
    """Its progress on the ladder of strategies."""
    approval: Approval | None = None
    """The plan of it that was asked for last, and its answer; None where none was."""
    inserted_as: str | None = None
    """Who inserted the row, where no event reported it: a user's role in the organisation, or `service`."""
    vouched: bool = False
    """An owner, an admin or an operator has asked for its heal."""
    unredacted_since: datetime | None = None
    """When somebody inserted or rewrote its content in the database, if that has yet to be redacted."""

    paused_for: timedelta = timedelta(0)
    """How long pauses have held it, up to when it was read."""
    agent_diagnosis: AgentDiagnosis | None = None
    """What a model says is broken, or that it is being asked; None where none was asked."""

    def age(self, now: datetime) -> timedelta:
        """Return the time since it was detected; a time in the future is the publisher's mistake, and counts as now."""
        return max(timedelta(0), now - self.detected_at)

    def age_unpaused(self, now: datetime) -> timedelta:
        """Return its age without the time for which pauses have held it: what `max_age` counts."""
        return max(timedelta(0), self.age(now) - self.paused_for)


@value(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that can never be accepted as it is, and why."""

    record: Record
    reason: PoisonReason
    message: str


@value(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One piece of evidence for a diagnosis: where it was found, its text, the rule that matched it, and its weight."""

    source: str
    text: str
    rule: str
    weight: float
    failure_type: FailureType | None = None
    """The failure type that it supports."""
    disposition: Disposition | None = None
    """The disposition that it supports."""
    decided: bool = True
    """Whether it supports the diagnosis; otherwise it speaks against it."""


@value(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is broken (failure type), and whether a retry can help (disposition)."""

    failure_type: FailureType
    disposition: Disposition
    evidence: tuple[Evidence, ...]
    confidence: float = 0.0
    """Probability that type and disposition are both right; 0 where nothing was diagnosed."""
    wait: timedelta | None = None
    """The wait that the failing side asked for, counted from when it failed."""
    until: datetime | None = None
    """The moment that the failing side asked to wait for."""
    agent: DiagnosisAnswer | None = None
    """What a model that was asked says, where no rule knows the type; None where none was."""
    rules: "Diagnosis | None" = None
    """What the rules alone say, where the model's answer stands in their place."""

    @property
    def agent_beside_rules(self) -> JsonObject:
        """What a model says, and the rules beside it, in the form that attempts and events hold; empty without one."""
        if self.agent is None:
            return {}
        rules = self if self.rules is None else self.rules
        told: JsonObject = {
            "failure_type": rules.failure_type,
            "disposition": rules.disposition,
            "confidence": rules.confidence,
        }
        return {"agent_diagnosis": {**self.agent.described, "rules": told}}
