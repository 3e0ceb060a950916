"""What the stages hand to each other: plain values, no behaviour beyond what follows from their own fields."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, NewType, TypeAlias
from uuid import UUID

from consumer.ids import named
from schemas.names import Code, Disposition, Effect, FailureType, PoisonReason, Result, Status, StrategyName, Verdict
from schemas.value import value

OrgId = NewType("OrgId", UUID)
FailureId = NewType("FailureId", UUID)
AttemptId = NewType("AttemptId", UUID)
Scope = NewType("Scope", str)
OwnerId = NewType("OwnerId", str)
MicroAud = NewType("MicroAud", int)
"""Credits in millionths of an Australian dollar, so that a ledger of many small amounts adds up exactly."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, Json]

ID_SPACE = UUID("6f0a1f0e-6d5f-5c3b-9a52-5f1f3d1f6f49")
"""The namespace of every id that is derived from an event; changing it would make each redelivery a new failure."""


@lru_cache(maxsize=8192)
def attempt_id(failure_id: FailureId, step: int) -> AttemptId:
    """The id of the attempt that a failure makes at a step, the same in every process that works it out."""
    return AttemptId(named(failure_id.bytes, f"attempt:{step}"))


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int


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


@value(frozen=True, slots=True, kw_only=True)
class Trace:
    """W3C trace context, carried through unchanged."""

    traceparent: str
    tracestate: str | None = None


@value(frozen=True, slots=True, kw_only=True)
class Climbed:
    """How far a failure has come on its ladder since it was last begun anew."""

    attempts: Mapping[str, int] = field(default_factory=dict)
    """Attempts that acted, by strategy; a newer release may have named one that is not known here."""
    spent: frozenset[str] = frozenset()
    """Strategies that refused once they were asked to act: they would again."""
    unsure: str | None = None
    """Whose effect, perhaps a keyed one, may have happened: until that is known no other may act."""


AT_THE_FOOT = Climbed()
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
    unsure: bool = False
    """An earlier attempt ended unknown: an effect may have happened, and is read back before anything else."""
    twin: AttemptId | None = None
    """An attempt that healed the very same damage while this one waited for its scope."""
    climbed: Climbed = AT_THE_FOOT
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


