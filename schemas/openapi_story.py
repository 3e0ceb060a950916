"""The feed and the story of a failure in the OpenAPI document."""

from typing import Final

from schemas.names import Disposition, FailureType, Status, StoryWait
from schemas.openapi_parts import (
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
    words,
)

_ARRAY: Final[Json] = {"type": "array"}
_NAME: Final[Json] = TEXT | {"minLength": 1, "maxLength": 512}
_TIME: Final[Json] = {"type": "string", "format": "date-time"}


def story_paths() -> Json:
    """Return the routes."""
    base = "/api/healing"
    failure = {"name": "failure_id", "in": "path", "required": True, "schema": UUID}
    org = query("orgId", UUID, "Of one organisation alone.")
    return {
        f"{base}/feed": {
            "get": operation(
                "Failures of any status as lines, newest first, by filters; `next` is the following cursor.",
                {200: json_of("FeedPage")},
                SIGNED_IN,
                [
                    org,
                    query("status", _ARRAY | {"items": words(Status), "maxItems": len(Status)}, "Of these statuses."),
                    query("failureType", words(FailureType), "Diagnosed so."),
                    query("workflowName", _NAME, "Of this workflow."),
                    query("since", _TIME, "Detected at this time or later."),
                    query("before", _TIME, "Detected before this time."),
                    query(
                        "limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}, "At most so many."
                    ),
                    query("cursor", {"type": "string", "maxLength": 400}, "`next` of the page before."),
                ],
            )
        },
        f"{base}/feed/counts": {
            "get": operation(
                "How many failures stand where, each counted up to `most`.",
                {200: json_of("FeedCounts")},
                SIGNED_IN,
                [org],
            )
        },
        f"{base}/failures/{{failure_id}}/story": {
            "get": operation(
                "One failure with all that is kept of it: diagnosis, plan, attempts, decisions, what it waits for.",
                {200: json_of("FailureStory")},
                (*SIGNED_IN, 404),
                [failure],
            )
        },
        f"{base}/failures/{{failure_id}}/attempts/{{step}}/asset": {"get": _asset(failure)},
    }


def _asset(failure: Json) -> Json:
    step = {"name": "step", "in": "path", "required": True, "schema": COUNT | {"maximum": 2**31 - 2}}
    asked = {"in": "header", "required": False, "schema": TEXT}
    bytes_of: Json = {media: {} for media in ("image/*", "audio/*")}
    answer = operation(
        "The image or voice that an attempt made, or found to be right: the bytes as its store has them now.",
        {
            200: {"description": "The file; its type is told by its content alone.", "content": bytes_of},
            206: {"description": "A part of it.", "content": bytes_of},
            304: {"description": "It is the file that `If-None-Match` names."},
        },
        (*SIGNED_IN, 404, 416),
        [failure, step],
    )
    headers = [asked | {"name": name} for name in ("Range", "If-None-Match")]
    return answer | {"parameters": [failure, step, *headers]}


def story_schemas() -> Json:
    """Return what the routes answer."""
    asset = object_of(mediaType=TEXT, bytes=COUNT, sha256=TEXT, where=TEXT)
    asset |= {"description": "The file that the attempt made, or found to be right; `where` gives it."}
    return {**_feed(), **_parts(), **_waiting(), "AttemptAsset": asset, "FailureStory": _story()}


def _feed() -> Json:
    line = {
        "id": UUID,
        "orgId": UUID,
        "workflowName": TEXT,
        "failureReason": TEXT,
        "status": words(Status),
        "healing": FLAG,
        "suspended": FLAG,
        "failureType": nullable(words(FailureType)),
        "disposition": nullable(words(Disposition)),
        "attempts": COUNT,
        "detectedAt": MOMENT,
        "dueAt": MOMENT,
        "strategy": nullable(TEXT),
        "result": nullable(TEXT),
        "code": nullable(TEXT),
    }
    return {
        "FeedLine": object_of(**line),
        "FeedPage": object_of(failures=_ARRAY | {"items": ref("FeedLine")}, next=nullable(TEXT)),
        "FeedCounts": object_of(
            byStatus=object_of(**{status.value: COUNT for status in Status}),
            more=_ARRAY | {"items": words(Status)},
            healing=COUNT,
            healedInADay=COUNT,
            most=COUNT,
        ),
    }


