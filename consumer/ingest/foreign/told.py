"""What a foreign record tells of a failure, and the readers of single fields that the formats share. Pure."""

from collections.abc import Mapping
from typing import Any, Final, NoReturn
from uuid import UUID

from consumer.model import JsonObject
from schemas.errors import EnvelopeError
from schemas.names import PoisonReason
from schemas.value import value

REASON_CHARACTERS: Final = 16_000
"""Of a text that becomes the reason: its beginning says what broke."""
NAME_CHARACTERS: Final = 512


@value(frozen=True, slots=True, kw_only=True)
class ToldFailure:
    """A failure as a foreign record tells it."""

    event_id: str
    source: str
    org_id: UUID
    workflow_name: str
    failure_reason: str
    context: JsonObject
    detected_at: str | None = None
    """RFC 3339; None: when the record was written."""


def text_at(value: object, *steps: str) -> str | None:
    """Return the text at a path of objects; None where there is none, or an empty one."""
    found = at(value, *steps)
    return found if isinstance(found, str) and found else None


def at(value: object, *steps: str) -> Any:  # noqa: ANN401 - JSON is anything
    """Return what stands at a path of objects, or None."""
    for step in steps:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def name_at(document: object, *steps: str) -> str:
    """Return a name that has to stand at a path; EnvelopeError `wrong_shape` or `too_large` names the path."""
    found, path = text_at(document, *steps), ".".join(steps)
    if found is None:
        refuse(f"{path} is missing, or no text that is not empty")
    return bounded(found, path)


def bounded(name: str, path: str) -> str:
    """Return a name that is not too long; EnvelopeError `too_large` otherwise."""
    if len(name) > NAME_CHARACTERS:
        raise EnvelopeError(
            PoisonReason.TOO_LARGE, f"{path} has {len(name)} characters, the limit is {NAME_CHARACTERS}"
        )
    return name


def organisation(found: UUID | None, what: str, name: str, topic: str) -> UUID:
    """Return the organisation that the catalog declares for a name; EnvelopeError `source_not_allowed` without one."""
    if found is None:
        raise EnvelopeError(
            PoisonReason.SOURCE_NOT_ALLOWED,
            f"{what} {name!r} is of no organisation: add it to the topic {topic}'s `organisations` in the catalog",
        )
    return found


def refuse(message: str) -> NoReturn:
    """Raise EnvelopeError `wrong_shape`."""
    raise EnvelopeError(PoisonReason.WRONG_SHAPE, message)


def without_none(**members: Any) -> JsonObject:  # noqa: ANN401 - JSON is anything
    """Return an object of the members that are there."""
    return {name: said for name, said in members.items() if said is not None}
