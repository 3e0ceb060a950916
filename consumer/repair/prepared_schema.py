"""A schema as every judge of ours reads it: references within it resolved, patterns written for Python. Pure."""

from collections.abc import Mapping
from typing import Any

from consumer.repair.ecma_patterns import UnknownProperty, with_python_patterns
from consumer.repair.references import NAMED_SCHEMAS, NO_SCHEMAS, with_local_references
from consumer.repair.validator import UnusableSchema


def with_nullable(schema: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """Return a schema in which `nullable: true` beside a `type` allows null, as in OpenAPI 3.0."""
    if isinstance(schema, list):
        return [with_nullable(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {name: _nullable_below(name, value) for name, value in schema.items()}
    if schema.get("nullable") is not True or "type" not in schema:
        return made
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    made["type"] = [*types, *(["null"] if "null" not in types else [])]
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        made["enum"] = [*schema["enum"], None]
    return made


def _nullable_below(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON is anything
    if name in NO_SCHEMAS:
        return value
    if name in NAMED_SCHEMAS and isinstance(value, Mapping):
        return {key: with_nullable(one) for key, one in value.items()}
    return with_nullable(value)


def prepared(schema: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """Return a schema ready to be judged by; raises UnusableSchema where it refers to elsewhere."""
    try:
        return with_python_patterns(with_local_references(schema))
    except UnknownProperty as unknown:
        raise UnusableSchema(f"a pattern in it names \\p{{{unknown}}}, which is not known here") from None
    except RecursionError:
        raise UnusableSchema("nested too deeply") from None
