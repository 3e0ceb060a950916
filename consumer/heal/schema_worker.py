"""JSON Schema validation, importable and runnable alone: a hostile schema is judged in a process that can be killed.

Reads `{"schema", "body"?}` on stdin and writes `{"verdict", "detail"}`. Imports nothing of ours, so that it starts in
a fifth of a second. A reference is resolved within the schema only: validation never opens a connection.
"""

import json
import re
import sys
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable
from rfc3986_validator import validate_rfc3986

Finding: TypeAlias = tuple[Literal["passed", "failed", "unusable"], str]
"""What was found, and where; no value of the body is quoted."""

_SHOWN: Final = 160
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
_FORMATS: Final = FormatChecker()


# Without its optional packages the library lets every date-time pass.
@_FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return _TIME.fullmatch(value) is not None and datetime.fromisoformat(value.upper()).tzinfo is not None


@_FORMATS.checks("iri")
def _is_iri(value: object) -> bool:
    """Judge an IRI as the URI that it stands for (RFC 3987, 3.1)."""
    return not isinstance(value, str) or bool(validate_rfc3986(_as_uri(value), rule="URI"))


@_FORMATS.checks("iri-reference")
def _is_iri_reference(value: object) -> bool:
    return not isinstance(value, str) or bool(validate_rfc3986(_as_uri(value), rule="URI_reference"))


def _as_uri(text: str) -> str:
    return "".join(
        letter if letter.isascii() else "".join(f"%{byte:02X}" for byte in letter.encode()) for letter in text
    )


def check_schema(schema: Any) -> Finding:  # noqa: ANN401 - JSON is anything
    """Say whether a schema is one, and refers to nothing outside itself."""
    try:
        Draft202012Validator.check_schema(schema)
        outside = _outside_reference(schema)
    except SchemaError as error:
        return "unusable", f"not a JSON Schema 2020-12 at /{_path(error)}: fails `{error.validator}`"
    except RecursionError:
        return "unusable", "nested too deeply"
    return ("unusable", f"refers to {outside[:_SHOWN]}, outside itself") if outside else ("passed", "a usable schema")


def check_body(schema: Any, body: Any) -> Finding:  # noqa: ANN401 - JSON is anything
    """Validate a body, formats included."""
    validator = Draft202012Validator(schema, registry=Registry(), format_checker=_FORMATS)
    try:
        error = best_match(validator.iter_errors(body))
    except Unresolvable:
        return "unusable", "a reference in the schema leads nowhere"
    except RecursionError:
        return "unusable", "the schema refers to itself without end"
    except re.error:
        return "unusable", "a pattern in the schema is not a regular expression"
    return ("failed", f"at /{_path(error)}: fails `{error.validator}`"[:_SHOWN]) if error else ("passed", "valid")


def _path(error: ValidationError | SchemaError) -> str:
    return "/".join(str(step) for step in error.absolute_path)[:_SHOWN]


def _outside_reference(node: object) -> str | None:
    if isinstance(node, dict):
        for name in ("$ref", "$dynamicRef"):
            reference = node.get(name)
            if isinstance(reference, str) and not reference.startswith("#"):
                return reference
        return next((found for value in node.values() if (found := _outside_reference(value))), None)
    if isinstance(node, list):
        return next((found for value in node if (found := _outside_reference(value))), None)
    return None


def main() -> None:
    """Judge what stands on stdin."""
    asked = json.load(sys.stdin.buffer)
    finding = check_schema(asked["schema"])
    if finding[0] == "passed" and "body" in asked:
        finding = check_body(asked["schema"], asked["body"])
    json.dump(finding, sys.stdout)


if __name__ == "__main__":
    main()
