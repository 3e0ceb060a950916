"""The statuses of the parts of an answer that has many. Pure."""

from typing import Final

from consumer.heal.calls.false_success import members as words
from consumer.heal.calls.false_success.members import plain_name
from consumer.model import Json

_MAX_PARTS: Final = 2000
_MAX_DEPTH: Final = 4


def failed_parts(value: Json) -> tuple[int, int]:
    """Count the parts of a multi-status body that have a status, and those whose status is a failure."""
    found: list[Json] = []
    _collect_statuses(value, found, _MAX_DEPTH)
    statuses = [one for one in found if _is_status(one)]
    return len(statuses), sum(words.failing_status(one) is not None for one in statuses)


def _is_status(value: Json) -> bool:
    text = str(value)[:3] if isinstance(value, str) else str(value)
    return not isinstance(value, bool) and len(text) == 3 and text.isdigit() and text[0] in "12345"  # noqa: PLR2004


def _collect_statuses(value: Json, found: list[Json], depth: int) -> None:
    if depth == 0 or len(found) > _MAX_PARTS:
        return
    if isinstance(value, list):
        for one in value[:_MAX_PARTS]:
            _collect_statuses(one, found, depth - 1)
    elif isinstance(value, dict):
        for key, one in value.items():
            if plain_name(key) in words.STATUSES:
                found.append(one)
            elif isinstance(one, list | dict):
                _collect_statuses(one, found, depth - 1)
