"""Finds keys that look like slips of declared names, in a document that its schema accepts as it is. Pure, bounded."""

from collections.abc import Iterator
from typing import Final

from consumer.repair.compiled_schema import CompiledSchema, SchemaCompiler
from consumer.repair.key_names import is_recased, plain, slips
from consumer.repair.values import Json, SlipNote
from schemas.json_value import pointer

_MAX_NOTES: Final = 20
_MAX_PLACES: Final = 5_000
_MAX_PAIRS: Final = 5_000


def slip_notes(document: Json, shapes: SchemaCompiler) -> tuple[SlipNote, ...]:
    """Return the keys that look like slips, the first twenty at most."""
    found: list[SlipNote] = []
    waiting: list[tuple[Json, CompiledSchema, tuple[str, ...]]] = [(document, shapes.root, ())]
    for _ in range(_MAX_PLACES):
        if not waiting or len(found) >= _MAX_NOTES:
            break
        value, shape, path = waiting.pop()
        if isinstance(value, dict):
            found += _of_object(value, shape, path)
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
    return tuple(found[:_MAX_NOTES])


def _of_object(members: dict[str, Json], shape: CompiledSchema, path: tuple[str, ...]) -> Iterator[SlipNote]:
    absent = [name for name in shape.declared if name not in members]
    strange = [key for key in members if key not in shape.declared] if absent else []
    if len(strange) * len(absent) > _MAX_PAIRS:
        return
    for key in strange:
        meant = [name for name in absent if _looks_like(key, name)]
        if len(meant) == 1:
            yield SlipNote(path=pointer((*path, key))[:160], meant=meant[0][:64])


def _looks_like(key: str, name: str) -> bool:
    return is_recased(key, name) if plain(key) == plain(name) else slips(key, name) is not None
