"""What became of a missed billing event: kept for each, so that no event is applied a second time."""

from enum import StrEnum
from typing import Final

from consumer.model.identity import AttemptId
from schemas.value import value


class MarkState(StrEnum):
    """What became of an event."""

    APPLIED = "applied"  # the platform's handler was given it, and the platform has it
    PRESENT = "present"  # the platform had it before it was given
    HELD = "held"  # it moves money, and waits for a person's yes
    FAILED = "failed"  # it could not be applied, or left another state than the newest


DONE: Final = frozenset({MarkState.APPLIED, MarkState.PRESENT})
"""Never looked at again."""


@value(frozen=True, slots=True, kw_only=True)
class EventMark:
    """What became of one event."""

    event_id: str
    type: str
    object_id: str
    created: int
    """When it was made, in seconds since 1970."""
    state: MarkState
    why: str
    """In words: why it failed, or what it is about where it is held."""
    attempt_id: AttemptId
