"""An asset that was made, judged and stored: what makes the next one of the same order cost nothing."""

from consumer.model.identity import AttemptId, MicroAud, OrgId
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class MadeAsset:
    """One generation of an organisation, and the object that came of it."""

    org_id: OrgId
    generation: str
    """Content address of the order: organisation, generator and parameters."""
    digest: str
    """SHA-256 of the object, in hex."""
    media_type: str
    size: int
    generator: str
    cost: MicroAud
    attempt_id: AttemptId
