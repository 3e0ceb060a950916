"""The failure that a silent run becomes: an event like a producer's, with what was looked at as its evidence. Pure."""

import hashlib
from datetime import UTC, datetime
from typing import Final
from uuid import uuid5

from consumer.heartbeats.looks import Looks, RunLook
from consumer.ingest.decode import event_failure_id
from consumer.model import ID_SPACE, FailureId, JsonObject, Message
from consumer.model.live_run import LiveRun, PartitionRead
from schemas.envelope import Envelope, encode
from schemas.failure import FAILURE_TYPE
from schemas.rfc3339 import format_time
from schemas.value import value

_NAME: Final = 100


@value(frozen=True, slots=True, kw_only=True)
class Stall:
    """A silent run on which two looks agree."""

    run: LiveRun
    runner: str | None
    """The runner that was asked, by its name in the catalog."""
    looks: Looks
    read: PartitionRead
    """The watermark of its partition: read past the deadline."""

    @property
    def event_id(self) -> str:
        """Names this silence of this run: the same in every process, and after every crash."""
        beat = self.run.beat
        parts = (
            str(beat.name.org_id),
            self.runner or "",
            beat.name.workflow_name,
            beat.name.run_id,
            "" if beat.epoch is None else str(beat.epoch),
            beat.step,
            f"{self.run.heard:.3f}",
        )
        digest = hashlib.sha256()
        for part in parts:
            digest.update(len(part.encode()).to_bytes(4) + part.encode())
        return f"stall:{digest.hexdigest()[:32]}"

    @property
    def failure_id(self) -> FailureId:
        """The failure that its event becomes."""
        beat = self.run.beat
        return event_failure_id(beat.name.org_id, beat.source, self.event_id)


def stall_message(stall: Stall, failures_topic: str, heartbeats_topic: str) -> Message:
    """Build the failure event of a stall, for the failures topic: it comes in as any producer's does.

    Its source is the beats' own, so that it is believed as far as they are.
    """
    beat, at = stall.run.beat, stall.looks[1].at
    event = Envelope(
        id=stall.event_id,
        source=beat.source,
        type=FAILURE_TYPE,
        subject=beat.name.run_id,
        time=at,
        data=_data(stall, heartbeats_topic),
    )
    body, headers = encode(event)
    return Message(
        id=uuid5(ID_SPACE, f"{beat.name.org_id}:{stall.event_id}"),
        failure_id=None,
        step=0,
        rank=0,
        topic=failures_topic,
        key=beat.name.run_id.encode(),
        headers=tuple(headers),
        body=body,
    )


def _data(stall: Stall, heartbeats_topic: str) -> JsonObject:
    run, beat, at = stall.run, stall.run.beat, stall.looks[1].at
    allowed = run.allowed or 0.0
    at_step = f" at step {beat.step[:_NAME]}" if beat.step else ""
    silent = at.timestamp() - run.heard
    reason = (
        f"workflow stalled: run {beat.name.run_id[:_NAME]}{at_step} has sent no heartbeat for {silent:.0f} s, "
        f"{'usually' if run.learnt else 'declared'} within {allowed:.0f} s"
    )
    return {
        "org_id": str(beat.name.org_id),
        "workflow_name": beat.name.workflow_name,
        "failure_reason": reason,
        "detected_at": format_time(at),
        "context": {
            "run": {
                "id": beat.name.run_id,
                "status": beat.status.value,
                "heartbeat": _time(run.heard),
                **({"step": beat.step} if beat.step else {}),
                **({"epoch": beat.epoch} if beat.epoch is not None else {}),
            },
            "stall": {
                "silent_since": _time(run.heard),
                "deadline": _time(run.heard + allowed),
                "allowed_seconds": allowed,
                "learnt": run.learnt,
                "progress": beat.progress,
                "runner": stall.runner,
                "looks": [_look(look) for look in stall.looks],
                "watermark": {
                    "topic": heartbeats_topic,
                    "partition": stall.read.partition,
                    "offset": stall.read.offset,
                    "read_up_to": _time(stall.read.up_to),
                },
            },
        },
    }


def _look(look: RunLook) -> JsonObject:
    return {"at": format_time(look.at), "phase": None if look.phase is None else look.phase.value, "said": look.said}


def _time(seconds: float) -> str:
    return format_time(datetime.fromtimestamp(seconds, UTC))
