"""Reads a failure's reason and context, and says what is broken and whether doing it again can help."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from consumer.diagnose.rules import RULES, Reason
from consumer.model import Diagnosis, JsonObject
from schemas.names import Disposition, FailureType

DISPOSITIONS: Final[Mapping[FailureType, Disposition]] = MappingProxyType(
    {
        FailureType.API_TIMEOUT: Disposition.RETRY_IF_IDEMPOTENT,  # the call may have arrived
        FailureType.INVALID_SCHEMA: Disposition.NEEDS_REPAIR,  # the same payload fails the same way
        FailureType.WORKFLOW_STALL: Disposition.NEEDS_REPAIR,  # waiting longer is what it did already
        FailureType.MISSING_IMAGE: Disposition.RETRY_NOW,  # another image harms nobody
        FailureType.VOICE_GENERATION_ERROR: Disposition.RETRY_NOW,
        FailureType.BILLING_SYNC_ISSUE: Disposition.RETRY_IF_IDEMPOTENT,  # money may have moved
        FailureType.CONCIERGE_ACTION_FAILURE: Disposition.RETRY_IF_IDEMPOTENT,  # a guest may have got it already
        FailureType.UNKNOWN: Disposition.NEEDS_PERSON,  # nothing says that another try is safe
    }
)


def diagnose(failure_reason: str, context: JsonObject) -> Diagnosis:
    """Diagnose a failure: the first rule that finds something decides, and none means unknown.

    Pure, and total: every text and every context has a diagnosis.
    """
    reason = Reason(failure_reason, failure_reason.lower())
    for rule in RULES:
        evidence = rule.evidence(reason, context)
        if evidence is not None:
            kind = rule.failure_type
            return Diagnosis(failure_type=kind, disposition=DISPOSITIONS[kind], evidence=(evidence,))
    return UNRECOGNISED


UNRECOGNISED: Final = Diagnosis(
    failure_type=FailureType.UNKNOWN, disposition=DISPOSITIONS[FailureType.UNKNOWN], evidence=()
)
