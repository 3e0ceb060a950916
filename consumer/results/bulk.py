"""Builds the events that tell how far a bulk is. Pure."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid5

from consumer.model import ID_SPACE, Message
from consumer.model.bulk import BulkCounts, ItemOutcome, RunningBulk
from consumer.redact import redact_text
from consumer.results.events import Outlet
from consumer.results.standalone import standalone_message
from schemas.bulk import BulkOutcome, BulkProgress
from schemas.events import bulk_progress_event
from schemas.names import BulkState


def progress_message(
    bulk: RunningBulk,
    state: BulkState,
    counts: BulkCounts,
    changed: Sequence[ItemOutcome],
    at: datetime,
    outlet: Outlet,
) -> Message:
    """Build the next event of a bulk."""
    progress = BulkProgress(
        bulk_id=bulk.id,
        number=bulk.told + 1,
        org_id=bulk.org_id,
        action=bulk.action,
        state=state,
        failures=counts.failures,
        waiting=counts.waiting,
        accepted=counts.accepted,
        already=counts.already,
        refused=counts.refused,
        under_way=counts.under_way,
        healed=counts.healed,
        outcomes=tuple(
            BulkOutcome(
                failure_id=one.failure_id, outcome=one.outcome, reason=redact_text(one.reason)[:500], result=one.result
            )
            for one in changed
        ),
        at=at,
    )
    event = bulk_progress_event(progress)
    return standalone_message(event, outlet, message_id=uuid5(ID_SPACE, f"bulk:{event.id}"), key=str(bulk.id))
