"""Changes with which a plan is approved, as the command line gives them: a file of whole parts, or single values."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from jsonpointer import JsonPointer, JsonPointerException


@dataclass(frozen=True, slots=True, kw_only=True)
class NewValue:
    """One value of a failure's context, by its JSON Pointer."""

    path: str
    value: Any


def read_changes(path: Path) -> dict[str, Any]:
    """Read a file of whole parts of the context."""
    try:
        given = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"--changes {path} is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise typer.BadParameter(f'--changes {path}: must be an object, such as {{"payload": ...}}')
    return given


def read_value(text: str) -> NewValue:
    """Read POINTER=VALUE; what is no JSON is a text."""
    path, equals, said = text.partition("=")
    if not equals or not path.startswith("/") or path == "/":
        raise typer.BadParameter(f"--set {text!r}: must be POINTER=VALUE, such as /payload/amount=43")
    try:
        value = json.loads(said)
    except (ValueError, RecursionError):
        value = said
    return NewValue(path=path, value=value)


def with_values(context: Mapping[str, Any], values: Sequence[NewValue]) -> dict[str, Any] | str:
    """Return the parts of a context that the values change, each whole; or which value has no place in it."""
    changed: dict[str, Any] = {}
    for one in values:
        try:
            pointer = JsonPointer(one.path)
            part = pointer.parts[0]
            if part not in context:
                return f"{one.path}: the failure has no context.{part}"
            changed.setdefault(part, deepcopy(context[part]))
            pointer.set(changed, one.value)
        except (JsonPointerException, TypeError, IndexError) as error:
            return f"{one.path}: nothing stands there to be set ({error})"
    return changed
