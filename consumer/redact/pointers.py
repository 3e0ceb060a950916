"""Collects JSON Pointers to what was redacted, on the way through a value. Pure."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

Places: TypeAlias = Sequence[tuple[str, ...]]
"""Places in a value, by the names on the way to them; `*` stands for any one name or index."""
DeclaredPlaces: TypeAlias = Sequence[tuple[str, Places]]
"""Patterns of workflows in their order, each with the places of its context that hold no secret."""


def spared_places(declared: DeclaredPlaces, workflow_name: str) -> Places:
    """Return the places that are declared for a workflow: the first pattern that matches its name counts."""
    return next((places for pattern, places in declared if fnmatchcase(workflow_name, pattern)), ())


MAX_PATHS: Final = 1000
"""Most pointers to redacted values that are listed one by one: an honest event has a handful."""
MAX_PATH_CHARACTERS: Final = 64 * 1024
"""Most characters of these together: with long names above many values they are many times as large as the value."""


class Walk:
    """Collects JSON Pointers to what was redacted; where they are too many, only to the outermost members.

    The way to the value at hand is a stack of tokens, so that a pointer is written once, and not anew at each level.
    """

    __slots__ = ("_depth", "_left", "_listed", "sent", "spared", "way")

    def __init__(self, spared: Places = ()) -> None:
        self.way: list[str] = []
        self.sent = False
        """Whether the value at hand is to be sent: then what is only in doubt stays."""
        self.spared = spared
        self._depth: int | None = None
        """Most tokens of a pointer: None as long as there are few, then 1, then 0."""
        self._listed: dict[str, None] = {}
        self._left = MAX_PATH_CHARACTERS

    def add(self) -> None:
        """Add the value at hand."""
        pointer = "".join(["/" + token.replace("~", "~0").replace("/", "~1") for token in self.way[: self._depth]])
        if pointer in self._listed:
            return
        self._listed[pointer] = None
        self._left -= len(pointer)
        while len(self._listed) > MAX_PATHS or self._left < 0:
            self._shorten()

    def is_spared(self) -> bool:
        """Return whether the value at hand stands where no secret is."""
        return any(
            len(place) == len(self.way) and all(name in ("*", at) for name, at in zip(place, self.way, strict=True))
            for place in self.spared
        )

    def all(self) -> tuple[str, ...]:
        """Return the pointers, each once, in the order in which they were found."""
        return tuple(self._listed)

    def _shorten(self) -> None:
        self._depth = 1 if self._depth is None else 0
        self._listed = dict.fromkeys("/".join(pointer.split("/", 2)[: self._depth + 1]) for pointer in self._listed)
        self._left = MAX_PATH_CHARACTERS - sum(map(len, self._listed))
