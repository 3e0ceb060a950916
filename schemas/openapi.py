"""The OpenAPI 3.1 document of the HTTP API: every route, what it takes, and every answer that it may give."""

from typing import Final

from schemas.names import Code, Disposition, FailureType, Result, Status, StrategyName
from schemas.openapi_bindings import binding_paths, binding_schemas
from schemas.openapi_live import live_paths, live_schemas
from schemas.openapi_orders import order_paths, order_schemas
from schemas.openapi_parts import (
    ALWAYS,
    ANY,
    COUNT,
    FLAG,
    MOMENT,
    SIGNED_IN,
    TEXT,
    UUID,
    Json,
    json_of,
    nullable,
    object_of,
    operation,
    query,
    ref,
    takes,
    with_keys,
    words,
)
from schemas.openapi_reports import report_operation, report_schemas
from schemas.openapi_story import story_paths, story_schemas

VERSION: Final = "3.1.0"
API_VERSION: Final = "1.0.0"


def openapi_document() -> Json:
    """Build the document."""
    paths = _healing_paths() | story_paths() | _plan_paths() | _pause_paths() | order_paths()
    paths |= binding_paths() | live_paths() | _process_paths()
    return {
        "openapi": VERSION,
        "info": {
            "title": "Self-Healing Workflows",
            "version": API_VERSION,
            "description": "Failures and attempts for owners and admins, asking for a heal, health and metrics.",
        },
        "paths": with_keys(paths),
        "components": {
            "schemas": _schemas() | live_schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _healing_paths() -> Json:
    org = query("orgId", UUID, "Of one organisation alone.")
    failure = {"name": "failure_id", "in": "path", "required": True, "schema": UUID}
    base = "/api/healing"
    return {
        f"{base}/failures": {
            "get": operation(
                "The unresolved failures of the user's organisations, newest first; `next` is the following cursor.",
                {200: json_of("FailurePage")},
                (*SIGNED_IN,),
                [
                    org,
                    query(
                        "limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}, "At most so many."
                    ),
                    query("cursor", {"type": "string", "maxLength": 400}, "`next` of the page before."),
                ],
            ),
            "post": report_operation(),
        },
        f"{base}/failures/{{failure_id}}": {
            "get": operation(
                "One failure, resolved or not, and where it stands.",
                {200: json_of("FailureWithState")},
                (*SIGNED_IN, 404),
                [failure],
            )
        },
        f"{base}/failures/{{failure_id}}/attempts": {
            "get": operation(
                "The healer's attempts on a failure, newest first, then those without a step, which members recorded.",
                {200: json_of("AttemptPage")},
                (*SIGNED_IN, 404),
                [failure, query("before", COUNT | {"maximum": 2**31 - 1}, "`next` of the page before.")],
            )
        },
        f"{base}/stats": {
            "get": operation("Counts of the user's failures.", {200: json_of("Stats")}, SIGNED_IN, [org])
        },
        f"{base}/heal": {"post": _heal()},
    }


def _plan_paths() -> Json:
    failure = {"name": "failure_id", "in": "path", "required": True, "schema": UUID}
    base = "/api/healing/failures/{failure_id}/plan"

    def answers(summary: str, body: str) -> Json:
        answer = operation(summary, {200: json_of("PlanAnswered")}, (*SIGNED_IN, 404, 409), [failure])
        return {"post": answer | takes(body)}

    return {
        base: {
            "get": operation(
                "The plan of a failure that was asked for last, whole, and the answers to it.",
                {200: json_of("Plan")},
                (*SIGNED_IN, 404),
                [failure],
            )
        },
        f"{base}/approve": answers("Says yes to exactly this plan: it is carried out once.", "PlanApproval"),
        f"{base}/deny": answers(
            "Says no to exactly this plan: once this is answered no effect of it begins.", "PlanAnswer"
        ),
    }


def _pause_paths() -> Json:
    base = "/api/healing"
    return {
        f"{base}/pauses": {
            "get": operation(
                "The pauses that reach the user's organisations; with `show=all` also those that are over.",
                {200: json_of("Pauses")},
                SIGNED_IN,
                [query("show", {"type": "string", "enum": ["standing", "all"], "default": "standing"}, "Which.")],
            ),
            "post": operation(
                "Holds healing within an organisation: once this is answered no effect begins there.",
                {201: json_of("Pause")},
                (*SIGNED_IN, 404, 409),
            )
            | takes("PauseRequest"),
        },
        f"{base}/pauses/{{pause_id}}/resume": {
            "post": operation(
                "Ends a pause of an organisation; those of the fleet only its operator ends.",
                {200: json_of("Pause")},
                (*SIGNED_IN, 404, 409),
                [{"name": "pause_id", "in": "path", "required": True, "schema": UUID}],
            )
            | takes("ResumeRequest")
        },
    }


def _heal() -> Json:
    asks = operation(
        "Has a failure healed now; waits a while for the attempt, then answers 202 with where to look.",
        {200: json_of("Healed"), 202: json_of("Pending")},
        (*SIGNED_IN, 404, 409),
    )
    return asks | takes("HealRequest")


def _process_paths() -> Json:
    text = {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": TEXT}}}
    openapi = {"description": "This document.", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "/api/healing/openapi.json": {"get": operation("This document.", {200: openapi}, ALWAYS, signed_in=False)},
        "/healthz": {
            "get": operation(
                "Liveness: 503 when a clock stands still.",
                {200: json_of("Health"), 503: json_of("Health")},
                (400, 408, 500),
                signed_in=False,
            )
        },
        "/readyz": {
            "get": operation(
                "Readiness: 503 with the reasons while the process is not ready.",
                {200: json_of("Readiness"), 503: json_of("Readiness")},
                (400, 408, 500),
                signed_in=False,
            )
        },
        "/metrics": {"get": operation("Metrics.", {200: text}, ALWAYS, signed_in=False)},
    }


def _schemas() -> Json:
    failure = {
        "id": UUID,
        "orgId": UUID,
        "workflowName": TEXT,
        "failureReason": TEXT,
        "context": ANY,
        "detectedAt": MOMENT,
        "resolved": FLAG,
    }
    state = {
        "status": words(Status),
        "step": COUNT,
        "attempts": COUNT,
        "failureType": nullable(words(FailureType)),
        "disposition": nullable(words(Disposition)),
        "waitsOn": nullable(TEXT),
        "dueAt": MOMENT,
        "receivedAt": MOMENT,
        "suspendedUntil": MOMENT,
        "suspendedBy": nullable(words(StrategyName)),
        "suspendedSince": MOMENT,
        "waitsFor": nullable(TEXT),
        "relapseOf": nullable(UUID),
    }
    pages = {
        "FailurePage": object_of(failures={"type": "array", "items": ref("Failure")}, next=nullable(TEXT)),
        "AttemptPage": object_of(attempts={"type": "array", "items": ref("Attempt")}, next=nullable(COUNT)),
    }
    return {
        "Failure": object_of(**failure),
        "FailureWithState": object_of(**failure, **state),
        "Attempt": _attempt(),
        **pages,
        **_plans(),
        **_pauses(),
        **order_schemas(),
        **binding_schemas(),
        **story_schemas(),
        **report_schemas(),
        **_answers(),
    }


def _attempt() -> Json:
    return object_of(
        id=UUID,
        failureId=UUID,
        attemptedAt=MOMENT,
        strategy=TEXT,
        result=TEXT,
        details=ANY,
        asset=nullable(ref("AttemptAsset")),
        step=nullable(COUNT),
    )


def _plans() -> Json:
    moment = {"type": "string", "format": "date-time"}
    plan_hash = TEXT | {"minLength": 1, "maxLength": 128}
    answer = {
        "by": TEXT,
        "approves": FLAG,
        "step": COUNT,
        "planHash": plan_hash,
        "reason": TEXT,
        "answeredAt": moment,
    }
    plan = {
        "state": TEXT | {"enum": ["asked", "approved", "denied", "expired"]},
        "step": COUNT,
        "strategy": words(StrategyName),
        "planHash": plan_hash,
        "plan": ANY,
        "why": {"type": "array", "items": TEXT},
        "asked": COUNT,
        "asks": COUNT,
        "approvers": COUNT,
        "selfApproval": FLAG,
        "askedAt": moment,
        "expiresAt": moment,
        "answers": {"type": "array", "items": object_of(**answer)},
    }
    given = {"planHash": plan_hash, "step": COUNT, "reason": TEXT | {"minLength": 1, "maxLength": 4096}}
    changes = {
        "type": ["object", "null"],
        "description": "New parts of the context (`payload`), judged by their schema; the answer names their plan.",
    }
    return {
        "Plan": object_of(**plan),
        "PlanAnswer": object_of(**given),
        "PlanApproval": object_of({"changes": changes}, **given),
        "PlanAnswered": object_of(
            failureId=UUID,
            result=TEXT | {"enum": ["approved", "counted", "denied", "already"]},
            planHash=plan_hash,
            wanting=COUNT,
        ),
    }


def _pauses() -> Json:
    reason = TEXT | {"minLength": 1, "maxLength": 4096}
    name = nullable(TEXT | {"minLength": 1, "maxLength": 512})
    moment = nullable({"type": "string", "format": "date-time"})
    reach = {
        "workflowName": name | {"description": "A name, or a pattern with `*` and `?`."},
        "failureType": nullable(words(FailureType)),
        "strategy": nullable(words(StrategyName)),
        "dependency": name,
    }
    pause = {
        "id": UUID,
        "stands": FLAG,
        "orgId": nullable(UUID),
        **reach,
        "reason": TEXT,
        "pausedBy": TEXT,
        "startsAt": {"type": "string", "format": "date-time"},
        "endsAt": moment,
        "endedAt": moment,
        "endedBy": nullable(TEXT),
        "endReason": nullable(TEXT),
    }
    return {
        "Pause": object_of(**pause),
        "Pauses": object_of(pauses={"type": "array", "items": ref("Pause")}),
        "PauseRequest": object_of({**reach, "startsAt": moment, "endsAt": moment}, orgId=UUID, reason=reason),
        "ResumeRequest": object_of(reason=reason),
    }


def _answers() -> Json:
    clock = object_of(seconds={"type": "number"}, limit={"type": "number"}, ok=FLAG)
    texts: Json = {"type": "array", "items": TEXT}
    return {
        "Stats": object_of(
            totalFailures=COUNT,
            resolved=COUNT,
            pending=COUNT,
            successRate={"type": "integer", "maximum": 100},
            suspended=COUNT,
            suspendedByStrategy={"type": "object", "additionalProperties": COUNT},
            paused=COUNT,
        ),
        "HealRequest": {"type": "object", "properties": {"failureId": UUID}, "required": ["failureId"]},
        "Healed": object_of(
            success=FLAG,
            strategy=TEXT,
            result=words(Result),
            code=nullable(words(Code)),
            details=ANY,
            attemptId=UUID,
            step=COUNT,
        ),
        "Pending": object_of(failureId=UUID, status={"const": "pending"}, where=TEXT),
        "Error": object_of(error=object_of(code=TEXT, message=TEXT)),
        "Health": object_of(
            status={"type": "string", "enum": ["ok", "failing"]},
            failing=texts,
            clocks={"type": "object", "additionalProperties": clock},
        ),
        "Readiness": object_of(ready=FLAG, reasons=texts, notes=texts),
    }
