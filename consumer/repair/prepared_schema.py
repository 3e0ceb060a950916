"""A schema as every judge of ours reads it: references within it resolved, patterns written for Python. Pure."""

from typing import Any

from consumer.repair.ecma_patterns import UnknownProperty, with_python_patterns
from consumer.repair.references import with_local_references
from consumer.repair.validator import UnusableSchema


def prepared(schema: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """Return a schema ready to be judged by; raises UnusableSchema where it refers to elsewhere."""
    try:
        return with_python_patterns(with_local_references(schema))
    except UnknownProperty as unknown:
        raise UnusableSchema(f"a pattern in it names \\p{{{unknown}}}, which is not known here") from None
    except RecursionError:
        raise UnusableSchema("nested too deeply") from None
