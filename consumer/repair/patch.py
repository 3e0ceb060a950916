"""Applying edits and undoing them: pure, and always on a copy."""

from collections.abc import Iterable
from copy import deepcopy

from consumer.repair.values import Edit, Json
from schemas.json_value import steps_of


def applied(document: Json, edits: Iterable[Edit]) -> Json:
    """Give the document that the edits make of this one; LookupError where one does not fit."""
    holder: dict[str, Json] = {"": deepcopy(document)}
    for edit in edits:
        value = _taken(holder, edit.from_) if edit.op == "move" and edit.from_ is not None else deepcopy(edit.value)
        if edit.op == "remove":
            _taken(holder, edit.path)
        else:
            _put(holder, edit.path, value)
    return holder[""]


def undone(document: Json, edits: Iterable[Edit]) -> Json:
    """Give the document that the edits were made to."""
    holder: dict[str, Json] = {"": deepcopy(document)}
    for edit in reversed(tuple(edits)):
        _undo(holder, edit)
    return holder[""]


def _undo(holder: dict[str, Json], edit: Edit) -> None:
    if edit.op == "add":
        _taken(holder, edit.path)
    elif edit.op != "move" or edit.from_ is None:
        _put(holder, edit.path, deepcopy(edit.old))
    elif edit.from_.startswith(f"{edit.path}/"):
        around: dict[str, Json] = {"": deepcopy(edit.old)}
        _put(around, edit.from_.removeprefix(edit.path), _taken(holder, edit.path))
        _put(holder, edit.path, around[""])
    else:
        _put(holder, edit.from_, _taken(holder, edit.path))


def _place(holder: dict[str, Json], path: str) -> tuple[dict[str, Json] | list[Json], str]:
    node: Json = holder
    *above, last = ("", *steps_of(path))
    for step in above:
        node = _member(node, step)
    if not isinstance(node, dict | list):
        raise LookupError(path)  # noqa: TRY004 - the patch does not fit: nobody's type is wrong
    return node, last


def _member(node: Json, step: str) -> Json:
    if isinstance(node, dict):
        return node[step]
    if not isinstance(node, list):
        raise LookupError(step)  # noqa: TRY004 - as above
    return node[int(step)]


def _taken(holder: dict[str, Json], path: str) -> Json:
    node, last = _place(holder, path)
    return node.pop(last) if isinstance(node, dict) else node.pop(int(last))


def _put(holder: dict[str, Json], path: str, value: Json) -> None:
    node, last = _place(holder, path)
    if isinstance(node, dict):
        node[last] = value
    elif int(last) == len(node):
        node.append(value)
    else:
        node[int(last)] = value
