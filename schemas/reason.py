"""Reasons that a person or a supervisor gives: they are kept, and told, so something of them has to be seen."""

from typing import Annotated, Final, TypeAlias
from unicodedata import category

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

LONGEST: Final = 4096
IN_WORDS: Final = "say why, in words: it is kept, and told to the subscribers"
BLANK_NAME: Final = "a blank name names nothing: leave it out, or name one"
_UNSEEN: Final = frozenset("ZCM")
"""First letters of the categories of separators, of controls and what is formatted or unassigned, and of marks."""
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters and a symbol that are drawn as nothing."""


def is_blank(text: str) -> bool:
    """Return whether nothing of a text is seen: it is empty, of white space, or of characters without a width."""
    return all(category(sign)[0] in _UNSEEN or sign in _FILLERS for sign in text)


def checked_words(text: str) -> str:
    """Return a reason of which something is seen; raises PydanticCustomError."""
    if is_blank(text):
        raise PydanticCustomError("blank", IN_WORDS)
    return text


def checked_remark(text: str) -> str:
    """Return a reason that may be left out; raises where it is given, and nothing of it is seen."""
    return checked_words(text) if text else text


def checked_name(text: str) -> str:
    """Return a name of which something is seen; raises PydanticCustomError."""
    if is_blank(text):
        raise PydanticCustomError("blank", "say who asks, in words")
    return text


def checked_place(text: str | None) -> str | None:
    """Return a name that limits a reach or a filter; raises where nothing of it is seen: it would reach nothing."""
    if text is not None and is_blank(text):
        raise PydanticCustomError("blank", BLANK_NAME)
    return text


PlaceName: TypeAlias = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(checked_place)]
"""What limits a reach or a filter: the name of a workflow, a dependency, a target."""
Reason: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(checked_words)]
