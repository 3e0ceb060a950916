"""Reads one heartbeat from its record, or says why it counts for nothing. Pure."""

from functools import lru_cache
from typing import Final, Protocol, TypeAlias
from uuid import UUID

from consumer.heartbeats.quick import read_plain_beat
from consumer.ingest.decode import value_may_hold_secret
from consumer.model import OrgId, Record
from consumer.model.identity import to_driver_uuid
from consumer.model.live_run import Beat, RunName
from consumer.redact import redact_text
from schemas.envelope import EnvelopeError, parse
from schemas.names import PoisonReason
from schemas.supervision import HEARTBEAT_TYPE, Heartbeat, decode_heartbeat
from schemas.value import value

MOST_BYTES: Final = 64 * 1024
"""A heartbeat has a few hundred bytes."""
_MOST_HEADERS: Final = 100
_MOST_NAMED: Final = 2000
"""Bytes of workflow, run and step together: they are the key of a row, which an index has to hold."""
_PLAINLY_SHORT: Final = 500
_MOST_COUNTED: Final = 2**63 - 1
_LAST_STAMP: Final = 4_102_444_800_000
"""Milliseconds of the epoch at the year 2100: a record that is stamped later is stamped by nobody's clock."""
_ACCEPTS: Final = (HEARTBEAT_TYPE,)


class BeatSources(Protocol):
    """Who may speak for whom: the catalog."""

    def may_speak(self, source: str, org_id: UUID) -> bool:
        """Return whether a source may report runs of an organisation."""
        ...


@value(frozen=True, slots=True, kw_only=True)
class BadBeat:
    """Why a record counts for nothing."""

    reason: PoisonReason
    message: str


ReadBeat: TypeAlias = Beat | BadBeat


def read_beat(record: Record, catalog: BeatSources) -> ReadBeat:
    """Read one record; raises nothing."""
    plain = read_plain_beat(record)
    if plain is not None and catalog.may_speak(plain.source, plain.name.org_id):
        return plain
    return read_closely(record, catalog)


def read_closely(record: Record, catalog: BeatSources) -> ReadBeat:
    """Read one record in the contract's words; raises nothing."""
    if (bad := _unreadable(record)) is not None:
        return bad
    try:
        envelope = parse(record.value, record.headers, accepts=_ACCEPTS)
        told = decode_heartbeat(envelope.data)
    except EnvelopeError as error:
        return BadBeat(reason=error.kind, message=redact_text(str(error)))
    source = envelope.source or f"urn:kafka:{record.topic}"
    if not catalog.may_speak(source, told.org_id):
        message = f"source {redact_text(source)!r} may not speak for organisation {told.org_id}"
        return BadBeat(reason=PoisonReason.SOURCE_NOT_ALLOWED, message=f"{message}: add it to the catalog's sources")
    if (wrong := _unstorable(told)) is not None:
        return BadBeat(reason=PoisonReason.TOO_LARGE, message=wrong)
    if value_may_hold_secret(record.value or b"") and _holds_secret(source, told):
        message = "its source, workflow, run or step looks like a secret: name them otherwise"
        return BadBeat(reason=PoisonReason.WRONG_SHAPE, message=message)
    return _beat(record, source, told)


def _unreadable(record: Record) -> BadBeat | None:
    if record.fault is not None:
        return BadBeat(reason=record.fault.reason, message=record.fault.message)
    if len(record.value or b"") > MOST_BYTES or len(record.headers) > _MOST_HEADERS:
        message = f"a heartbeat has at most {MOST_BYTES} bytes and {_MOST_HEADERS} headers"
        return BadBeat(reason=PoisonReason.TOO_LARGE, message=message)
    return None


def _unstorable(told: Heartbeat) -> str | None:
    if max(told.progress or 0, told.run_epoch or 0) > _MOST_COUNTED:
        return f"data.progress and data.run_epoch are at most {_MOST_COUNTED}"
    names = (told.workflow_name, told.run_id, told.step or "")
    if sum(map(len, names)) > _PLAINLY_SHORT and sum(len(name.encode()) for name in names) > _MOST_NAMED:
        return f"workflow, run and step have more than {_MOST_NAMED} bytes together: give shorter names"
    return None


def _holds_secret(source: str, told: Heartbeat) -> bool:
    names = (source, told.workflow_name, told.run_id, told.step or "")
    return any(redact_text(name) != name for name in names)


def _beat(record: Record, source: str, told: Heartbeat) -> Beat:
    beat_at = told.beat_at.timestamp()
    return Beat(
        name=RunName(_organisation(told.org_id), told.workflow_name, told.run_id),
        source=source,
        epoch=told.run_epoch,
        step=told.step or "",
        status=told.status,
        progress=told.progress,
        beat_at=beat_at,
        stamped=record.timestamp_ms / 1000 if 0 < record.timestamp_ms < _LAST_STAMP else beat_at,
        partition=record.partition,
        offset=record.offset,
    )


@lru_cache(maxsize=4096)
def _organisation(org_id: UUID) -> OrgId:
    return OrgId(to_driver_uuid(org_id))
