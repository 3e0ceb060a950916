"""The stream of what moves, causes, incidents and spend in the OpenAPI document."""

from typing import Final

from schemas.names import Budget, FailureType, IncidentAct
from schemas.openapi_parts import (
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
    words,
)

_BASE: Final = "/api/healing"
_AUD: Final = TEXT | {"description": "Australian dollars, as an exact decimal; negative: spent."}
_STREAM: Final = (
    "Server-sent events. `snapshot`: read anew, what was known before may be old. `moved`: what changed since the one "
    "before. Both carry JSON, `{counts: {byStatus, more, most}, changed: [{id, status, healing}], moreChanged}` (no "
    "counts of one failure), and an id: with it as `Last-Event-ID` a stream goes on without a gap, at any replica. "
    "A comment every 15 s keeps it open."
)


def live_paths() -> Json:
    """Return the routes."""
    org = query("orgId", UUID, "Of one organisation alone.")
    return {
        f"{_BASE}/stream": {
            "get": operation(
                "Tells what moves in the user's organisations, or of one failure, until the stream's time is over.",
                {
                    200: {
                        "description": _STREAM,
                        "content": {"text/event-stream": {"schema": {"description": "Each event."}}},
                    }
                },
                (*SIGNED_IN, 404, 409),
                [org, query("failureId", UUID, "Of this failure alone.")],
            )
        },
        f"{_BASE}/spend": {
            "get": operation(
                "What an organisation's ledger says of some days, by strategy and day, held against what was left.",
                {200: json_of("Spend")},
                (*SIGNED_IN, 404),
                [
                    query("orgId", UUID, "Of this organisation; of the first where none is named."),
                    query("budget", words(Budget) | {"default": "text"}, "Of this budget."),
                    query("since", _day(), "From this day on (UTC); 30 days before the last where none is named."),
                    query("until", _day(), "To this day, which is included; today where none is named."),
                ],
            )
        },
        f"{_BASE}/causes": {
            "get": operation(
                "What is not healed, as one case for each cause, the most frequent first.",
                {200: json_of("Causes")},
                SIGNED_IN,
                [org],
            )
        },
        **_incident_paths(),
    }


def _day() -> Json:
    return TEXT | {"format": "date"}


def _incident_paths() -> Json:
    incident = {"name": "incident_id", "in": "path", "required": True, "schema": UUID}
    refused = (*SIGNED_IN, 404, 409)
    shows = query("show", {"type": "string", "enum": ["open", "all"], "default": "open"}, "Which.")
    one = f"{_BASE}/incidents/{{incident_id}}"
    opened = {200: json_of("Incident"), 201: json_of("Incident")}
    return {
        f"{_BASE}/incidents": {
            "get": operation(
                "The open incidents of the user's organisations, the newest first.",
                {200: json_of("Incidents")},
                SIGNED_IN,
                [shows],
            ),
            "post": operation(
                "Makes one case of the cause of a failure; 200 with the case that stands already.", opened, refused
            )
            | takes("IncidentRequest"),
        },
        one: {
            "get": operation(
                "An incident with its clock, and every act of a person on it.",
                {200: json_of("WholeIncident")},
                (*SIGNED_IN, 404),
                [incident],
            )
        },
        f"{one}/acts": {
            "post": operation(
                "Acknowledges an incident, takes or releases it, notes something, or closes it.",
                {200: json_of("Incident")},
                refused,
                [incident],
            )
            | takes("IncidentActRequest")
        },
        f"{one}/heal": {
            "post": operation(
                "Freezes all of an incident that can be healed at once: a bulk, which its start begins.",
                {200: json_of("FrozenIncident")},
                refused,
                [incident],
            )
            | takes("HealAllRequest")
        },
    }


def live_schemas() -> Json:
    """Return what the routes take and answer."""
    return _incidents() | _spend()


def _incidents() -> Json:
    moment = {"type": "string", "format": "date-time"}
    seconds = nullable({"type": "number", "minimum": 0})
    incident = {
        "id": UUID,
        "orgId": UUID,
        "fingerprint": TEXT,
        "failureReason": TEXT,
        "failureType": nullable(TEXT),
        "since": moment,
        "openedAt": moment,
        "openedBy": TEXT,
        "ownedBy": nullable(TEXT),
        "acknowledgedAt": nullable(moment),
        "acknowledgedBy": nullable(TEXT),
        "secondsToAcknowledge": seconds,
        "closedAt": nullable(moment),
        "closedBy": nullable(TEXT),
        "secondsToClose": seconds,
    }
    act = object_of(act=words(IncidentAct), by=TEXT, said=TEXT, bulkId=nullable(UUID), at=moment)
    by_person = [one.value for one in IncidentAct if one not in (IncidentAct.OPEN, IncidentAct.HEAL)]
    case = object_of(
        orgId=UUID,
        fingerprint=TEXT,
        failures=COUNT,
        byStatus={"type": "object", "additionalProperties": COUNT},
        newestId=UUID,
        failureReason=TEXT,
        failureType=nullable(words(FailureType)),
        firstAt=MOMENT,
        lastAt=MOMENT,
        workflows={"type": "array", "items": TEXT},
        moreWorkflows=COUNT,
        incidentId=nullable(UUID),
    )
    said = TEXT | {"maxLength": 4096, "default": "", "description": "A note and a close have to say something."}
    return {
        "Causes": object_of(causes={"type": "array", "items": case}, lookedAt=COUNT, isPart=FLAG),
        "Incident": object_of(**incident),
        "WholeIncident": object_of(**incident, acts={"type": "array", "items": act}),
        "Incidents": object_of(incidents={"type": "array", "items": ref("Incident")}),
        "IncidentRequest": object_of(failureId=UUID),
        "IncidentActRequest": object_of({"said": said}, act=TEXT | {"enum": by_person}),
        "HealAllRequest": object_of(reason=TEXT | {"minLength": 1, "maxLength": 4096}),
        "FrozenIncident": object_of(bulkId=UUID, failures=COUNT, atMostAud=nullable(TEXT)),
    }


def _spend() -> Json:
    part = {"name": TEXT, "ofHealing": FLAG, "aud": nullable(_AUD), "lines": COUNT}
    return {
        "Spend": object_of(
            orgId=UUID,
            budget=words(Budget),
            since=_day(),
            until=_day(),
            lines={"type": "array", "items": object_of(day=_day(), **part)},
            sums={"type": "array", "items": object_of(**part)},
            openingAud=nullable(_AUD),
            totalAud=nullable(_AUD),
            closingAud=nullable(_AUD),
            agrees=FLAG | {"description": "Whether opening and lines come to the closing that the ledger says."},
        )
    }
