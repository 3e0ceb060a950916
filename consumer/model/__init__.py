"""Values that the stages hand to each other: no behaviour beyond what follows from their own fields.

`failure.py` (a failure, its record, its diagnosis), `plan.py`, `outcome.py`, `settlement.py` (what a finished step
writes, and its messages), `identity.py` (ids that are the same in every process), `batch.py`, `call.py` (one HTTP
call), `decision.py` (a person's), `voice.py` (who publishes), `retry_after.py`, `http_status.py`.
Neighbours: everybody.
Invariant: a value never changes once it is made.
"""

from consumer.model.failure import (
    BELIEVED,
    NO_PROGRESS,
    DeadLetter,
    Diagnosis,
    Evidence,
    Failure,
    LadderProgress,
    Record,
    Trace,
    UnreadableRecord,
    original_position,
    without_producer_metadata,
)
from consumer.model.identity import (
    ID_SPACE,
    AttemptId,
    FailureId,
    Json,
    JsonObject,
    MicroAud,
    OrgId,
    OwnerId,
    Partition,
    Scope,
    attempt_id,
    in_aud,
)
from consumer.model.outcome import (
    Crashed,
    Drift,
    Healed,
    NotHealed,
    Outcome,
    Proof,
    Recovered,
    Refused,
    RetryLater,
    Unknown,
)
from consumer.model.plan import Adopt, Claim, Diagnosed, Heal, HealPlace, Intent, PassedOver, Plan, Rate, Refuse, Wait
from consumer.model.settlement import Attempt, Health, Message, Next, Settlement

__all__ = [
    "BELIEVED",
    "ID_SPACE",
    "NO_PROGRESS",
    "Adopt",
    "Attempt",
    "AttemptId",
    "Claim",
    "Crashed",
    "DeadLetter",
    "Diagnosed",
    "Diagnosis",
    "Drift",
    "Evidence",
    "Failure",
    "FailureId",
    "Heal",
    "HealPlace",
    "Healed",
    "Health",
    "Intent",
    "Json",
    "JsonObject",
    "LadderProgress",
    "Message",
    "MicroAud",
    "Next",
    "NotHealed",
    "OrgId",
    "Outcome",
    "OwnerId",
    "Partition",
    "PassedOver",
    "Plan",
    "Proof",
    "Rate",
    "Record",
    "Recovered",
    "Refuse",
    "Refused",
    "RetryLater",
    "Scope",
    "Settlement",
    "Trace",
    "Unknown",
    "UnreadableRecord",
    "Wait",
    "attempt_id",
    "in_aud",
    "original_position",
    "without_producer_metadata",
]
