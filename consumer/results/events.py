"""Builds Kafka messages: the events of finished attempts and new statuses, and dead letters. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, assert_never
from uuid import UUID, uuid5

from consumer.model import (
    ID_SPACE,
    Attempt,
    DeadLetter,
    Diagnosis,
    Evidence,
    Failure,
    FailureId,
    JsonObject,
    Message,
    Next,
    Proof,
    Recovered,
    in_aud,
    original_position,
)
from consumer.model.message import message_size
from consumer.settings import KafkaSettings
from schemas.dead_letter import RefusedRecord, cut_letter, dead_letter
from schemas.envelope import Envelope, encode
from schemas.events import SOURCE, status_event_id
from schemas.heal_result import FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE
from schemas.names import Code, Status, Verdict, WaitsOn
from schemas.rfc3339 import format_time
from schemas.trace import TRACEPARENT, TRACESTATE

STATUSES_WITH_EVENT: Final = frozenset(
    (Status.DEFERRED, Status.AWAITING_APPROVAL, Status.NEEDS_PERSON, Status.GIVEN_UP)
)
"""Statuses with an event of their own; `resolved` and `pending` are published in the attempt's event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """The topics that messages go to, and the size limit of one."""

    results_topic: str
    dlq_topic: str
    max_bytes: int

    @classmethod
    def of(cls, kafka: KafkaSettings) -> "Outlet":
        """Return the outlet that the settings name."""
        return cls(results_topic=kafka.results_topic, dlq_topic=kafka.dlq_topic, max_bytes=kafka.max_message_bytes)


def messages_of(
    failure: Failure, diagnosis: Diagnosis, attempt: Attempt, following: Next, outlet: Outlet
) -> tuple[Message, ...]:
    """Build the event of a finished attempt, and that of the status after it where that has one of its own."""
    told = _attempt_message(failure, diagnosis, attempt, following, outlet)
    if following.status not in STATUSES_WITH_EVENT:
        return (told,)
    return told, _status_message(failure, diagnosis, attempt, following, outlet)


def truncate(message: Message, max_bytes: int) -> Message:
    """Return a message with the same id, cut to the size limit and marked as truncated, as far as that is possible.

    A cut event of ours says where to read the rest; a cut dead letter (it belongs to no failure) what is missing.
    """
    if message_size(message) <= max_bytes:
        return message
    if message.failure_id is None:
        key, value, headers = cut_letter(message.key, message.body or b"", message.headers, max_bytes)
        return replace(message, key=key, headers=tuple(headers), body=value)
    short = replace(message, body=shortened(message.body or b""))
    if message_size(short) <= max_bytes:
        return short
    headers = [header for header in message.headers if header[0] not in _TRACE_FIELDS]
    return replace(message, body=shortened(message.body or b"", least=True), headers=tuple(headers))


_TRACE_FIELDS: Final = frozenset((TRACEPARENT, TRACESTATE))


def shortened(body: bytes, *, least: bool = False) -> bytes:
    """Reduce an event of ours to its identifying and deciding fields; a body that is none of ours is emptied.

    `least` also leaves out all that may be long: the proofs, the reason, the trace, most of the workflow's name.
    """
    from pydantic_core import from_json, to_json  # noqa: PLC0415 - only on this rare path

    try:
        event = from_json(body)
        data = event["data"]
        if event["source"] != SOURCE or data["failure_id"] != event["subject"]:
            return b""
    except (ValueError, TypeError, KeyError):
        return b""
    short = {
        **{name: data[name] for name in _IDENTIFYING_FIELDS if name in data},
        **({} if least else _explanation(data)),
        "workflow_name": str(data.get("workflow_name", ""))[: 40 if least else 200],
        "truncated": True,
        "read_more": f"/api/healing/failures/{data['failure_id']}/attempts",
    } | (_short_approval(data) if data.get("approval") else {})
    attributes = {name: said for name, said in event.items() if not (least and name in _TRACE_FIELDS)}
    return bytes(to_json({**attributes, "data": short}))


def _short_approval(data: dict[str, Any]) -> dict[str, Any]:
    kept = data["approval"] | {"plan": {}, "why": (), "evidence": ()}
    return {"approval": kept, "read_more": f"/api/healing/failures/{data['failure_id']}/plan"}


def _explanation(data: dict[str, Any]) -> dict[str, Any]:
    evidence = [{**proof, "detail": str(proof.get("detail", ""))[:80]} for proof in data.get("evidence", ())[:10]]
    return {
        **({"evidence": evidence} if evidence else {}),
        **({"reason": str(data["reason"])[:200]} if "reason" in data else {}),
    }


