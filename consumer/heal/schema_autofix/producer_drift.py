"""Producer drift: derives from verified repairs what a payload's producer should send instead. Pure.

No finding holds a value of the payload.
"""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final, assert_never

from consumer.model import Drift, Json, JsonObject
from consumer.repair.values import Edit
from schemas.names import Grade

_INDEX: Final = re.compile(r"(?<=/)\d+(?=/|$)")


_LONGEST_PATH: Final = 300


_MOST_OF_ONE_PAYLOAD: Final = 50
"""Most drifts of one payload: a payload that misses its schema in more ways was not made for it."""


def pattern_of(pointer: str) -> str:
    """Replace array indices in a JSON Pointer by `*`: one pointer for all items of an array."""
    return _INDEX.sub("*", pointer)


def drift_of(edits: Iterable[Edit], *, schema_digest: str, raise_at: int) -> tuple[Drift, ...]:
    """Return the drifts of one payload: each way in which it missed its schema, once, with its first example.

    Ways are told apart by kind and path, so that all items of an array are one.
    """
    first: dict[tuple[str, str], Edit] = {}
    for edit in edits:
        missed = _missed(edit)
        if len(missed) <= _LONGEST_PATH:
            first.setdefault((edit.kind, pattern_of(missed)), edit)
    return tuple(
        Drift(
            schema_digest=schema_digest,
            kind=kind,
            path=path,
            example=_missed(edit),
            fix=_fix(edit),
            patch=_patch(edit),
            raise_at=raise_at,
        )
        for (kind, path), edit in islice(first.items(), _MOST_OF_ONE_PAYLOAD)
    )


def _missed(edit: Edit) -> str:
    return edit.path if edit.from_ is None else edit.from_


def _fix(edit: Edit) -> str:
    at = _describe_path(edit.path)
    match edit.op:
        case "move":
            return f"send {_describe_path(edit.from_ or '')} as {at} ({edit.kind})"
        case "remove":
            return f"leave {at} out ({edit.kind})"
        case "add":
            return f"send {at}, which the schema demands ({edit.kind})"
        case "replace":
            is_, was = _type_name(edit.value), _type_name(edit.old)
            return (
                f"send {at} as {is_}, not as {was}" if is_ != was else f"send {at} as the schema has it ({edit.kind})"
            )
        case _:
            assert_never(edit.op)


def _patch(edit: Edit) -> tuple[JsonObject, ...]:
    match edit.op:
        case "move":
            return ({"op": "move", "from": edit.from_, "path": edit.path},)
        case "remove":
            return ({"op": "remove", "path": edit.path},)
        case "add" if edit.grade is Grade.INVENTIVE:
            return ({"op": "add", "path": edit.path, "value": edit.value},)  # the schema's own value, from no payload
        case "add" | "replace":
            return ()
        case _:
            assert_never(edit.op)


def _describe_path(pointer: str) -> str:
    return pattern_of(pointer) or "the whole payload"


def _type_name(value: Json) -> str:  # noqa: PLR0911 - one line a type
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "an array"
        case dict():
            return "an object"
        case _:
            assert_never(value)
