"""Examples of refusals: a record that became a dead letter, and the event that tells its publisher."""

from datetime import timedelta
from uuid import UUID

from schemas.dead_letter import RefusedRecord, dead_letter
from schemas.envelope import Envelope
from schemas.events import failure_refused_event
from schemas.examples import NOON, ORGANISATION
from schemas.failure_refused import FailureRefused, RefusedPlace
from schemas.names import PoisonReason


def failure_refused() -> Envelope:
    """Make the refusal of an event whose workflow's name is missing."""
    refused = FailureRefused(
        source="urn:example:orders",
        event_id="orders-8841",
        org_id=ORGANISATION,
        reason=PoisonReason.WRONG_SHAPE,
        message="data.workflow_name is missing: send the name of the workflow",
        cure="mend what the message names (`shw check-event` tells before you publish); "
        "publish the event again: its id may stay",
        record=RefusedPlace(topic="workflow.failures", partition=3, offset=90211),
        refused_at=NOON,
    )
    return failure_refused_event(refused, UUID("1c0c1a3e-6f1c-5c39-9d5b-0d8f3c1b2d17"))


def dead_letter_record() -> tuple[bytes, list[tuple[str, bytes]]]:
    """Make what becomes of a record that is not JSON."""
    refused = RefusedRecord(
        topic="workflow.failures",
        partition=3,
        offset=90210,
        timestamp=NOON - timedelta(seconds=2),
        value=b"workflow failed, see log",
        headers=[("content-type", b"text/plain")],
        reason=PoisonReason.NOT_JSON,
        message="cannot be read as JSON: expected value at line 1 column 1; send UTF-8 JSON",
    )
    return dead_letter(refused, now=NOON, max_value_bytes=1_000_000)
