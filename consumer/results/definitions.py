"""Builds the event of a rewritten definition. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from consumer.model import Message
from consumer.model.definition_watch import DefinitionWatch, RewriteStage
from consumer.redact import redact_text
from consumer.results.events import Outlet
from consumer.results.standalone import standalone_message
from schemas.definition_change import DefinitionChanged, DefinitionState
from schemas.events import definition_change_event

_IDS: Final = uuid5(NAMESPACE_URL, "urn:shw:definition-change")
TOLD: Final = {
    RewriteStage.WATCHING: DefinitionState.WATCHING,
    RewriteStage.KEPT: DefinitionState.KEPT,
    RewriteStage.ROLLED_BACK: DefinitionState.ROLLED_BACK,
    RewriteStage.SUPERSEDED: DefinitionState.SUPERSEDED,
}
"""What others are told of; what is under way is told by its end."""


def definition_messages(watch: DefinitionWatch, now: datetime, *, outlet: Outlet) -> Sequence[Message]:
    """Build the event of a definition as it stands now, if it is told: its id is that of attempt and state."""
    state = TOLD.get(watch.state)
    if state is None:
        return ()
    told = DefinitionChanged(
        org_id=watch.org_id,
        workflow_name=redact_text(watch.workflow_name),
        failure_id=watch.failure_id,
        attempt_id=watch.attempt_id,
        rewrite_id=watch.rewrite_id,
        state=state,
        digest=watch.digest,
        base_digest=watch.base_digest,
        version=watch.version,
        watch_until=watch.watch_until if state is DefinitionState.WATCHING else None,
        relapse_failure_id=watch.relapse_id,
        reason=redact_text(watch.reason),
        changed_at=now,
    )
    event = definition_change_event(told)
    key = f"{watch.org_id}:{told.workflow_name}"
    message_id = uuid5(_IDS, f"{watch.attempt_id}:{state}")
    return (standalone_message(event, outlet, message_id=message_id, key=key),)
