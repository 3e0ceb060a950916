"""What the healer publishes: `heal_result` and `failure_status`, `budget_warning` of wallets, and `pause`.

Readers keep what they do not know and treat an unknown enum value as "something else": new fields and members are
compatible changes. They stand on `workflow.heal-results`, at least once: those of a failure keyed by its id, in the
order of `step` on their first publication; those of a wallet keyed by its organisation, those of a pause by its id.
"""

from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from schemas.names import (
    Budget,
    BudgetWarningKind,
    Code,
    Disposition,
    FailureType,
    PauseState,
    RehearsalOutcome,
    Result,
    Status,
    StrategyName,
    Verdict,
    WaitsOn,
)
from schemas.rfc3339 import Time

HEAL_RESULT_TYPE: Final = "workflow.heal_result.v1"
FAILURE_STATUS_TYPE: Final = "workflow.failure_status.v1"
BUDGET_WARNING_TYPE: Final = "workflow.budget_warning.v1"
PAUSE_TYPE: Final = "workflow.pause.v1"

Aud = Annotated[
    Decimal,
    Field(ge=0, max_digits=20, decimal_places=6),
    PlainSerializer(lambda amount: format(amount, "f"), when_used="json", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,6})?$"}),
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Step = Annotated[int, Field(ge=0, description="Counts every change of the failure: a greater one is newer.")]


