"""What is wrong with a catalog, with its lines and in words: pydantic's faults, placed in the text that was written."""

from collections.abc import Iterator
from operator import itemgetter
from types import UnionType
from typing import Any, Final, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.fault_words import OBJECTS, did_you_mean, fault_in_words

Path = tuple[int | str, ...]
_DURATIONS: Final = frozenset({"time_delta_type", "time_delta_parsing"})


def faults_in_words(error: ValidationError, root: yaml.Node | None, name: str, model: type[BaseModel]) -> list[str]:
    """Return a line for each place that is at fault, in the order of the text's lines."""
    told: dict[Path, list[str]] = {}
    for fault in error.errors(include_url=False):
        # An error within a template carries its path below the field.
        path = (*fault["loc"], *fault.get("ctx", {}).get("path", ()))
        says = told.setdefault(_written(root, path, fault["type"]), [])
        if (why := _why(fault, model)) not in says:
            says.append(why)
    # Of a union each branch has its faults: those within what was written tell more than that it should be another.
    deepest = [at for at in told if not any(other[: len(at)] == at and len(other) > len(at) for other in told)]
    lines = [(line_of(root, at), f"{place_of(root, at, name)}: {', or '.join(told[at])}") for at in deepest]
    return [why for _, why in sorted(lines, key=itemgetter(0))]


def place_of(root: yaml.Node | None, path: Path, name: str) -> str:
    """Return where something stands, as file, line and dotted path."""
    return f"{name}:{line_of(root, path)}: {'.'.join(str(part) for part in path)}"


def line_of(node: yaml.Node | None, path: Path) -> int:
    """Return the line of what a path leads to, or of the nearest above it that is there."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in path:
        found = _step(node, part)
        if found is not None:
            at, node = found
            line = at.start_mark.line + 1
    return line


def _step(node: yaml.Node | None, part: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    """Return what bears the line of a step, and what it leads to; None for a union's tag, and what is not there."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, below) for key, below in node.value if key.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _written(root: yaml.Node | None, path: Path, kind: str) -> Path:
    """Leave out of a path what names a branch of a union, and not what was written; keep a field that is missing."""
    node, kept = root, list[int | str]()
    for index, part in enumerate(path):
        found = _step(node, part)
        if found is not None:
            node = found[1]
        elif not (kind == "missing" and index == len(path) - 1):
            continue
        kept.append(part)
    return tuple(kept)


def _why(fault: ErrorDetails, model: type[BaseModel]) -> str:
    if fault["type"] == "extra_forbidden":
        name = str(fault["loc"][-1])
        return f"no such field here{did_you_mean(name, _fields_at(model, fault['loc'][:-1]))}"
    says = fault_in_words(fault, an_object="a mapping")
    given = fault.get("input")
    if fault["type"] in _DURATIONS and isinstance(given, str) and (meant := _as_duration(given)):
        return f"{says}: did you mean `{meant}`?"
    if fault["type"] in OBJECTS and isinstance(given, str):
        fields = _fields_at(model, fault["loc"])
        return says + (f" such as {{{fields[0]}: ...}}" if fields else "")
    return says


def _as_duration(given: str) -> str | None:
    """Return what people write for a time (`5s`, `10 min`, `1h`) as ISO 8601 has it."""
    number = given.strip().rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = given.strip()[len(number) :].strip()
    if not number.isdigit() or not unit:
        return None
    named = {"d": "P{}D", "h": "PT{}H", "m": "PT{}M", "s": "PT{}S"}
    return named[unit[0]].format(number) if unit[0] in named and unit != "ms" and not unit.startswith("mo") else None


def _fields_at(model: type[BaseModel], path: Path) -> list[str]:
    """Return the fields that may stand at a place, those that have to stand there first."""
    models: set[type[BaseModel]] = {model}
    for part in path:
        below = {one for above in models for one in _models_below(above, part)}
        models = below or models  # a union's tag, an index, or a key of a mapping leads nowhere by itself
    named = {name: field.is_required() for one in models for name, field in one.model_fields.items()}
    return sorted(named, key=lambda name: not named[name])


def _models_below(model: type[BaseModel], part: int | str) -> Iterator[type[BaseModel]]:
    field = model.model_fields.get(str(part))
    yield from _models_of(field.annotation if field is not None else None)


def _models_of(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - an annotation is anything
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not None or isinstance(annotation, UnionType):
        for one in get_args(annotation):
            yield from _models_of(one)