@value(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a strategy would do to one failure, as far as the plan and the store have to know."""

    scope: Scope
    """What it would act on: at most one live claim per scope in the fleet. Starts with the organisation's id."""
    effect: Effect
    """What acting twice would do, as the call's owner declares it."""
    window: timedelta
    """The longest time from its claim to the end of its last effect."""
    idempotency_key: str | None = None
    """The key of a keyed effect, the caller's own; None for every other effect."""
    reads_back: bool = False
    """Whether it can find out, without acting, if an earlier effect happened."""
    dependency: str | None = None
    """What has to be well for it to work, such as `https://api.example.com:443`; None where nothing is shared."""
    damage: str | None = None
    """A digest of the very thing that is broken: failures of equal damage may share one verified outcome."""


@value(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A rung of the ladder that may not act, and why."""

    strategy: StrategyName
    code: Code
    reason: str
    missing: tuple[str, ...] = ()


@value(frozen=True, slots=True, kw_only=True)
class Heal:
    """The plan to act: which strategy, to do what, with how many credits held."""

    strategy: StrategyName
    intent: Intent
    hold: MicroAud
    catalog_version: str
    dependency: str | None = None
    """The intent's dependency as its organisation's own: one's outage, or one's wrong address, holds up nobody else."""
    rate: "Rate | None" = None
    """How often the same thing may be healed, where the catalog says so."""
    passed_over: tuple[PassedOver, ...] = ()
    """The rungs before it on the ladder, in order."""


@value(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The plan not to act, with the reason that its publisher or operator can do something about."""

    strategy: StrategyName
    code: Code
    reason: str
    catalog_version: str
    missing: tuple[str, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    """The rungs after it on the ladder, none of which may act either."""


@value(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most so many heals of the same thing within a span, with a pause after each."""

    key: str
    heals: int
    within: timedelta
    cool_down: timedelta


@value(frozen=True, slots=True, kw_only=True)
class Wait:
    """The plan to look again later: nothing is tried, and no attempt is counted."""

    strategy: StrategyName
    after: timedelta
    reason: str
    catalog_version: str


@value(frozen=True, slots=True, kw_only=True)
class Adopt:
    """The plan to take over a verified outcome: another heal has mended the very same damage."""

    strategy: StrategyName
    attempt_id: AttemptId
    catalog_version: str


Plan: TypeAlias = Heal | Refuse | Wait | Adopt


@value(frozen=True, slots=True, kw_only=True)
class Diagnosed:
    """A failure with its diagnosis and its plan: what intake and start work on."""

    failure: Failure
    diagnosis: Diagnosis
    plan: Plan

    @property
    def heal(self) -> Heal:
        """The plan to act; TypeError where that is not the plan."""
        if not isinstance(self.plan, Heal):
            raise TypeError("only what is planned to be healed is claimed")
        return self.plan

    @property
    def attempt_id(self) -> AttemptId:
        """The id of the attempt that the failure makes at its present step."""
        return attempt_id(self.failure.id, self.failure.step)


@value(frozen=True, slots=True, kw_only=True)
class Claim:
    """A live heal under this process's name."""

    attempt_id: AttemptId
    step: int
    held: MicroAud
    deadline: float
    """`time.monotonic()` by which the last effect has ended; counted from before the claim was sent."""
    probe: bool = False
    """Tries an ill dependency, for all that wait for it."""
    epoch: int = 0
    """How often it had been taken over when it came to this process: with the owner, what fences its settlement."""


@value(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one oracle said of a heal."""

    oracle: str
    verdict: Verdict
    detail: str


@value(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The response that the failed call should have had, fit to be stored and published: redacted, cut at a limit."""

    status: int
    headers: Mapping[str, str]
    body: Json
    size: int
    """Bytes of the body as received."""
    digest: str
    """`sha256:` and the hex digest of the body as received."""
    truncated: bool


@value(frozen=True, slots=True, kw_only=True)
class Drift:
    """One way in which a producer's payloads miss their schema, and how to send them instead; no value of any."""

    schema_digest: str
    kind: str
    """The sort of edit that mended it."""
    path: str
    """Where, as a JSON Pointer with `*` in place of array indices."""
    example: str
    """The pointer of one such place."""
    fix: str
    """What its producer has to do, in words."""
    patch: tuple[JsonObject, ...]
    """The same as JSON Patch, as far as it can be said without a value of the payload."""
    raise_at: int
    """So many equal repairs make a finding."""


@value(frozen=True, slots=True, kw_only=True)
class Healed:
    """An oracle confirmed it: the failure is resolved."""

    proofs: tuple[Proof, ...]
    code: Code | None = None
    """`recovered` where it was well before anything of ours was sent."""
    recovered: Recovered | None = None
    details: JsonObject = field(default_factory=dict)
    drift: tuple[Drift, ...] = ()
    spent: MicroAud = MicroAud(0)


@value(frozen=True, slots=True, kw_only=True)
class NotHealed:
    """Acted, and the oracle says no (`not_healed`) or cannot say yes (`unverified`): the next try or rung."""

    code: Code
    reason: str
    proofs: tuple[Proof, ...] = ()
    details: JsonObject = field(default_factory=dict)
    spent: MicroAud = MicroAud(0)
    ill: bool = False
    """The dependency did not answer as something that is well does: this is a strike against it."""


@value(frozen=True, slots=True, kw_only=True)
class RetryLater:
    """The other side named a time; nothing is spent, and no attempt is counted."""

    after: timedelta
    reason: str
    details: JsonObject = field(default_factory=dict)
    ill: bool = False
    """As in `NotHealed`."""
    unsure: bool = False
    """An effect of ours may have happened, or is under way: only this strategy goes on with it, under the same key."""


@value(frozen=True, slots=True, kw_only=True)
class Refused:
    """The strategy found, before any effect, that it may not or cannot act."""

    code: Code
    reason: str
    missing: tuple[str, ...] = ()


@value(frozen=True, slots=True, kw_only=True)
class Crashed:
    """The strategy's own bug, before any effect began."""

    reason: str


@value(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An effect may have happened and nothing tells: a person has to look."""

    reason: str
    proofs: tuple[Proof, ...] = ()
    details: JsonObject = field(default_factory=dict)
    ill: bool = False
    """As in `NotHealed`."""


Outcome: TypeAlias = Healed | NotHealed | RetryLater | Refused | Crashed | Unknown


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
    unsure: bool | None = None
    """Whether an effect may have happened that nobody knows of; None leaves what was known before."""
    climbed: Climbed | None = None
    """How far the failure has come on its ladder by it; None leaves what was known before."""
    epoch: int = 0
    """Of the claim that it ends."""

    @property
    def parks(self) -> bool:
        """Whether scope and credits stay held until a person has decided."""
        return self.next.status is Status.NEEDS_PERSON
