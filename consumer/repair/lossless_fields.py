"""Fields that are repaired without any loss, or not at all: money above all, and whatever else the catalog guards.

The catalog names them (`schema_autofix.guarded`); a lossy or inventive edit of one is refused as `guarded`.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias

from schemas.names import Grade

Guard: TypeAlias = tuple[tuple[str, ...], ...]
"""Paths, relative to here, that only lossless edits may touch; an empty path covers this place and all below it."""
FREE: Final[Guard] = ()
INSIDE: Final[Guard] = ((),)


def below(guard: Guard, key: str) -> Guard:
    """Return the guard with its paths relative to a member."""
    if not guard or guard == INSIDE:
        return guard
    found = tuple(path[1:] for path in guard if path and path[0] in {key, "*"})
    return INSIDE if () in found else found


def is_allowed(grade: Grade, gives_up: Iterable[str], guard: Guard) -> bool:
    """Return whether an edit of this grade may be made, which also gives up these members."""
    if grade is Grade.LOSSLESS or not guard:
        return True
    return guard != INSIDE and not any(below(guard, name) for name in gives_up)
