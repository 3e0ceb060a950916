"""The places of a document, and one of them replaced."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Json: TypeAlias = Any
Path: TypeAlias = tuple[str | int, ...]


def places(document: Json, at: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Yield each place of a document with what stands there."""
    yield at, document
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for step, value in inner:
        yield from places(value, (*at, step))


def holder(document: Json, path: Path) -> Json:
    """Return the object or list that holds a place."""
    for step in path[:-1]:
        document = document[step]
    return document


def replaced(document: Json, path: Path, value: Json) -> Json:
    """Return the document with another value at a place."""
    if not path:
        return value
    made = copy.deepcopy(document)
    holder(made, path)[path[-1]] = value
    return made


def renamed(document: Json, path: Path, key: str) -> Json:
    """Return the document with another key for a member, in its old place."""
    made = copy.deepcopy(document)
    members = holder(made, path)
    pairs = [(key if name == path[-1] else name, value) for name, value in members.items()]
    members.clear()
    members.update(pairs)
    return made


def one_place(rng: random.Random, document: Json, fits: Callable[[Path, Json], bool]) -> tuple[Path, Json] | None:
    """Return one of the places that fit, None where there is none."""
    found = [(path, value) for path, value in places(document) if fits(path, value)]
    return rng.choice(found) if found else None


def is_json(text: str) -> bool:
    """Return whether a text is JSON."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
