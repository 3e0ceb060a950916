"""What a finished step writes, and tells."""

from dataclasses import field
from datetime import datetime, timedelta
from uuid import UUID

from consumer.model.failure import Diagnosis, Failure, LadderProgress
from consumer.model.identity import AttemptId, FailureId, JsonObject, MicroAud, OrgId
from consumer.model.outcome import Drift, Proof, Recovered
from schemas.names import Code, Result, Status, StrategyName
from schemas.record_size import record_size
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A finished attempt, as it is stored and published."""

    id: AttemptId
    step: int
    strategy: StrategyName
    result: Result
    code: Code | None
    reason: str
    attempted_at: datetime
    finished_at: datetime
    proofs: tuple[Proof, ...] = ()
    recovered: Recovered | None = None
    details: JsonObject = field(default_factory=dict)
    drift: tuple[Drift, ...] = ()
    """What its repair tells of the payload's producer."""
    missing: tuple[str, ...] = ()
    held: MicroAud = MicroAud(0)
    spent: MicroAud = MicroAud(0)
    catalog_version: str = ""


@value(frozen=True, slots=True, kw_only=True)
class Next:
    """Where a failure goes after a step: its status, and when it is looked at again (from the database's now)."""

    status: Status
    due_in: timedelta | None
    """None exactly for the final statuses, resolved and given_up."""
    counts: bool
    """Whether the step spent one of the failure's attempts."""


@value(frozen=True, slots=True, kw_only=True)
class Message:
    """One record to publish, decided by a transaction and kept in the outbox until the broker has acknowledged it."""

    id: UUID
    failure_id: FailureId | None
    step: int
    rank: int
    """0 for the attempt of a step, 1 for the status after it: first publications keep this order."""
    topic: str
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    body: bytes | None


@value(frozen=True, slots=True, kw_only=True)
class Health:
    """What one heal says of its dependency."""

    key: str
    org_id: OrgId
    dependency: str
    healthy: bool | None
    """None: nothing."""
    probe: bool


@value(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Everything that one finished step of one failure writes."""

    failure: Failure
    diagnosis: Diagnosis
    attempt: Attempt
    next: Next
    messages: tuple[Message, ...]
    health: Health | None = None
    mended: str | None = None
    """The damage that it healed: whoever waits for its scope with an equal one may take the outcome over."""
    effect_in_doubt: bool | None = None
    """Whether an effect may have happened that nobody knows of; None leaves what was known before."""
    ladder_progress: LadderProgress | None = None
    """How far the failure has come on its ladder by it; None leaves what was known before."""
    epoch: int = 0
    """Of the claim that it ends."""
    stored_details: JsonObject
    """What stands in the attempt's `details` column."""

    @property
    def parks(self) -> bool:
        """Whether scope and credits stay held until a person has decided."""
        return self.next.status is Status.NEEDS_PERSON


def message_size(message: Message) -> int:
    """Give the bytes that the broker counts for a message, at most."""
    return record_size(message.key, message.body, message.headers)
