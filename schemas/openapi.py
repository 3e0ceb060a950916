"""The OpenAPI 3.1 document of the HTTP API: every route, what it takes, and every answer that it may give."""

from collections.abc import Mapping
from typing import Any, Final

from schemas.names import Code, Disposition, FailureType, Result, Status, StrategyName

Json = dict[str, Any]

VERSION: Final = "3.1.0"
API_VERSION: Final = "1.0.0"
_TEXT: Final[Json] = {"type": "string"}
_UUID: Final[Json] = {"type": "string", "format": "uuid"}
_COUNT: Final[Json] = {"type": "integer", "minimum": 0}
_FLAG: Final[Json] = {"type": "boolean"}
_MOMENT: Final[Json] = {
    "type": ["string", "null"],
    "description": "RFC 3339; of a row that a member inserted also `infinity`, or a year BC.",
}
_ANY: Final[Json] = {"description": "Any JSON, without its secrets."}

_ERRORS: Final[Mapping[int, str]] = {
    400: "Not HTTP (`bad_request`), or a cursor that is not one of ours (`bad_cursor`).",
    401: "Not signed in (`not_signed_in`): the token is missing, expired, or not a user's.",
    404: "No such failure, organisation or pause among those that the user administers (`not_found`).",
    408: "The request did not come in time (`too_slow`).",
    409: "It is resolved, needs a person, waits for approval; or a pause is over, or one too many: see the code.",
    413: "The body is too large (`too_large`).",
    422: "A parameter or the body is not what it has to be (`invalid_request`).",
    429: "Too many requests (`too_many_requests`): come again after `Retry-After` seconds.",
    500: "A fault of the healer (`internal`): its log tells more.",
    503: "Not now (`busy`, `unavailable`, `sign_in_unavailable`): come again after `Retry-After` seconds.",
}
_ALWAYS: Final = (400, 408, 413, 429, 500, 503)
_SIGNED_IN: Final = (*_ALWAYS, 401, 422)


