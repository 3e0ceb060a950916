"""Short names of failure types and dispositions, for the rule tables."""

from typing import Final

from schemas.names import Disposition, FailureType

TIMEOUT: Final = FailureType.API_TIMEOUT
SCHEMA: Final = FailureType.INVALID_SCHEMA
STALL: Final = FailureType.WORKFLOW_STALL
IMAGE: Final = FailureType.MISSING_IMAGE
VOICE: Final = FailureType.VOICE_GENERATION_ERROR
BILLING: Final = FailureType.BILLING_SYNC_ISSUE
CONCIERGE: Final = FailureType.CONCIERGE_ACTION_FAILURE
UNKNOWN: Final = FailureType.UNKNOWN

NOW: Final = Disposition.RETRY_NOW
LATER: Final = Disposition.RETRY_AFTER
IF_IDEMPOTENT: Final = Disposition.RETRY_IF_IDEMPOTENT
REPAIR: Final = Disposition.NEEDS_REPAIR
CREDENTIAL: Final = Disposition.NEEDS_CREDENTIAL
MONEY: Final = Disposition.NEEDS_MONEY
PERSON: Final = Disposition.NEEDS_PERSON
NEVER: Final = Disposition.NEVER
