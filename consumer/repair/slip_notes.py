"""Finds keys that look like slips of declared names, in a document that its schema accepts as it is. Pure, bounded.

They are told, and left; only where other keys of the document had to be recased is what is in another casing recased.
"""

from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from typing import Final, TypeAlias

from consumer.repair.compiled_schema import CompiledSchema, SchemaCompiler
from consumer.repair.key_names import is_recased, plain, slips
from consumer.repair.values import Edit, Json, SlipNote
from schemas.json_value import pointer, value_at
from schemas.names import Grade

_MAX_NOTES: Final = 20
_MAX_PLACES: Final = 5_000
_MAX_PAIRS: Final = 5_000
_Slip: TypeAlias = tuple[tuple[str, ...], str, str]
"""The place of an object, a key in it, and the declared name that the key looks like."""


def slip_notes(document: Json, shapes: SchemaCompiler) -> tuple[SlipNote, ...]:
    """Return the keys that look like slips, the first twenty at most."""
    return tuple(
        SlipNote(path=pointer((*path, key))[:160], meant=meant[:64])
        for path, key, meant in islice(_slips(document, shapes), _MAX_NOTES)
    )


def recased_throughout(document: Json, shapes: SchemaCompiler) -> tuple[Json, tuple[Edit, ...]]:
    """Rename what is only in another casing, in a document whose other keys had to be recased too.

    Each object that accepts such a key is no reason of its own to touch it (see `slip_notes`).
    """
    found = [(path, key, meant) for path, key, meant in _slips(document, shapes) if plain(key) == plain(meant)]
    if not found:
        return document, ()
    document, edits = deepcopy(document), []
    for path, key, meant in reversed(found):  # the innermost first, so that the paths to them stay as they are
        _rename(value_at(document, pointer(path), None), key, meant)
        edits.append(
            Edit(
                op="move",
                path=pointer((*path, meant)),
                from_=pointer((*path, key)),
                grade=Grade.LOSSLESS,
                kind="recased",
                reason="a name in another casing",
            )
        )
    return document, tuple(edits)


def _rename(members: Json, key: str, meant: str) -> None:
    if isinstance(members, dict):
        pairs = [(meant if name == key else name, value) for name, value in members.items()]
        members.clear()
        members.update(pairs)


def _slips(document: Json, shapes: SchemaCompiler) -> Iterator[_Slip]:
    """Yield where a key that looks like a slip stands, the key, and the declared name; the outer ones first."""
    waiting: list[tuple[Json, CompiledSchema, tuple[str, ...]]] = [(document, shapes.root, ())]
    for _ in range(_MAX_PLACES):
        if not waiting:
            return
        value, shape, path = waiting.pop()
        if isinstance(value, dict):
            yield from _of_object(value, shape, path)
            below: list[tuple[str, Json, CompiledSchema]] = [
                (key, one, shapes.child(shape, key)) for key, one in value.items() if isinstance(one, dict | list)
            ]
        elif isinstance(value, list):
            below = [
                (str(at), one, shapes.item(shape, at)) for at, one in enumerate(value) if isinstance(one, dict | list)
            ]
        else:
            continue
        waiting += reversed([(one, inner, (*path, key)) for key, one, inner in below])


def _of_object(members: dict[str, Json], shape: CompiledSchema, path: tuple[str, ...]) -> Iterator[_Slip]:
    absent = [name for name in shape.declared if name not in members]
    strange = [key for key in members if key not in shape.declared] if absent else []
    if len(strange) * len(absent) > _MAX_PAIRS:
        return
    for key in strange:
        meant = [name for name in absent if _looks_like(key, name)]
        if len(meant) == 1:
            yield path, key, meant[0]


def _looks_like(key: str, name: str) -> bool:
    return is_recased(key, name) if plain(key) == plain(name) else slips(key, name) is not None
