"""JSON Schema validation as a library and as a child process, so that a hostile schema's process can be ended.

A request is `{"schema", "body"?}`, an answer `[verdict, detail]`. A reference is resolved within the schema only:
validation never opens a connection.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing.exceptions import Unresolvable

if __name__ == "__main__":
    # In isolated mode (-I) the interpreter does not know the path of this checkout.
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from consumer.repair.formats import FORMATS
from consumer.repair.keywords import SPECIFICATIONS, corrected
from consumer.repair.prepared_schema import prepared
from consumer.repair.validator import UnusableSchema
from consumer.workers.child import run

Finding: TypeAlias = tuple[Literal["passed", "failed", "unusable"], str]
"""Verdict and detail: what was found, and where; no value of the body is quoted."""

_SHOWN: Final = 160


def check_schema(schema: Any) -> Finding:  # noqa: ANN401 - JSON is anything
    """Check that a schema is valid JSON Schema 2020-12, and refers to nothing outside itself."""
    try:
        ready = prepared(schema)
        Draft202012Validator.check_schema(ready)
    except UnusableSchema as unusable:
        return "unusable", str(unusable)[:_SHOWN]
    except SchemaError as error:
        return "unusable", f"not a JSON Schema 2020-12 at /{_path(error)}: fails `{error.validator}`"
    except RecursionError:
        return "unusable", "nested too deeply"
    return "passed", "a usable schema"


def check_body(schema: Any, body: Any) -> Finding:  # noqa: ANN401 - JSON is anything
    """Validate a body against a schema, formats included."""
    try:
        validator = corrected(Draft202012Validator)(prepared(schema), registry=SPECIFICATIONS, format_checker=FORMATS)
        error = best_match(validator.iter_errors(body))
    except UnusableSchema as unusable:
        return "unusable", str(unusable)[:_SHOWN]
    except Unresolvable:
        return "unusable", "a reference in the schema leads nowhere"
    except RecursionError:
        return "unusable", "the schema refers to itself without end"
    except re.error:
        return "unusable", "a pattern in the schema is not a regular expression"
    return ("failed", f"at /{_path(error)}: fails `{error.validator}`"[:_SHOWN]) if error else ("passed", "valid")


def _path(error: ValidationError | SchemaError) -> str:
    return "/".join(str(step) for step in error.absolute_path)[:_SHOWN]


def answer(request: bytes) -> bytes:
    """Check the schema of a request, and the body where there is one."""
    asked = json.loads(request)
    finding = check_schema(asked["schema"])
    if finding[0] == "passed" and "body" in asked:
        finding = check_body(asked["schema"], asked["body"])
    return json.dumps(finding).encode()


if __name__ == "__main__":
    run(answer)
