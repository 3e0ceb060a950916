"""JSON Patch as a side-by-side difference of lines: the document before, and as the patch leaves it. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, Final

import jsonpatch
import jsonpointer

MOST_LINES: Final = 400
"""Lines of one side: beyond, the operations alone are shown."""
_OPERATION: Final = ("op", "from", "path", "value")
_CONTEXT: Final = 3
"""Equal lines that are kept around a difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffRow:
    """Two lines beside each other; a side is None where it has no line there."""

    kind: str
    """`same`, `changed`, or `gap`: lines left out."""
    left: str | None
    right: str | None


def diff_rows(before: object, patch: Sequence[object]) -> list[DiffRow]:
    """Return the rows of a difference; none where the patch does not fit what is there, as after a redaction."""
    try:
        after = jsonpatch.apply_patch(before, [_plain(one) for one in patch], in_place=False)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError, ValueError):
        return []
    left, right = _lines(before), _lines(after)
    if max(len(left), len(right)) > MOST_LINES:
        return []
    return list(_rows(left, right))


def _plain(operation: object) -> dict[str, Any]:
    if not isinstance(operation, dict):
        raise TypeError("an operation is an object")
    return {name: operation[name] for name in _OPERATION if name in operation}


def _lines(document: object) -> list[str]:
    return json.dumps(document, indent=2, ensure_ascii=False).split("\n")  # a text may hold other ends of lines


def _rows(left: list[str], right: list[str]) -> Iterator[DiffRow]:
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    for place, (tag, left_start, left_end, right_start, right_end) in enumerate(blocks):
        if tag != "equal":
            pairs = zip_longest(left[left_start:left_end], right[right_start:right_end])
            yield from (DiffRow(kind="changed", left=one, right=other) for one, other in pairs)
            continue
        same = left[left_start:left_end]
        head = 0 if place == 0 else _CONTEXT
        tail = 0 if place == len(blocks) - 1 else _CONTEXT
        if len(same) <= head + tail + 1:
            yield from (DiffRow(kind="same", left=line, right=line) for line in same)
            continue
        yield from (DiffRow(kind="same", left=line, right=line) for line in same[:head])
        yield DiffRow(kind="gap", left=f"{len(same) - head - tail} equal lines", right=None)
        yield from (DiffRow(kind="same", left=line, right=line) for line in same[len(same) - tail :])
