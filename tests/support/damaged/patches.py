"""Applies a JSON Patch, to see that the edits of an answer are what was done."""

import copy
from collections.abc import Mapping, Sequence

from tests.support.damaged.schema_positions import Json


def patched(document: Json, edits: Sequence[Mapping[str, Json]]) -> Json:
    """Return the document with the edits applied, or raise where one does not fit."""
    holder = {"": copy.deepcopy(document)}
    for edit in edits:
        path = _steps(edit["path"])
        match edit["op"]:
            case "add":
                _add(holder, path, copy.deepcopy(edit["value"]))
            case "remove":
                _remove(holder, path)
            case "replace":
                _remove(holder, path)
                _add(holder, path, copy.deepcopy(edit["value"]))
            case "move":
                _add(holder, path, _remove(holder, _steps(edit["from"])))
            case "copy":
                _add(holder, path, copy.deepcopy(_at(holder, _steps(edit["from"]))))
            case other:
                raise ValueError(f"no operation {other}")
    return holder[""]


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")]


def _at(holder: Json, path: Sequence[str]) -> Json:
    for step in path:
        holder = holder[int(step) if isinstance(holder, list) else step]
    return holder


def _remove(holder: Json, path: Sequence[str]) -> Json:
    parent = _at(holder, path[:-1])
    return parent.pop(int(path[-1]) if isinstance(parent, list) else path[-1])


def _add(holder: Json, path: Sequence[str], value: Json) -> None:
    parent = _at(holder, path[:-1])
    if isinstance(parent, list):
        parent.insert(len(parent) if path[-1] == "-" else int(path[-1]), value)
    else:
        parent[path[-1]] = value


def undone(document: Json, edits: Sequence[Mapping[str, Json]]) -> Json:
    """Return what the document was before the edits: each tells in `old` what stood there."""
    for edit in reversed(edits):
        document = patched(document, _inverse(document, edit))
    return document


def _inverse(document: Json, edit: Mapping[str, Json]) -> list[dict[str, Json]]:
    path = edit["path"]
    match edit["op"]:
        case "add":
            return [{"op": "remove", "path": path}]
        case "remove":
            return [{"op": "add", "path": path, "value": edit["old"]}]
        case "replace":
            return [{"op": "replace", "path": path, "value": edit["old"]}]
        case "move" if edit["from"].startswith(f"{path}/"):
            # It took the place of what it was in: that comes back first.
            moved = _at({"": document}, _steps(path))
            return [
                {"op": "replace", "path": path, "value": edit["old"]},
                {"op": "add", "path": edit["from"], "value": moved},
            ]
        case "move":
            return [{"op": "move", "from": path, "path": edit["from"]}]
        case other:
            raise ValueError(f"no operation {other}")