def _agent() -> Json:
    span = object_of(source=TEXT, text=TEXT)
    answer = {
        "failureType": nullable(words(FailureType)),
        "disposition": nullable(words(Disposition)),
        "evidence": _ARRAY | {"items": span},
        "reason": TEXT,
    }
    told = object_of(answer, model=TEXT, asks=COUNT, tokens=COUNT, answer=nullable(TEXT))
    return told | {"description": "What a model says is broken, where no rule knows it; null where none was asked."}


def _parts() -> Json:
    evidence = object_of(
        source=TEXT,
        text=TEXT,
        rule=TEXT,
        weight=nullable({"type": "number"}),
        failureType=nullable(TEXT),
        disposition=nullable(TEXT),
        decided=FLAG,
    )
    span = object_of(start=COUNT, end=COUNT, rule=TEXT)
    passed = object_of(rung=TEXT, code=TEXT, reason=TEXT, missing=_ARRAY | {"items": TEXT})
    return {
        "StoryDiagnosis": object_of(
            failureType=nullable(words(FailureType)),
            disposition=nullable(words(Disposition)),
            confidence=nullable({"type": "number"}),
            readNow=FLAG | {"description": "No attempt keeps a diagnosis yet: this is what is read in it now."},
            agent=nullable(_agent()),
            evidence=_ARRAY | {"items": evidence},
            spans=_ARRAY
            | {"items": span, "description": "Where in failureReason the words of the evidence stand, in characters."},
        ),
        "StoryPlan": object_of(
            strategy=nullable(TEXT), passedOver=_ARRAY | {"items": passed}, asked=nullable(ref("Plan"))
        ),
        "StoryAttempt": object_of(
            id=UUID,
            failureId=UUID,
            attemptedAt=MOMENT,
            finishedAt=MOMENT,
            strategy=TEXT,
            result=TEXT,
            details=ANY,
            asset=nullable(ref("AttemptAsset")),
            step=nullable(COUNT),
            spentAud=nullable(TEXT | {"description": "What its heal has cost."}),
        ),
    }


def _waiting() -> Json:
    return {
        "StoryHeal": object_of(
            strategy=TEXT,
            stands=TEXT | {"enum": ["running", "suspended", "parked"]},
            waitsFor=nullable(TEXT),
            claimedAt=MOMENT,
            suspendedSince=MOMENT,
            suspendedUntil=MOMENT,
            heldAud=TEXT,
            effect=TEXT,
            effectBegun=FLAG,
            revoked=FLAG,
        ),
        "StoryWaits": object_of(on=words(StoryWait), since=MOMENT, until=MOMENT, said=nullable(TEXT)),
    }


def _story() -> Json:
    decision = object_of(step=COUNT, decision=TEXT, by=TEXT, reason=TEXT, decidedAt=MOMENT)
    request = object_of(step=COUNT, by=TEXT, requestedAt=MOMENT)
    told = object_of(source=nullable(TEXT), detectedAt=MOMENT, failureReason=TEXT, error=ANY)
    return object_of(
        failure=ref("FailureWithState"),
        diagnosis=ref("StoryDiagnosis"),
        plan=ref("StoryPlan"),
        attempts=_ARRAY | {"items": ref("StoryAttempt")},
        moreAttempts=FLAG,
        membersAttempts=_ARRAY | {"items": ref("Attempt")},
        decisions=_ARRAY | {"items": decision},
        requests=_ARRAY | {"items": request},
        furtherEvents=_ARRAY
        | {"items": told, "description": "What others told of the same failure of its run, 16 of them at most."},
        heal=nullable(ref("StoryHeal")),
        waits=ref("StoryWaits"),
    )
