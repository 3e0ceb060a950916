"""Applies and reverts edits (JSON Patch). Pure, and always on a copy."""

import marshal
from collections.abc import Iterable
from copy import deepcopy

from consumer.repair.values import Edit, Json
from schemas.json_value import steps_of


def applied(document: Json, edits: Iterable[Edit]) -> Json:
    """Return the document with the edits applied; raises LookupError where one does not fit."""
    holder: dict[str, Json] = {"": _copy(document)}
    for edit in edits:
        value = _remove(holder, edit.from_) if edit.op == "move" and edit.from_ is not None else deepcopy(edit.value)
        if edit.op == "remove":
            _remove(holder, edit.path)
        else:
            _put(holder, edit.path, value)
    return holder[""]


def undone(document: Json, edits: Iterable[Edit]) -> Json:
    """Return the original document: the edits reverted, in reverse order."""
    holder: dict[str, Json] = {"": _copy(document)}
    for edit in reversed(tuple(edits)):
        _revert(holder, edit)
    return holder[""]


def _copy(document: Json) -> Json:
    """Copy a document of any size; walking one of a megabyte in Python would hold the event loop for 0.1 s and more."""
    try:
        copied: Json = marshal.loads(marshal.dumps(document))  # noqa: S302 - written by ourselves, in the same line
    except ValueError:  # nested too deeply, or a value of a type of our own
        return deepcopy(document)
    return copied


def _revert(holder: dict[str, Json], edit: Edit) -> None:
    if edit.op == "add":
        _remove(holder, edit.path)
    elif edit.op != "move" or edit.from_ is None:
        _put(holder, edit.path, deepcopy(edit.old))
    elif edit.from_.startswith(f"{edit.path}/"):
        around: dict[str, Json] = {"": deepcopy(edit.old)}
        _put(around, edit.from_.removeprefix(edit.path), _remove(holder, edit.path))
        _put(holder, edit.path, around[""])
    else:
        _put(holder, edit.from_, _remove(holder, edit.path))


def _locate(holder: dict[str, Json], path: str) -> tuple[dict[str, Json] | list[Json], str]:
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


def _remove(holder: dict[str, Json], path: str) -> Json:
    node, last = _locate(holder, path)
    return node.pop(last) if isinstance(node, dict) else node.pop(int(last))


def _put(holder: dict[str, Json], path: str, value: Json) -> None:
    node, last = _locate(holder, path)
    if isinstance(node, dict):
        node[last] = value
    elif int(last) == len(node):
        node.append(value)
    else:
        node[int(last)] = value
