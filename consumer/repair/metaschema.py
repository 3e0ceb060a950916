"""Check that a schema is one: the library's answer, found in a fifth of its time where there is nothing to say.

The metaschema of 2020-12 is seven vocabularies that refer to each other dynamically, by addresses. Nobody extends it
here, so that all of them are one schema with local references, which judges alike. A schema that it refuses is judged
once more by the library, whose error is the one that is told.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from consumer.repair.fast_keywords import fast_class
from consumer.repair.keywords import SPECIFICATIONS

_VOCABULARIES: Final = (
    "core", "applicator", "unevaluated", "validation", "meta-data", "format-annotation", "content",
)  # fmt: skip
_ADDRESS: Final = "https://json-schema.org/draft/2020-12/meta/"


def check_schema(kind: type[Validator], schema: Any) -> None:  # noqa: ANN401 - JSON is anything
    """Raise the library's SchemaError where a schema is none of its draft."""
    if kind is Draft202012Validator and _joined().is_valid(schema):
        return
    library: Any = kind
    library.check_schema(schema)


@cache
def _joined() -> Validator:
    properties: dict[str, Any] = dict(Draft202012Validator.META_SCHEMA["properties"])
    shared: dict[str, Any] = {}
    for name in _VOCABULARIES:
        part = SPECIFICATIONS.contents(_ADDRESS + name)
        properties |= part["properties"]
        shared |= part.get("$defs", {})
    joined: Any = _with_local_references({"type": ["object", "boolean"], "properties": properties, "$defs": shared})
    return fast_class(Draft202012Validator, joined)(joined, format_checker=Draft202012Validator.FORMAT_CHECKER)


def _with_local_references(node: Any) -> Any:  # noqa: ANN401 - JSON is anything
    if isinstance(node, list):
        return [_with_local_references(one) for one in node]
    if not isinstance(node, Mapping):
        return node
    if node.get("$dynamicRef") == "#meta":
        return {"$ref": "#"}
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith("meta/"):
        return {"$ref": f"#{reference.partition('#')[2]}"}
    return {name: _with_local_references(one) for name, one in node.items()}
