"""Builds the event of a pause: when it is made, and when it ends. Pure."""

from datetime import datetime
from uuid import uuid5

from consumer.model import Message
from consumer.model.pause import HealingPause
from consumer.redact import redact_text
from consumer.results.events import Outlet
from consumer.results.standalone import standalone_message
from schemas.events import pause_event
from schemas.heal_result import PauseStatus
from schemas.names import PauseState


def state_of(pause: HealingPause, now: datetime) -> PauseState:
    """Return where a pause stands at a time of the database's clock."""
    if pause.ended_at is not None or (pause.ends_at is not None and pause.ends_at <= now):
        return PauseState.ENDED
    return PauseState.PLANNED if pause.starts_at > now else PauseState.IN_FORCE


def pause_message(pause: HealingPause, now: datetime, *, outlet: Outlet) -> Message:
    """Build the event of a pause as it stands at a time: its id is the same however often it is published."""
    state = state_of(pause, now)
    status = PauseStatus(
        pause_id=pause.id,
        state=state,
        org_id=pause.reach.org_id,
        workflow_name=redact_text(pause.reach.workflow_name) if pause.reach.workflow_name is not None else None,
        failure_type=pause.reach.failure_type,
        strategy=pause.reach.strategy,
        dependency=redact_text(pause.reach.dependency) if pause.reach.dependency is not None else None,
        reason=pause.reason,
        paused_by=pause.by,
        starts_at=pause.starts_at,
        ends_at=pause.ends_at,
        ended_at=pause.ended_at,
        ended_by=pause.ended_by,
        end_reason=pause.end_reason,
        changed_at=pause.ended_at or now,
    )
    message_id = uuid5(pause.id, "ended" if state is PauseState.ENDED else "made")
    return standalone_message(pause_event(status), outlet, message_id=message_id, key=str(pause.id))