def openapi_document() -> Json:
    """Build the document."""
    return {
        "openapi": VERSION,
        "info": {
            "title": "Self-Healing Workflows",
            "version": API_VERSION,
            "description": "Failures and attempts for owners and admins, asking for a heal, health and metrics.",
        },
        "paths": _healing_paths() | _pause_paths() | _process_paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _healing_paths() -> Json:
    org = _query("orgId", _UUID, "Of one organisation alone.")
    failure = {"name": "failure_id", "in": "path", "required": True, "schema": _UUID}
    base = "/api/healing"
    return {
        f"{base}/failures": {
            "get": _operation(
                "The unresolved failures of the user's organisations, newest first; `next` is the following cursor.",
                {200: _json("FailurePage")},
                (*_SIGNED_IN,),
                [
                    org,
                    _query(
                        "limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}, "At most so many."
                    ),
                    _query("cursor", {"type": "string", "maxLength": 400}, "`next` of the page before."),
                ],
            )
        },
        f"{base}/failures/{{failure_id}}": {
            "get": _operation(
                "One failure, resolved or not, and where it stands.",
                {200: _json("FailureWithState")},
                (*_SIGNED_IN, 404),
                [failure],
            )
        },
        f"{base}/failures/{{failure_id}}/attempts": {
            "get": _operation(
                "The healer's attempts on a failure, newest first, then those without a step, which members recorded.",
                {200: _json("AttemptPage")},
                (*_SIGNED_IN, 404),
                [failure, _query("before", _COUNT | {"maximum": 2**31 - 1}, "`next` of the page before.")],
            )
        },
        f"{base}/stats": {
            "get": _operation("Counts of the user's failures.", {200: _json("Stats")}, _SIGNED_IN, [org])
        },
        f"{base}/heal": {"post": _heal()},
    }


def _pause_paths() -> Json:
    base = "/api/healing"
    return {
        f"{base}/pauses": {
            "get": _operation(
                "The pauses that reach the user's organisations; with `show=all` also those that are over.",
                {200: _json("Pauses")},
                _SIGNED_IN,
                [_query("show", {"type": "string", "enum": ["standing", "all"], "default": "standing"}, "Which.")],
            ),
            "post": _operation(
                "Holds healing within an organisation: once this is answered no effect begins there.",
                {201: _json("Pause")},
                (*_SIGNED_IN, 404, 409),
            )
            | _takes("PauseRequest"),
        },
        f"{base}/pauses/{{pause_id}}/resume": {
            "post": _operation(
                "Ends a pause of an organisation; those of the fleet only its operator ends.",
                {200: _json("Pause")},
                (*_SIGNED_IN, 404, 409),
                [{"name": "pause_id", "in": "path", "required": True, "schema": _UUID}],
            )
            | _takes("ResumeRequest")
        },
    }


def _heal() -> Json:
    operation = _operation(
        "Has a failure healed now; waits a while for the attempt, then answers 202 with where to look.",
        {200: _json("Healed"), 202: _json("Pending")},
        (*_SIGNED_IN, 404, 409),
    )
    return operation | _takes("HealRequest")


def _takes(name: str) -> Json:
    return {"requestBody": {"required": True} | _content(name)}


def _process_paths() -> Json:
    text = {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": _TEXT}}}
    openapi = {"description": "This document.", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "/api/healing/openapi.json": {"get": _operation("This document.", {200: openapi}, _ALWAYS, signed_in=False)},
        "/healthz": {
            "get": _operation(
                "Liveness: 503 when a clock stands still.",
                {200: _json("Health"), 503: _json("Health")},
                (400, 408, 500),
                signed_in=False,
            )
        },
        "/readyz": {
            "get": _operation(
                "Readiness: 503 with the reasons while the process is not ready.",
                {200: _json("Readiness"), 503: _json("Readiness")},
                (400, 408, 500),
                signed_in=False,
            )
        },
        "/metrics": {"get": _operation("Metrics.", {200: text}, _ALWAYS, signed_in=False)},
    }


def _operation(
    summary: str,
    answers: Mapping[int, Json],
    errors: tuple[int, ...],
    parameters: list[Json] | None = None,
    *,
    signed_in: bool = True,
) -> Json:
    refused = {code: {"description": _ERRORS[code]} | _content("Error") for code in sorted(set(errors) - set(answers))}
    responses = {str(code): said for code, said in sorted((dict(answers) | refused).items())}
    operation: Json = {"summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = parameters
    if signed_in:
        operation["security"] = [{"token": []}]
    return operation


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _json(name: str) -> Json:
    return {"description": name} | _content(name)


def _content(name: str) -> Json:
    return {"content": {"application/json": {"schema": _ref(name)}}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(optional: Mapping[str, Json] | None = None, /, **members: Json) -> Json:
    return {
        "type": "object",
        "properties": members | dict(optional or {}),
        "required": list(members),
        "additionalProperties": False,
    }


def _nullable(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _words(names: type[Status | Result | Code | Disposition | FailureType | StrategyName]) -> Json:
    return {"type": "string", "enum": [name.value for name in names]}


def _schemas() -> Json:
    failure = {
        "id": _UUID,
        "orgId": _UUID,
        "workflowName": _TEXT,
        "failureReason": _TEXT,
        "context": _ANY,
        "detectedAt": _MOMENT,
        "resolved": _FLAG,
    }
    state = {
        "status": _words(Status),
        "step": _COUNT,
        "attempts": _COUNT,
        "failureType": _nullable(_words(FailureType)),
        "disposition": _nullable(_words(Disposition)),
        "waitsOn": _nullable(_TEXT),
        "dueAt": _MOMENT,
        "receivedAt": _MOMENT,
        "suspendedUntil": _MOMENT,
    }
    attempt = {
        "id": _UUID,
        "failureId": _UUID,
        "attemptedAt": _MOMENT,
        "strategy": _TEXT,
        "result": _TEXT,
        "details": _ANY,
        "step": _nullable(_COUNT),
    }
    pages = {
        "FailurePage": _object(failures={"type": "array", "items": _ref("Failure")}, next=_nullable(_TEXT)),
        "AttemptPage": _object(attempts={"type": "array", "items": _ref("Attempt")}, next=_nullable(_COUNT)),
    }
    return {
        "Failure": _object(**failure),
        "FailureWithState": _object(**failure, **state),
        "Attempt": _object(**attempt),
        **pages,
        **_pauses(),
        **_answers(),
    }


def _pauses() -> Json:
    reason = _TEXT | {"minLength": 1, "maxLength": 4096}
    name = _nullable(_TEXT | {"minLength": 1, "maxLength": 512})
    moment = _nullable({"type": "string", "format": "date-time"})
    reach = {
        "workflowName": name | {"description": "A name, or a pattern with `*` and `?`."},
        "failureType": _nullable(_words(FailureType)),
        "strategy": _nullable(_words(StrategyName)),
        "dependency": name,
    }
    pause = {
        "id": _UUID,
        "stands": _FLAG,
        "orgId": _nullable(_UUID),
        **reach,
        "reason": _TEXT,
        "pausedBy": _TEXT,
        "startsAt": {"type": "string", "format": "date-time"},
        "endsAt": moment,
        "endedAt": moment,
        "endedBy": _nullable(_TEXT),
        "endReason": _nullable(_TEXT),
    }
    return {
        "Pause": _object(**pause),
        "Pauses": _object(pauses={"type": "array", "items": _ref("Pause")}),
        "PauseRequest": _object({**reach, "startsAt": moment, "endsAt": moment}, orgId=_UUID, reason=reason),
        "ResumeRequest": _object(reason=reason),
    }


def _answers() -> Json:
    clock = _object(seconds={"type": "number"}, limit={"type": "number"}, ok=_FLAG)
    texts: Json = {"type": "array", "items": _TEXT}
    return {
        "Stats": _object(
            totalFailures=_COUNT,
            resolved=_COUNT,
            pending=_COUNT,
            successRate={"type": "integer", "maximum": 100},
            suspended=_COUNT,
        ),
        "HealRequest": {"type": "object", "properties": {"failureId": _UUID}, "required": ["failureId"]},
        "Healed": _object(
            success=_FLAG,
            strategy=_TEXT,
            result=_words(Result),
            code=_nullable(_words(Code)),
            details=_ANY,
            attemptId=_UUID,
            step=_COUNT,
        ),
        "Pending": _object(failureId=_UUID, status={"const": "pending"}, where=_TEXT),
        "Error": _object(error=_object(code=_TEXT, message=_TEXT)),
        "Health": _object(
            status={"type": "string", "enum": ["ok", "failing"]},
            failing=texts,
            clocks={"type": "object", "additionalProperties": clock},
        ),
        "Readiness": _object(ready=_FLAG, reasons=texts, notes=texts),
    }