_IDENTIFYING_FIELDS: Final = (
    "attempt_id", "failure_id", "org_id", "failure_type", "disposition", "confidence", "strategy", "result", "code",
    "status", "step", "attempted_at", "finished_at", "credits", "due_at", "waits_on", "suspended_until",
    "changed_at", "catalog_version",
)  # fmt: skip


def dead_letter_message(letter: DeadLetter, outlet: Outlet, now: datetime) -> Message:
    """Build the dead letter of a record: its raw bytes, its own headers, its coordinates and the reason.

    A replayed record keeps its first coordinates. The message's id is derived from the record's present ones: every
    delivery of it gives the same letter, and each replay that fails gives another.
    """
    record = letter.record
    first, replayed = original_position(record)
    refused = RefusedRecord(
        topic=record.topic,
        partition=first.partition,
        offset=first.offset,
        timestamp=_time_of(first.timestamp_ms),
        value=record.value,
        headers=record.headers,
        reason=letter.reason,
        message=letter.message,
        replayed=replayed,
    )
    value, headers = dead_letter(refused, now=now, max_value_bytes=outlet.max_bytes)
    # Topic, partition and offset alone are not enough: a topic that was recreated counts from 0 again.
    place = f"dead-letter:{record.topic}:{record.partition}:{record.offset}:{record.timestamp_ms}"
    place += f":{record.part}" if record.part else ""
    whole = Message(
        id=uuid5(ID_SPACE, place),
        failure_id=None,
        step=0,
        rank=0,
        topic=outlet.dlq_topic,
        key=record.key,
        headers=tuple(headers),
        body=value,
    )
    return truncate(whole, outlet.max_bytes)


def evidence_of(diagnosis: Diagnosis) -> list[JsonObject]:
    """Return a diagnosis's evidence in the form that tables and events hold."""
    return [_evidence_json(one) for one in diagnosis.evidence]


def attempt_details(attempt: Attempt, diagnosis: Diagnosis) -> JsonObject:
    """Return the content of the attempt's `details` column: everything beyond the seed's own columns."""
    details: JsonObject = {"failureType": diagnosis.failure_type, "disposition": diagnosis.disposition}
    if attempt.code is not None:
        details["code"] = attempt.code
    if attempt.reason:
        details["reason"] = attempt.reason
    if attempt.missing:
        details["missing"] = list(attempt.missing)
    if attempt.proofs:
        details["evidence"] = [_proof_json(proof) for proof in attempt.proofs]
    details["diagnosis"] = list(evidence_of(diagnosis))
    details["confidence"] = diagnosis.confidence
    if attempt.recovered is not None:
        details["recovered"] = _recovered_json(attempt.recovered)
    if attempt.catalog_version:
        details["catalogVersion"] = attempt.catalog_version
    return {**details, **attempt.details, **diagnosis.agent_beside_rules}


def _attempt_message(
    failure: Failure, diagnosis: Diagnosis, attempt: Attempt, following: Next, outlet: Outlet
) -> Message:
    missing = {"missing": list(attempt.missing)} if attempt.missing else {}
    reason = {"reason": attempt.reason} if attempt.reason else {}
    data: dict[str, Any] = {
        "attempt_id": attempt.id,
        "failure_id": failure.id,
        "org_id": failure.org_id,
        "workflow_name": failure.workflow_name,
        "failure_type": diagnosis.failure_type,
        "disposition": diagnosis.disposition,
        "strategy": attempt.strategy,
        "result": attempt.result,
        "code": attempt.code,
        "status": following.status,
        "step": attempt.step,
        "attempted_at": attempt.attempted_at,
        "finished_at": attempt.finished_at,
        "credits": {"held": in_aud(attempt.held), "spent": in_aud(attempt.spent), "budget": attempt.pays_from},
        "evidence": [_proof_json(proof) for proof in attempt.proofs],
        "diagnosis": evidence_of(diagnosis),
        "confidence": diagnosis.confidence,
        "details": {**reason, **missing, **attempt.details, **diagnosis.agent_beside_rules},
        "recovered": _recovered_json(attempt.recovered) if attempt.recovered else None,
        "handover": _handover_json(attempt),
        "catalog_version": attempt.catalog_version or None,
        "truncated": False,
        "read_more": None,
    }
    event = _event(HEAL_RESULT_TYPE, str(attempt.id), failure, attempt.finished_at, data)
    return _message(attempt.id, 0, event, failure, attempt, outlet)


