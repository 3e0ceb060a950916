"""What no strategy may heal, and how it says so: pure."""

from typing import Final

from consumer.model import Diagnosis, Failure, Refused
from schemas.names import Code, Disposition

_SAME_CALL: Final = "the same call would be refused again"


def hopeless(diagnosis: Diagnosis, *, money: str = _SAME_CALL, credential: str = _SAME_CALL) -> str | None:
    """Refuse what the diagnosis rules out; the strategy says why its own act helps neither balance nor credential."""
    match diagnosis.disposition:
        case Disposition.NEVER:
            return "the evidence says that trying again can only do harm"
        case Disposition.NEEDS_MONEY:
            return f"it waits for a balance or a quota: {money}"
        case Disposition.NEEDS_CREDENTIAL:
            return f"it waits for a credential to be renewed: {credential}"
        case Disposition.NEEDS_PERSON:
            return "a person has to decide this"
        case _:
            return None


def redacted_part(failure: Failure, members: tuple[str, ...], advice: str) -> str | None:
    """Refuse where redaction touched what is sent: these members of the context, or all of it.

    The marker in the place of a secret would be sent instead of it.
    """
    for pointer in failure.redactions:
        if pointer == "/context" or any(f"{pointer}/".startswith(f"/context/{member}/") for member in members):
            return f"{pointer} was redacted and cannot be sent: {advice}"
    return None


def missing_context(missing: tuple[str, ...]) -> Refused:
    """Refuse what lacks fields that its strategy reads."""
    reason = f"the event lacks, or has in an unusable form: {', '.join(missing)}"
    return Refused(code=Code.MISSING_CONTEXT, reason=reason, missing=missing)
