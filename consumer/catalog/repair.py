"""How far a payload may be repaired, against which schemas, and how its run is watched afterwards."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from consumer.catalog.declared import Declared
from schemas.json_value import outside_reference
from schemas.names import Grade

MAX_SCHEMA_BYTES: Final = 256 * 1024
"""Of one schema's text: a larger one is not judged in reasonable time."""


@dataclass(slots=True, kw_only=True)
class SchemaFiles:
    """The files that a catalog names, as they were read: their texts are a part of what was declared."""

    read: Callable[[str], str]
    """Gives the text of a file that is named relative to the catalog; OSError where there is none."""
    texts: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Give a file's text, the same for everybody who names it."""
        if name not in self.texts:
            self.texts[name] = self.read(name)
        return self.texts[name]


def _read(given: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - JSON is anything
    if not (isinstance(given, dict) and given.keys() == {"file"}):
        return given
    files: SchemaFiles | None = info.context
    if files is None:
        msg = "names a file: only a catalog that is a file itself can"
        raise ValueError(msg)
    name = str(given["file"])
    try:
        return json.loads(files.text(name))
    except OSError as error:
        msg = f"{name} cannot be read: {error.strerror or type(error).__name__}"
        raise ValueError(msg) from error
    except ValueError as error:  # not UTF-8, or not JSON
        msg = f"{name} is not JSON: {error}"
        raise ValueError(msg) from error


def _usable(schema: dict[str, Any] | bool) -> dict[str, Any] | bool:
    # Imported for those who declare a schema: it takes as long as all of the catalog.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415

    try:
        size = len(json.dumps(schema))
    except TypeError as error:  # YAML knows dates and sets
        msg = f"not JSON: {error}"
        raise ValueError(msg) from error
    if size > MAX_SCHEMA_BYTES:
        msg = f"larger than {MAX_SCHEMA_BYTES} bytes"
        raise ValueError(msg)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        path = "/".join(str(step) for step in error.absolute_path)
        msg = f"not a JSON Schema 2020-12 at /{path}: {error.message[:200]}"
        raise ValueError(msg) from error
    outside = outside_reference(schema)
    if outside is not None:
        msg = f"refers to {outside[:200]}, outside itself"
        raise ValueError(msg)
    return schema


PayloadSchema = Annotated[dict[str, Any] | bool, BeforeValidator(_read), AfterValidator(_usable)]
"""A JSON Schema 2020-12, inline or as `{file: path}`, the path relative to the catalog."""

Pointer = Annotated[str, Field(pattern=r"^(/([^~/]|~[01])*)*$", max_length=1024)]


class SchemaAutofixLimits(Declared):
    """How far a payload may be repaired, and how long its run is watched."""

    schemas: dict[str, PayloadSchema] = Field(default_factory=dict)
    """By the step that takes the payload, a name or a pattern. An event brings its own only where none matches."""
    grade: Grade = Grade.LOSSLESS
    """The most that a repair may do: what is left out or filled in has to be declared."""
    guarded: tuple[Pointer, ...] = ()
    """Immutable and money fields, as JSON Pointers with `*` for every item: at most losslessly, whatever the grade."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=1))] = timedelta(seconds=10)
    """For one call to the run's engine."""
    verify: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=8))] = timedelta(minutes=1)
    """How long the run is watched once its step was run again; one that goes on longer is looked at again later."""
    drift_after: Annotated[int, Field(ge=1, le=1_000_000)] = 5
    """Equal repairs of one producer's payloads that make a finding: it is told how to send them."""

    def schema_of(self, step: str) -> dict[str, Any] | bool | None:
        """Give the schema that is declared for a step's payload; the first pattern that matches counts."""
        return next((schema for pattern, schema in self.schemas.items() if fnmatchcase(step, pattern)), None)
