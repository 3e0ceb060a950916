"""Marks where a failure's text was mended at intake, so that nothing is sent that its producer did not say. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from consumer.model import Failure, Json
from schemas.json_value import pointer

REPLACEMENT: Final = "\ufffd"
_MOST_PLACES: Final = 100


def note_mended(failure: Failure, characters: int) -> Failure:
    """Return the failure with the places of its mended texts among the redacted ones: neither can be sent."""
    found = [*_places(failure.context, ())]
    places = [pointer(("context", *steps)) for steps in found] if len(found) <= _MOST_PLACES else ["/context"]
    if REPLACEMENT in failure.failure_reason:
        places.append("/failure_reason")
    redactions = tuple(dict.fromkeys((*failure.redactions, *places)))
    return replace(failure, redactions=redactions, mended=characters)


def _places(value: Json, steps: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    match value:
        case str():
            if REPLACEMENT in value:
                yield steps
        case dict():
            if any(REPLACEMENT in name for name in value):
                yield steps
            for name, one in value.items():
                yield from _places(one, (*steps, name))
        case list():
            for place, one in enumerate(value):
                yield from _places(one, (*steps, str(place)))
        case _:
            pass
