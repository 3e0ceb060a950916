"""Reads a plain heartbeat quickly; what is not plain is left to `decode.py`, which reads it in the contract's words.

Thousands come a second, and nearly all look alike: no header but the content type, the known fields alone, and a run
whose names were looked at before. What is read here is read as `decode.py` reads it, or not at all. Pure.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from consumer.model import OrgId, Record
from consumer.model.identity import to_driver_uuid
from consumer.model.live_run import Beat, RunName
from consumer.redact import redact_text
from schemas.json_text import is_plainly_storable, load_json
from schemas.names import RunStatus
from schemas.supervision import HEARTBEAT_TYPE

MOST_BYTES: Final = 2048
_REMEMBERED: Final = 200_000
"""Runs whose names were looked at: as many as a member may have, and as many again."""
_LAST_STAMP: Final = 4_102_444_800_000
_MOST_NAME: Final = 500
_MOST_COUNTED: Final = 2**63 - 1
_CLOUD_EVENT: Final = frozenset({b"application/cloudevents+json", b"application/cloudevents+json; charset=UTF-8"})
_ATTRIBUTES: Final = frozenset({"specversion", "id", "source", "type", "datacontenttype", "data"})
_FIELDS: Final = frozenset({"org_id", "workflow_name", "run_id", "run_epoch", "step", "status", "progress", "beat_at"})
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_TIME: Final = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_STATUSES: Final[Mapping[Any, RunStatus]] = {status.value: status for status in RunStatus}


def read_plain_beat(record: Record) -> Beat | None:
    """Return a plain heartbeat; None where a closer look has to say what it is. Raises nothing."""
    value = record.value
    if record.fault is not None or not value or len(value) > MOST_BYTES or not _is_plain(record.headers):
        return None
    if not is_plainly_storable(value):
        return None
    try:
        event = load_json(value)
        return _read(record, event) if isinstance(event, dict) else None
    except (ValueError, TypeError, KeyError):
        return None


def _read(record: Record, event: dict[str, Any]) -> Beat | None:
    data, source = event, f"urn:kafka:{record.topic}"
    if "specversion" in event:
        data, source = event["data"], event["source"]
        known = event["specversion"] == "1.0" and event["type"] == HEARTBEAT_TYPE and event.keys() <= _ATTRIBUTES
        is_json = event.get("datacontenttype") in (None, "application/json")
        if not (known and is_json and _is_name(source) and _is_name(event["id"])) or type(data) is not dict:
            return None
    elif record.headers:
        return None
    if not data.keys() <= _FIELDS or not _are_counts(data.get("run_epoch"), data.get("progress")):
        return None
    org_id, status = _organisation(data["org_id"]), _STATUSES.get(data["status"])
    workflow, run, step, at = data["workflow_name"], data["run_id"], data.get("step"), data["beat_at"]
    step = "" if step is None else step
    if org_id is None or status is None or not _are_plain_names(source, workflow, run, step):
        return None
    if not _TIME.fullmatch(at):
        return None
    beat_at = datetime.fromisoformat(at).timestamp()
    return Beat(
        name=RunName(org_id, workflow, run),
        source=source,
        epoch=data.get("run_epoch"),
        step=step,
        status=status,
        progress=data.get("progress"),
        beat_at=beat_at,
        stamped=record.timestamp_ms / 1000 if 0 < record.timestamp_ms < _LAST_STAMP else beat_at,
        partition=record.partition,
        offset=record.offset,
    )


@lru_cache(maxsize=256)
def _is_plain(headers: tuple[tuple[str, bytes], ...]) -> bool:
    return not headers or (len(headers) == 1 and headers[0][0] == "content-type" and headers[0][1] in _CLOUD_EVENT)


def _is_name(text: object) -> bool:
    return type(text) is str and 0 < len(text) <= _MOST_NAME


def _are_counts(*counts: object) -> bool:
    return all(count is None or (type(count) is int and 0 <= count <= _MOST_COUNTED) for count in counts)


@lru_cache(maxsize=4096)
def _organisation(text: str) -> OrgId | None:
    return OrgId(to_driver_uuid(UUID(text))) if _UUID.fullmatch(text) else None


@lru_cache(maxsize=_REMEMBERED)
def _are_plain_names(source: str, workflow: str, run: str, step: str) -> bool:
    names = (workflow, run, *(() if step == "" else (step,)))
    is_short = all(map(_is_name, names)) and sum(map(len, names)) <= _MOST_NAME
    return is_short and all(redact_text(name) == name for name in (source, *names))
