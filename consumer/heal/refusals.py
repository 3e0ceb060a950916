"""Refusals shared by all strategies: hopeless diagnoses, redacted input, and missing context. Pure."""

from typing import Final

from consumer.model import Diagnosis, Failure, Refused
from consumer.redact import REDACTED
from schemas.json_value import value_at
from schemas.names import SENT_PARTS, Code, Disposition

_SAME_CALL: Final = "the same call would be refused again"


def hopeless(diagnosis: Diagnosis, *, money: str = _SAME_CALL, credential: str = _SAME_CALL) -> str | None:
    """Return why the diagnosis rules out a heal, or None.

    `money` and `credential` are the strategy's reasons why its action helps neither a balance nor a credential.
    """
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
    """Return why a failure is refused whose input was redacted: in these members of the context, or in all of it.

    Otherwise the marker in the place of a secret would be sent instead of the secret.
    """
    for pointer in failure.redactions:
        if pointer == "/context" or any(f"{pointer}/".startswith(f"/context/{member}/") for member in members):
            if _is_mended(failure, pointer):
                return f"{pointer} holds a piece of a character, or NUL, and was mended: it cannot be sent as it came"
            return f"{pointer} was redacted and cannot be sent: {advice}{_if_none(pointer)}"
    return None


def _if_none(pointer: str) -> str:
    """Return the other cure: of a place that holds no secret, whatever it looks like."""
    place = pointer.removeprefix("/context")
    part, _, below = place[1:].partition("/")
    if part not in SENT_PARTS or not below:
        return ""
    return f"; if it holds no secret, list {place} under no_secret of the workflow in the catalog, and send it again"


def _is_mended(failure: Failure, pointer: str) -> bool:
    value = value_at({"context": failure.context}, pointer, None)
    return isinstance(value, str) and "\ufffd" in value and REDACTED not in value


def missing_context(missing: tuple[str, ...]) -> Refused:
    """Build the refusal of a failure whose context lacks fields that the strategy reads."""
    reason = f"the event lacks, or has in an unusable form: {', '.join(missing)}"
    return Refused(code=Code.MISSING_CONTEXT, reason=reason, missing=missing)
