"""Settlement: everything that a finished step of a failure writes to the database and publishes."""

from collections.abc import Callable
from dataclasses import field
from datetime import datetime, timedelta

from consumer.model.approval import AskedPlan
from consumer.model.failure import Diagnosis, Failure, LadderProgress
from consumer.model.identity import AttemptId, JsonObject, MicroAud, OrgId
from consumer.model.message import Message
from consumer.model.outcome import Drift, Proof, Recovered
from consumer.model.plan import Heal
from consumer.model.relapse import Watched
from schemas.names import Budget, Code, Result, Status, StrategyName
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
    """Drift of the payload's producer, as derived from the repair."""
    missing: tuple[str, ...] = ()
    held: MicroAud = MicroAud(0)
    spent: MicroAud = MicroAud(0)
    pays_from: Budget = Budget.TEXT
    catalog_version: str = ""


@value(frozen=True, slots=True, kw_only=True)
class Next:
    """Transition of a failure after a step: its next status, and its due time (from the database's now)."""

    status: Status
    due_in: timedelta | None
    """None exactly for the final statuses, resolved and given_up."""
    counts: bool
    """Whether the step spent one of the failure's attempts."""
    waits_on: str | None = None
    """The gate of the pause that it waits for."""


@value(frozen=True, slots=True, kw_only=True)
class Health:
    """Health report of one heal on its dependency, for the circuit breaker."""

    key: str
    org_id: OrgId
    dependency: str
    healthy: bool | None
    """None: the heal is no evidence either way."""
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
    other_healths: tuple[Health, ...] = ()
    """Reports on the further dependencies that it called."""
    mended: str | None = None
    """Digest of the fault that it healed: failures that wait for its scope with an equal one may adopt the outcome."""
    effect_in_doubt: bool | None = None
    """Whether an effect may have happened without confirmation; None leaves the stored value."""
    ladder_progress: LadderProgress | None = None
    """The failure's progress on its ladder after it; None leaves the stored value."""
    epoch: int = 0
    """Epoch (fencing token) of the claim that it ends."""
    unpaid: MicroAud | None = None
    """What its wallet could not pay, where no cheaper rung acts: a wallet without that much is locked out."""
    pays_from: Budget = Budget.TEXT
    """The budget that could not."""
    unkept_charge: MicroAud = MicroAud(0)
    """What its heal has cost that no kept state tells: a late charge, if another process has settled it."""
    approval_unused: bool = False
    """Its heal was put off before any effect: the approval under which it acted goes on to the next step."""
    asked: AskedPlan | None = None
    """The plan that its heal asked for before any effect."""
    watched: Watched | None = None
    """Whether it may be a relapse, and another one of it."""
    would_heal: tuple[Heal, ...] = ()
    """What strategies in shadow mode would have done."""
    details_of: Callable[[Attempt, Diagnosis], JsonObject]
    """Renders the attempt's `details` column."""

    @property
    def healths(self) -> tuple[Health, ...]:
        """All its health reports."""
        return self.other_healths if self.health is None else (self.health, *self.other_healths)

    @property
    def stored_details(self) -> JsonObject:
        """Content of the `details` column, rendered only as it is stored.

        Kept while the settlement waits, its many small objects cost the garbage collector a tenth of the throughput.
        """
        return self.details_of(self.attempt, self.diagnosis)

    @property
    def parks(self) -> bool:
        """Whether the claim is parked: scope and credits stay held until a person has decided."""
        if self.next.status is not Status.NEEDS_PERSON or self.attempt.code is Code.UNANSWERED:
            return False
        return self.attempt.code is not Code.NEEDS_PERSON or self.failure.effect_in_doubt


@value(frozen=True, slots=True, kw_only=True)
class AskedStep:
    """Everything that a plan writes which is asked for: no attempt was made, and nothing is held."""

    failure: Failure
    diagnosis: Diagnosis
    asked: AskedPlan
    next: Next
    messages: tuple[Message, ...]
