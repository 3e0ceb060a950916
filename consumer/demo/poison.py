"""The demo's poison records, which can never be accepted, each with the expected reason of its dead letter."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from consumer.model import Json, JsonObject
from schemas.envelope import Envelope, Header, encode
from schemas.failure import FAILURE_TYPE
from schemas.json_text import MAX_DEPTH, to_json
from schemas.names import PoisonReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """One poison record."""

    value: bytes
    reason: PoisonReason
    headers: tuple[Header, ...] = ()


def demo_poison(source: str, org_id: UUID) -> tuple[Poison, ...]:
    """Return poison of several kinds; `source` may publish for every organisation."""
    later = FAILURE_TYPE.replace(".v1", ".v9")
    return (
        Poison(value=b"workflow failed, see log", reason=PoisonReason.NOT_JSON),
        Poison(value=to_json([1, 2, 3]), reason=PoisonReason.WRONG_SHAPE),
        _event(source, FAILURE_TYPE, org_id, PoisonReason.BAD_TEXT, event_id=f"{uuid4()}\0"),
        Poison(value=to_json(_failure(org_id, {"deep": _nested(MAX_DEPTH + 50)})), reason=PoisonReason.TOO_DEEP),
        _event(source, FAILURE_TYPE, uuid4(), PoisonReason.UNKNOWN_ORGANISATION),
        _event(source, later, org_id, PoisonReason.UNKNOWN_VERSION),
        _event("urn:somebody:else", FAILURE_TYPE, org_id, PoisonReason.SOURCE_NOT_ALLOWED),
    )


def _event(source: str, kind: str, org_id: UUID, reason: PoisonReason, event_id: str | None = None) -> Poison:
    event = Envelope(id=event_id or str(uuid4()), source=source, type=kind, data=_failure(org_id, {}))
    value, headers = encode(event)
    return Poison(value=value, headers=tuple(headers), reason=reason)


def _failure(org_id: UUID, context: JsonObject) -> JsonObject:
    return {"org_id": str(org_id), "workflow_name": "poison", "failure_reason": "timeout", "context": context}


def _nested(depth: int) -> Json:
    value: Json = "the bottom"
    for _ in range(depth):
        value = [value]
    return value
