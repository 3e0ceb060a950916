"""Limits of schema-autofix in the catalog: payload schemas, the grade of repairs, and the watch of the run."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from consumer.catalog.declared import Declared
from schemas.names import Grade

MAX_SCHEMA_BYTES: Final = 256 * 1024
"""Limit of one schema's text: a larger one is not validated in reasonable time."""


@dataclass(slots=True, kw_only=True)
class SchemaFiles:
    """Cache of the files that a catalog names: their texts are a part of the catalog, and of its version."""

    read: Callable[[str], str]
    """Reads a file by its path relative to the catalog; raises OSError where there is none."""
    texts: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return a file's text, read once, so that it is the same wherever it is named."""
        if name not in self.texts:
            self.texts[name] = self.read(name)
        return self.texts[name]


def _load_schema_file(given: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - JSON is anything
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


def _check_schema(schema: dict[str, Any] | bool) -> dict[str, Any] | bool:
    # Imported only where a schema is declared: the import takes as long as the whole catalog.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415

    from consumer.repair.prepared_schema import prepared  # noqa: PLC0415
    from consumer.repair.validator import UnusableSchema  # noqa: PLC0415

    try:
        size = len(json.dumps(schema))
    except TypeError as error:  # YAML knows dates and sets
        msg = f"not JSON: {error}"
        raise ValueError(msg) from error
    if size > MAX_SCHEMA_BYTES:
        msg = f"larger than {MAX_SCHEMA_BYTES} bytes"
        raise ValueError(msg)
    try:
        Draft202012Validator.check_schema(prepared(schema))
    except UnusableSchema as unusable:
        raise ValueError(str(unusable)[:250]) from unusable
    except SchemaError as error:
        path = "/".join(str(step) for step in error.absolute_path)
        msg = f"not a JSON Schema 2020-12 at /{path}: {error.message[:200]}"
        raise ValueError(msg) from error
    return schema


PayloadSchema = Annotated[dict[str, Any] | bool, BeforeValidator(_load_schema_file), AfterValidator(_check_schema)]
"""A JSON Schema 2020-12, inline or as `{file: path}`, the path relative to the catalog."""

Pointer = Annotated[str, Field(pattern=r"^(/([^~/]|~[01])*)*$", max_length=1024)]


class SchemaAutofixLimits(Declared):
    """Limits of the repair of a payload, and of the watch of its run."""

    schemas: dict[str, PayloadSchema] = Field(default_factory=dict)
    """Schemas by the step that takes the payload (name or pattern). An event's own counts only where none matches."""
    openapi_nullable: bool = False
    """Whether `nullable: true` allows null, as in OpenAPI 3.0; JSON Schema itself does not know it."""
    grade: Grade = Grade.LOSSLESS
    """Highest grade of an edit: edits that leave out or fill in values have to be declared."""
    guarded: tuple[Pointer, ...] = ()
    """Immutable and money fields, as JSON Pointers with `*` for every item: edited losslessly only, at any grade."""
    timeout: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=1))] = timedelta(seconds=10)
    """Timeout of one call to the run's engine."""
    verify: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=8))] = timedelta(minutes=1)
    """How long the run is watched after its step was rerun; one that goes on longer is looked at again later."""
    drift_after: Annotated[int, Field(ge=1, le=1_000_000)] = 5
    """Number of equal repairs of one producer's payloads that raise a finding on how the producer should send them."""

    def schema_of(self, step: str) -> dict[str, Any] | bool | None:
        """Return the schema declared for a step's payload, or None; the first pattern that matches counts."""
        return next((schema for pattern, schema in self.schemas.items() if fnmatchcase(step, pattern)), None)
