"""Edits and bulks in the OpenAPI document."""

from schemas.names import BulkAction, BulkState, Code, FailureType, Status
from schemas.openapi_parts import (
    ANY,
    COUNT,
    FLAG,
    SIGNED_IN,
    TEXT,
    UUID,
    Json,
    json_of,
    nullable,
    object_of,
    operation,
    ref,
    takes,
    words,
)

_BASE = "/api/healing"


def order_paths() -> Json:
    """Return the routes."""
    failure = {"name": "failure_id", "in": "path", "required": True, "schema": UUID}
    bulk = {"name": "bulk_id", "in": "path", "required": True, "schema": UUID}
    refused = (*SIGNED_IN, 404, 409)

    def turns(summary: str) -> Json:
        return {"post": operation(summary, {200: json_of("OrderAnswered")}, refused, [bulk])}

    return {
        f"{_BASE}/failures/{{failure_id}}/edit": {
            "post": operation(
                "Gives a failed step another input (payload, or the body of its request), and heals it with that.",
                {200: json_of("OrderAnswered")},
                refused,
                [failure],
            )
            | takes("EditRequest")
        },
        f"{_BASE}/bulks": {
            "post": operation(
                "Freezes what a filter finds now, and says how many, and what a heal of each may cost.",
                {200: json_of("OrderAnswered")},
                refused,
            )
            | takes("BulkRequest")
        },
        f"{_BASE}/bulks/{{bulk_id}}": {
            "get": operation("How far a bulk is.", {200: json_of("Bulk")}, (*SIGNED_IN, 404), [bulk])
        },
        f"{_BASE}/bulks/{{bulk_id}}/start": turns("Does what was frozen, or goes on with what was stopped."),
        f"{_BASE}/bulks/{{bulk_id}}/stop": turns("Does nothing more of it."),
    }


def order_schemas() -> Json:
    """Return what the routes take and answer."""
    reason = TEXT | {"minLength": 1, "maxLength": 4096}
    name = nullable(TEXT | {"minLength": 1, "maxLength": 512})
    moment = {"type": "string", "format": "date-time"}
    counts = dict.fromkeys(("failures", "waiting", "accepted", "already", "refused", "underWay", "healed"), COUNT)
    wanted = {
        "workflowName": name,
        "failureType": nullable(words(FailureType)),
        "code": nullable(words(Code)),
        "fingerprint": nullable(TEXT | {"pattern": "^[0-9a-f]{12}$"}),
        "target": name,
        "statuses": nullable({"type": "array", "items": words(Status), "minItems": 1, "maxItems": len(Status)}),
        "detectedSince": nullable(moment),
        "detectedBefore": nullable(moment),
    }
    rate = {"type": "number", "exclusiveMinimum": 0, "maximum": 500}
    frozen = object_of(bulkId=UUID, failures=COUNT, atMostAud=nullable(TEXT))
    return {
        "EditRequest": object_of({"payload": ANY, "body": ANY, "didNotHappen": FLAG}, reason=reason),
        "BulkFilter": object_of(wanted),
        "BulkRequest": object_of(
            {"filter": ref("BulkFilter"), "rate": rate}, orgId=UUID, action=words(BulkAction), reason=reason
        ),
        "OrderAnswered": object_of(outcome=TEXT | {"enum": ["accepted", "already"]}, bulk=nullable(frozen)),
        "Bulk": object_of(
            id=UUID,
            orgId=nullable(UUID),
            action=words(BulkAction),
            state=words(BulkState),
            by=TEXT,
            rate={"type": "number"},
            atMostAud=nullable(TEXT),
            createdAt=moment,
            **counts,
        ),
    }
