"""Independent validation of documents by the jsonschema library, formats included."""

import re
from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing.exceptions import Unresolvable

from consumer.repair.fast_keywords import fast_class
from consumer.repair.formats import FORMATS
from consumer.repair.keywords import SPECIFICATIONS, corrected
from consumer.repair.metaschema import check_schema
from consumer.repair.values import RefusalCause
from schemas.json_value import pointer

_MAX_SCHEMA_DEPTH: Final = 120
_CAUSES: Final = {
    **dict.fromkeys(
        ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), RefusalCause.OUT_OF_RANGE
    ),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), RefusalCause.OUT_OF_RANGE),
    **dict.fromkeys(("minProperties", "maxProperties", "uniqueItems"), RefusalCause.OUT_OF_RANGE),
    **dict.fromkeys(("enum", "const"), RefusalCause.UNKNOWN_VALUE),
    **dict.fromkeys(("pattern", "format"), RefusalCause.BAD_FORMAT),
    **dict.fromkeys(("required", "dependentRequired"), RefusalCause.MISSING_REQUIRED),
    **dict.fromkeys(("additionalProperties", "unevaluatedProperties", "propertyNames"), RefusalCause.FORBIDDEN_KEY),
    "type": RefusalCause.WRONG_TYPE,
}


class UnusableSchema(Exception):
    """The schema cannot be used to validate a document; the message says why."""


class SchemaValidator:
    """Validator of documents by one schema."""

    def __init__(self, schema: object) -> None:
        if not isinstance(schema, bool | Mapping):
            raise UnusableSchema("not an object")
        try:
            _check_depth(schema, 0)
            self.kind = _validator_class(schema)
            check_schema(self.kind, schema)
        except SchemaError as error:
            raise UnusableSchema(f"not a JSON Schema at {_place(error)}: fails `{error.validator}`") from error
        except RecursionError as error:
            raise UnusableSchema("nested too deeply") from error
        kind = corrected(self.kind) if _has_own_ids(schema) else fast_class(corrected(self.kind), schema)
        # Nothing but the specifications' own schemas: references are never resolved over a network.
        self._validator: Validator = kind(schema, registry=SPECIFICATIONS, format_checker=FORMATS)

    def fault(self, document: Any) -> tuple[RefusalCause, str] | None:  # noqa: ANN401 - JSON is anything
        """Return what is wrong with a document, without quoting any of its values; None where it is valid."""
        try:
            error = next(iter(self._validator.iter_errors(document)), None)
        except Unresolvable:
            raise UnusableSchema("a reference in it leads nowhere") from None
        except re.error:
            raise UnusableSchema("a pattern in it is not a regular expression") from None
        except (OverflowError, ZeroDivisionError, TypeError):
            raise UnusableSchema("it cannot be judged by") from None
        if error is None:
            return None
        return _CAUSES.get(str(error.validator), RefusalCause.INVALID), f"{_place(error)}: fails `{error.validator}`"

    def accepts(self, document: Any, part: Any) -> bool:  # noqa: ANN401 - JSON is anything
        """Return whether a value is valid under a part of the schema."""
        try:
            return bool(self._validator.evolve(schema=part).is_valid(document))
        except (Unresolvable, re.error, OverflowError, ZeroDivisionError, TypeError):
            raise UnusableSchema("it cannot be judged by") from None


def _validator_class(schema: bool | Mapping[str, Any]) -> type[Validator]:
    if isinstance(schema, Mapping) and "$schema" not in schema and _is_draft7_or_older(schema):
        return Draft7Validator
    kind: type[Validator] = validator_for(schema, default=Draft202012Validator)
    return kind


def _has_own_ids(node: object) -> bool:
    """Return whether a sub-schema has an id of its own, which is the base of its references."""
    if isinstance(node, Mapping):
        return any(
            name in {"$dynamicRef", "$recursiveRef"}
            or (name in {"$id", "id"} and isinstance(value, str))
            or _has_own_ids(value)
            for name, value in node.items()
        )
    return isinstance(node, list) and any(_has_own_ids(item) for item in node)


def _is_draft7_or_older(node: object) -> bool:
    """Return whether a schema without `$schema` is of draft 7 or before, by keywords that later drafts dropped."""
    if isinstance(node, Mapping):
        if isinstance(node.get("items"), list) or "additionalItems" in node:
            return True
        return any(_is_draft7_or_older(value) for value in node.values())
    return isinstance(node, list) and any(_is_draft7_or_older(item) for item in node)


def _check_depth(node: object, depth: int) -> None:
    if depth > _MAX_SCHEMA_DEPTH:
        raise UnusableSchema("nested too deeply")
    for value in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        _check_depth(value, depth + 1)


def _place(error: ValidationError | SchemaError) -> str:
    return (pointer(tuple(str(step) for step in error.absolute_path)) or "the document")[:160]