def _status_message(
    failure: Failure, diagnosis: Diagnosis, attempt: Attempt, following: Next, outlet: Outlet
) -> Message:
    due = attempt.finished_at + following.due_in if following.due_in is not None else None
    data: dict[str, Any] = {
        "failure_id": failure.id,
        "org_id": failure.org_id,
        "workflow_name": failure.workflow_name,
        "failure_type": diagnosis.failure_type,
        "step": attempt.step + 1,
        "status": following.status,
        "code": attempt.code,
        "reason": attempt.reason,
        "due_at": due if due and following.status is Status.DEFERRED else None,
        "waits_on": _waits_on(following.status, attempt.code),
        "changed_at": attempt.finished_at,
        "catalog_version": attempt.catalog_version or None,
    }
    name = status_event_id(failure.id, attempt.step + 1, attempt.id.hex[:8])
    event = _event(FAILURE_STATUS_TYPE, name, failure, attempt.finished_at, data)
    return _message(uuid5(attempt.id, "status"), 1, event, failure, attempt, outlet)


_DEFERRED_UNTIL: Final[Mapping[Code | None, WaitsOn]] = {
    Code.INSUFFICIENT_CREDITS: WaitsOn.CREDITS,
    Code.PAUSED: WaitsOn.PAUSE,
}


def _waits_on(status: Status, code: Code | None) -> WaitsOn | None:
    match status:
        case Status.DEFERRED:
            return _DEFERRED_UNTIL.get(code, WaitsOn.TIME)
        case Status.AWAITING_APPROVAL:
            return WaitsOn.APPROVAL
        case Status.NEEDS_PERSON:
            return WaitsOn.PERSON
        case Status.PENDING | Status.RESOLVED | Status.GIVEN_UP:
            return None
        case _:
            assert_never(status)


def _event(kind: str, name: str, failure: Failure, at: datetime, data: dict[str, Any]) -> Envelope:
    return Envelope(
        id=name,
        source=SOURCE,
        type=kind,
        subject=str(failure.id),
        time=at,
        data=data,
        traceparent=failure.trace.traceparent if failure.trace else None,
        tracestate=failure.trace.tracestate if failure.trace else None,
    )


def _message(
    message_id: UUID, rank: int, event: Envelope, failure: Failure, attempt: Attempt, outlet: Outlet
) -> Message:
    return event_message(event, outlet, message_id=message_id, failure_id=failure.id, step=attempt.step, rank=rank)


def event_message(
    event: Envelope, outlet: Outlet, *, message_id: UUID, failure_id: FailureId, step: int, rank: int
) -> Message:
    """Build the message of an event about a failure: what has no UTF-8 form is replaced, what is too long is cut."""
    try:
        body, headers = encode(event)
    except ValueError:
        # Half a surrogate pair, which a strategy took over from an answer.
        text = json.dumps(event.data, ensure_ascii=False, default=_json_default).encode("utf-8", "replace")
        body, headers = encode(replace(event, data=json.loads(text)))
    message = Message(
        id=message_id,
        failure_id=failure_id,
        step=step,
        rank=rank,
        topic=outlet.results_topic,
        key=(event.subject or "").encode(),
        headers=tuple(headers),
        body=body,
    )
    return truncate(message, outlet.max_bytes)


def _json_default(value: object) -> str:
    return format_time(value) if isinstance(value, datetime) else str(value)


def _evidence_json(one: Evidence) -> JsonObject:
    said: JsonObject = {"rule": one.rule, "source": one.source, "detail": one.text, "weight": one.weight}
    if one.failure_type is not None:
        said["failure_type"] = one.failure_type
    if one.disposition is not None:
        said["disposition"] = one.disposition
    return {**said, "decided": one.decided}


def _proof_json(proof: Proof) -> JsonObject:
    return {"oracle": proof.oracle, "verdict": proof.verdict, "detail": proof.detail}


def _handover_json(attempt: Attempt) -> JsonObject | None:
    proof = next((proof for proof in attempt.proofs if proof.oracle == "handover"), None)
    if proof is None:
        return None
    return {"delivered": proof.verdict is Verdict.PASSED, "detail": proof.detail}


def _recovered_json(recovered: Recovered) -> JsonObject:
    return {
        "status": recovered.status,
        "headers": dict(recovered.headers),
        "body": recovered.body,
        "bytes": recovered.size,
        "digest": recovered.digest.removeprefix("sha256:"),
        "truncated": recovered.truncated,
    }


def _time_of(timestamp_ms: int) -> datetime | None:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=timestamp_ms) if timestamp_ms >= 0 else None
    except OverflowError:
        return None
