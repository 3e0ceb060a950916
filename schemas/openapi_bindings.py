"""Bindings of dependencies in the OpenAPI document."""

from schemas.dependency_binding import BindingState
from schemas.openapi_parts import (
    COUNT,
    SIGNED_IN,
    TEXT,
    UUID,
    Json,
    json_of,
    nullable,
    object_of,
    operation,
    ref,
    words,
)


def binding_paths() -> Json:
    """Return the route."""
    summary = "Where calls go to dependencies of the user's organisations that are or were replaced, and why."
    return {"/api/healing/bindings": {"get": operation(summary, {200: json_of("Bindings")}, SIGNED_IN)}}


def binding_schemas() -> Json:
    """Return what the route answers."""
    moment = {"type": "string", "format": "date-time"}
    said: Json = {"type": "array", "items": {"type": "object"}}
    binding = object_of(
        orgId=UUID,
        dependency=TEXT,
        version=COUNT,
        state=words(BindingState),
        candidate=nullable(TEXT),
        changedAt=moment,
        leaseUntil=nullable(moment),
        ejections=COUNT,
        reason=TEXT,
        evidence=said,
    )
    return {"Binding": binding, "Bindings": object_of(bindings={"type": "array", "items": ref("Binding")})}