class Published(BaseModel):
    """Something the healer publishes."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Credits(Published):
    """What the attempt cost, in AUD as decimal strings."""

    held: Aud = Field(default=Decimal(0), description="Held before the attempt, AUD.")
    spent: Aud = Field(default=Decimal(0), description="Charged after it, AUD; the rest went back.")
    budget: Budget = Field(default=Budget.TEXT, description="Which of the wallet's budgets paid.")


class Evidence(Published):
    """What one oracle saw."""

    oracle: str = Field(description="Who judged, such as `http_status`, `json_schema`, `read_back`, `image_decode`.")
    verdict: Verdict = Field(description="Its judgement.")
    detail: str = Field(default="", description="What it saw, in words; redacted.")


class DiagnosisEvidence(Published):
    """Why the failure was taken for what it was taken for."""

    rule: str = Field(description="The rule that spoke.")
    source: str = Field(default="failure_reason", description="Where it looked: `failure_reason` or a context path.")
    detail: str = Field(default="", description="What it found there; redacted.")
    weight: float = Field(default=1.0, description="How much it weighs; the heaviest type wins.")
    failure_type: FailureType | None = Field(default=None, description="The type that it speaks for, if any.")
    disposition: Disposition | None = Field(default=None, description="The disposition that it speaks for, if any.")
    decided: bool = Field(default=True, description="It spoke for the diagnosis; false: against it.")


class Recovered(Published):
    """The answer that the heal brought."""

    status: int = Field(description="The HTTP status.")
    headers: dict[str, str] = Field(
        default_factory=dict, description="Those that matter: content-type, etag, location."
    )
    body: Any = Field(default=None, description="JSON, or text; null when binary or cut.")
    body_base64: str | None = Field(default=None, description="The body when it is neither JSON nor text.")
    bytes: int = Field(default=0, ge=0, description="The whole body's length in bytes.")
    digest: Sha256 | None = Field(default=None, description="The whole body's SHA-256, hexadecimal.")
    truncated: bool = Field(default=False, description="The body is missing or cut here.")


class Handover(Published):
    """Whether the recovered answer was handed to `context.resume`."""

    delivered: bool = Field(description="The run's side accepted it.")
    status: int | None = Field(default=None, description="The HTTP status it answered with; null: no answer.")
    detail: str = Field(default="", description="What went wrong, in words.")


class HealResult(Published):
    """One finished attempt; the event's id is the attempt's."""

    attempt_id: UUID = Field(description="The attempt, the same however often it is published.")
    failure_id: UUID = Field(description="The failure; also the event's subject and the record's key.")
    org_id: UUID = Field(description="The organisation that the workflow belongs to.")
    workflow_name: str = Field(description="The workflow's name.")
    failure_type: FailureType = Field(description="What was diagnosed.")
    disposition: Disposition = Field(description="What the evidence says about trying again.")
    strategy: StrategyName = Field(description="How it was tried to heal.")
    result: Result = Field(description="`success` only with proof in `evidence`.")
    code: Code | None = Field(default=None, description="Why not; on success null, or `recovered`.")
    status: Status = Field(description="Where the failure stands after this attempt.")
    step: Step
    attempted_at: Time = Field(description="When the attempt began.")
    finished_at: Time = Field(description="When it ended.")
    credits: Credits = Field(default_factory=Credits, description="What it cost.")
    evidence: tuple[Evidence, ...] = Field(default=(), description="What the oracles saw.")
    diagnosis: tuple[DiagnosisEvidence, ...] = Field(default=(), description="Why this failure type.")
    confidence: float | None = Field(
        default=None, ge=0, le=1, description="How probable it is that failure type and disposition are both right."
    )
    details: dict[str, Any] = Field(default_factory=dict, description="What is particular to the strategy; redacted.")
    recovered: Recovered | None = Field(default=None, description="The answer that the heal brought.")
    handover: Handover | None = Field(default=None, description="What became of handing it to `context.resume`.")
    catalog_version: str | None = Field(default=None, description="The catalog under which it was planned.")
    truncated: bool = Field(default=False, description="Cut to the broker's limit: the rest is at `read_more`.")
    read_more: str | None = Field(default=None, description="Path in the healing API of the whole; null: nothing cut.")


class ApprovalRequest(Published):
    """A plan that waits for a yes; approve it by its hash and the step of its event."""

    plan: dict[str, Any] = Field(description="What would be done, whole and redacted; empty where the event is cut.")
    plan_hash: Sha256 = Field(
        description="SHA-256 of the plan's JSON, members sorted, no spaces: a changed plan needs a new approval."
    )
    strategy: StrategyName = Field(description="Which strategy would do it.")
    credits: Aud = Field(default=Decimal(0), description="What it would hold, AUD.")
    expires_at: Time = Field(description="After this the answer comes too late; or when it was approved.")
    why: tuple[str, ...] = Field(default=(), description="What the catalog marks it for, in words.")
    evidence: tuple[DiagnosisEvidence, ...] = Field(default=(), description="Why the failure type, as in a result.")
    asked: int = Field(default=1, ge=1, description="The number of this question, from 1.")
    asks: int = Field(default=1, ge=1, description="How often it is asked for at most; silence is never a yes.")
    approvers: int = Field(default=1, ge=1, description="How many people have to approve.")
    approved_by: tuple[str, ...] = Field(
        default=(), description="Who has approved it: given where an approval with changes made it another plan."
    )


class RehearsalResult(Published):
    """What came of going through a heal in shadow mode up to its first effect, which was not made."""

    outcome: RehearsalOutcome = Field(description="How it ended.")
    reason: str = Field(default="", description="Why, in words; redacted.")
    would_send: tuple[dict[str, Any], ...] = Field(
        default=(), description="The call that its first effect is: `method`, `url`, `headers`, `body`; redacted, cut."
    )


class WouldHeal(Published):
    """What a strategy in shadow mode would have done."""

    strategy: StrategyName = Field(description="Which strategy.")
    scope: str = Field(description="What it would have acted on: at most one heal acts on it at a time.")
    cost: Aud = Field(default=Decimal(0), description="What it would have held, AUD.")
    budget: Budget = Field(default=Budget.TEXT, description="Which of the wallet's budgets would have paid.")
    plan: dict[str, Any] = Field(description="What it would have done, redacted.")
    rehearsal: RehearsalResult | None = Field(
        default=None, description="What really came of it, up to its first effect; null: from a release before."
    )


class RelapseOf(Published):
    """The proven heal after which the same cause came again on the same scope."""

    failure_id: UUID = Field(description="The earlier failure.")
    attempt_id: UUID = Field(description="The attempt that healed it.")
    strategy: StrategyName = Field(description="How it was healed.")
    healed_at: Time = Field(description="When.")


class FailureStatus(Published):
    """A failure came to stand where no attempt tells it: deferred, awaiting approval, needs a person, given up."""

    failure_id: UUID = Field(description="The failure; also the event's subject and the record's key.")
    org_id: UUID = Field(description="The organisation that the workflow belongs to.")
    workflow_name: str = Field(description="The workflow's name.")
    failure_type: FailureType | None = Field(default=None, description="What was diagnosed, if it was.")
    step: Step
    status: Status = Field(description="Where the failure stands.")
    code: Code | None = Field(default=None, description="Why, as a code.")
    reason: str = Field(default="", description="Why, in words; redacted.")
    due_at: Time | None = Field(default=None, description="When it is looked at again; null: not by itself.")
    waits_on: WaitsOn | None = Field(default=None, description="What has to happen before it moves on.")
    suspended_until: Time | None = Field(
        default=None,
        description="Given once, when a running heal begins to wait for another system: when it goes on.",
    )
    relapse_of: RelapseOf | None = Field(
        default=None, description="Given once, with its first attempt: the failure is a relapse after this heal."
    )
    would_heal: WouldHeal | None = Field(
        default=None, description="Given with the code `shadow`: what a strategy in shadow mode would have done."
    )
    approval: ApprovalRequest | None = Field(
        default=None,
        description="The plan that is asked for, with `awaiting_approval`; or that was approved with changes.",
    )
    changed_at: Time = Field(description="When it came to stand there.")
    catalog_version: str | None = Field(default=None, description="The catalog under which it was planned.")
    truncated: bool = Field(default=False, description="Cut to the broker's limit: the rest is at `read_more`.")
    read_more: str | None = Field(default=None, description="Path in the healing API of the whole; null: nothing cut.")


class PauseStatus(Published):
    """A pause was made, or is over: while it is in force, no effect begins within what it names."""

    pause_id: UUID = Field(description="The pause; also the event's subject and the record's key.")
    state: PauseState = Field(description="Where it stands.")
    org_id: UUID | None = Field(default=None, description="Within this organisation only; null: in all.")
    workflow_name: str | None = Field(default=None, description="Workflows of this name or pattern only; null: all.")
    failure_type: FailureType | None = Field(default=None, description="This failure type only; null: all.")
    strategy: StrategyName | None = Field(default=None, description="This strategy only; null: all.")
    dependency: str | None = Field(default=None, description="Heals that call this dependency only; null: all.")
    reason: str = Field(description="Why, in words; redacted.")
    paused_by: str = Field(description="Who asked for it.")
    starts_at: Time = Field(description="From when on it holds.")
    ends_at: Time | None = Field(default=None, description="When it ends by itself; null: once somebody resumes it.")
    ended_at: Time | None = Field(default=None, description="When it ended.")
    ended_by: str | None = Field(default=None, description="Who resumed it, or `its end`.")
    end_reason: str | None = Field(default=None, description="Why it was resumed, in words; redacted.")
    changed_at: Time = Field(description="When it came to stand there.")


class BudgetWarning(Published):
    """The budget of an organisation runs low: told once for each threshold until it is filled again."""

    warning_id: UUID = Field(description="The warning, as it stands in `usage_warnings`; also the event's id.")
    org_id: UUID = Field(description="The organisation; also the event's subject and the record's key.")
    warning_type: BudgetWarningKind = Field(description="Which budget, and how low.")
    threshold_percent: int = Field(ge=0, le=100, description="The threshold that it fell to or below.")
    remaining: Aud = Field(description="What is left, with what heals under way hold, AUD.")
    filled: Aud = Field(description="What was there when it was last filled, AUD: the 100 %.")
    message: str = Field(description="The same in words.")
    warned_at: Time = Field(description="When it was seen.")
