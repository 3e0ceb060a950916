"""What reading and writing of Conductor's form share: types of tasks, and how JSON is taken apart."""

from collections.abc import Mapping
from typing import Final

from consumer.model import Json, JsonObject
from consumer.workflows.catalogue import ActionSpec, ParameterSpec

FORK: Final = "FORK_JOIN"
JOIN: Final = "JOIN"
SWITCH: Final = "SWITCH"
LOOP: Final = "DO_WHILE"
HUMAN: Final = "HUMAN"
SIMPLE: Final = "SIMPLE"
OPERATORS: Final[Mapping[str, ActionSpec]] = {
    FORK: ActionSpec(engines=(FORK,), operator=True),
    JOIN: ActionSpec(engines=(JOIN,), operator=True),
    SWITCH: ActionSpec(engines=(SWITCH,), operator=True, parameters={"*": ParameterSpec()}),
    HUMAN: ActionSpec(engines=(HUMAN,), parameters={"*": ParameterSpec()}),
}
"""The catalogue's entries for what Conductor itself does."""
NAMED_BY_TYPE: Final = frozenset({FORK, JOIN, SWITCH, HUMAN})


class UnmappedDefinition(ValueError):
    """A definition that the other form has no words for; the message names the step and why."""


def task_list(found: Json) -> list[JsonObject]:
    """Return a list of tasks; empty where it is none."""
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        return []
    return [each for each in found if isinstance(each, dict)]


def text_of(found: Json) -> str:
    """Return a text; empty where it is none."""
    return found if isinstance(found, str) else ""
