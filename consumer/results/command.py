"""Builds the answers to commands. Pure."""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from pydantic import TypeAdapter

from consumer.model import ID_SPACE, Message
from consumer.model.command import CommandFacts, CommandId, Executed, KeptCommand, RefusedOrder
from consumer.redact import redact_text
from consumer.results.events import Outlet
from consumer.results.standalone import standalone_message
from schemas.bulk import BulkPreview
from schemas.events import command_result_event
from schemas.names import CommandOutcome
from schemas.supervision import CommandResult

MAX_REASON: Final = 2000


def answer(kept: KeptCommand, outlet: Outlet) -> Message:
    """Build the answer to a command that was carried out, the same for every delivery of it."""
    return _message(kept.id, kept.facts, kept.executed, kept.decided_at, "", outlet)


def refusal(refused: RefusedOrder, at: datetime, outlet: Outlet) -> Message:
    """Build the answer to a command that was refused before anything was done."""
    executed = Executed(outcome=CommandOutcome.REFUSED, reason=refused.reason)
    return _message(refused.id, refused.facts, executed, at, f"refused:{refused.token}", outlet)


def _message(
    name: CommandId, facts: CommandFacts, executed: Executed, at: datetime, token: str, outlet: Outlet
) -> Message:
    details = executed.details or {}
    result = CommandResult(
        command_id=name.id,
        issuer=name.issuer,
        command=facts.name,
        issued_by=facts.by[:1000],
        key_id=facts.key_id,
        outcome=executed.outcome,
        reason=redact_text(executed.reason)[:MAX_REASON],
        org_id=facts.org_id,
        failure_id=facts.failure_id,
        decided_at=at,
        pauses=TypeAdapter(tuple[UUID, ...]).validate_python(details.get("pauses", ())),
        plan_hash=str(details["plan_hash"]) if "plan_hash" in details else None,
        bulk=BulkPreview.model_validate(details["bulk"]) if "bulk" in details else None,
    )
    event = command_result_event(result, token)
    message_id = uuid5(ID_SPACE, f"command:{event.id}")
    return standalone_message(event, outlet, message_id=message_id, key=event.subject or "")
