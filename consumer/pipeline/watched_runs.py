"""Builds the failure events of what a watch has found: a run that failed, or one that stands still. Pure.

They are events of the contract like any producer's, and come back by the failures topic: what a watch tells is
admitted, made one with what others tell of the same run, diagnosed and healed like everything else.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from consumer.catalog.runners.watch import watch_source
from consumer.heal.route_repair.finding import NamedCause
from consumer.ingest.decode import event_failure_id
from consumer.ingest.run_key import run_key
from consumer.model import JsonObject, Message
from consumer.model.runner_watch import SeenRun, WatchPlace, watch_digest
from consumer.redact import redact_context, redact_text
from consumer.redact.pointers import DeclaredPlaces, spared_places
from consumer.runners.contract import RunRef
from consumer.runners.watching import ListedRun, RunFailure
from schemas.envelope import Envelope, encode
from schemas.failure import FAILURE_TYPE
from schemas.json_text import to_json
from schemas.names import RunStatus

_MAX_REASON: Final = 4000
_MAX_PART_BYTES: Final = 64 * 1024
"""Of a payload or a request: a larger one is left out, and healed by whoever has it."""
_MAX_OTHERS: Final = 20
_MOST_TRIES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedEvents:
    """Builds the events of one watched workflow."""

    place: WatchPlace
    topic: str
    declared: DeclaredPlaces = ()

    def seen(self, listed: ListedRun) -> bytes:
        """Return the digest of a listed run: another one once it has failed again."""
        return self._digest(listed.run_id, listed.at.isoformat())

    def stalled(self, run_id: str, standing: str) -> bytes:
        """Return the digest of a run that stands still at a place: another one once it stands at another."""
        return self._digest(run_id, "stalled", standing)

    def run(self, run: RunRef) -> bytes:
        """Return the digest of a run and its step, whatever its try."""
        return self._digest(run.run_id, "step", run.step or "")

    def passed_over(self, listed: ListedRun) -> SeenRun:
        """Return that a run was looked at, and is not told."""
        return SeenRun(seen=self.seen(listed), run=self._digest(listed.run_id))

    def failed(self, listed: ListedRun, failure: RunFailure) -> SeenRun:
        """Build the event of a run that failed."""
        error: JsonObject = {"message": failure.reason[:_MAX_REASON]}
        error |= {} if failure.error_type is None else {"type": failure.error_type}
        context: JsonObject = {"error": error}
        payload = None if failure.payload is None else failure.payload.document
        if failure.payload is not None and len(to_json(payload)) <= _MAX_PART_BYTES:
            context["payload"] = payload
        if failure.request is not None and len(to_json(failure.request)) <= _MAX_PART_BYTES:
            context["request"] = failure.request
        watched: JsonObject = {"runner": self.place.runner, "found": "failed"}
        if failure.others:
            watched["failed_too"] = [*failure.others[:_MAX_OTHERS]]
        reason = failure.reason if failure.error_type is None else f"{failure.error_type}: {failure.reason}"
        told = self._message(failure.run, RunStatus.FAILED, reason, context | {"watch": watched}, listed.at)
        return self._seen_run(self.seen(listed), failure.run, told)

    def stands_still(self, run: RunRef, found: NamedCause, standing: str, at: datetime) -> SeenRun:
        """Build the event of a run that stands still, by two looks that agree."""
        watched: JsonObject = {"runner": self.place.runner, "found": found.cause, "evidence": found.evidence}
        reason = f"The run is stuck, no progress: {found.evidence}"
        told = self._message(run, RunStatus.EXECUTING, reason, {"watch": watched}, at)
        return self._seen_run(self.stalled(run.run_id, standing), run, told)

    def _seen_run(self, seen: bytes, run: RunRef, event: Envelope) -> SeenRun:
        body, headers = encode(event)
        source = watch_source(self.place.runner)
        failure_id = event_failure_id(UUID(str(self.place.org_id)), source, str(event.id))
        message = Message(
            id=failure_id,
            failure_id=None,
            step=0,
            rank=0,
            topic=self.topic,
            key=run.run_id.encode(),
            headers=tuple(headers),
            body=body,
        )
        return SeenRun(
            seen=seen, run=self.run(run), failure_id=failure_id, message=message, earlier=self._earlier_tries(run)
        )

    def _earlier_tries(self, run: RunRef) -> tuple[bytes, ...]:
        """Return the run keys of the tries of a step before this one, the last ones."""
        last = run.epoch or 0
        keys = (
            run_key(
                self.place.org_id,
                self.place.runner,
                self.place.workflow_name,
                {"id": run.run_id, "epoch": epoch, "step": run.step},
            )
            for epoch in range(max(0, last - _MOST_TRIES), last)
        )
        return tuple(key for key in keys if key is not None)

    def _message(self, run: RunRef, status: RunStatus, reason: str, context: JsonObject, at: datetime) -> Envelope:
        named: JsonObject = {"id": run.run_id, "status": status}
        named |= {} if run.epoch is None else {"epoch": run.epoch}
        named |= {} if run.step is None else {"step": run.step}
        clean, _ = redact_context({"run": named, **context}, spared_places(self.declared, self.place.workflow_name))
        name = self._digest(run.run_id, str(run.epoch), run.step or "", at.isoformat(), status).hex()
        data: JsonObject = {
            "org_id": str(self.place.org_id),
            "workflow_name": self.place.workflow_name,
            "failure_reason": redact_text(reason[:_MAX_REASON]),
            "context": clean,
            "detected_at": at.isoformat(),
        }
        source = watch_source(self.place.runner)
        return Envelope(id=name, source=source, type=FAILURE_TYPE, subject=run.run_id[:1024], time=at, data=data)

    def _digest(self, *parts: str) -> bytes:
        place = self.place
        return watch_digest(place.runner, str(place.org_id), place.workflow_name, *parts)
