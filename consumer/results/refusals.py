"""Builds the event that tells a publisher which of its events was refused, why, and what to do. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from consumer.catalog import Catalogs
from consumer.ingest.claimed_event import ClaimedEvent, claimed_event
from consumer.model import DeadLetter, Message, original_position
from consumer.redact import redact_text
from consumer.results.events import Outlet, dead_letter_message
from consumer.results.standalone import standalone_message
from schemas.events import failure_refused_event
from schemas.failure_refused import FailureRefused, RefusedPlace
from schemas.names import PoisonReason

MAX_NAME: Final = 512
"""Characters of a source or an id that are told."""
_MAX_MESSAGE: Final = 2000
_MEND: Final = "publish the event again: its id may stay"
CURES: Final[Mapping[PoisonReason, str]] = {
    PoisonReason.NOT_JSON: f"send one JSON object in UTF-8, without a serialiser or compression around it; {_MEND}",
    PoisonReason.WRONG_SHAPE: f"mend what the message names (`shw check-event` tells before you publish); {_MEND}",
    PoisonReason.TOO_LARGE: f"send less, by the limit that the message names; {_MEND}",
    PoisonReason.BAD_TEXT: "send id, source and attributes without NUL and without pieces of characters; publish again",
    PoisonReason.BAD_NUMBER: f"send such a number as a text, or leave it out; {_MEND}",
    PoisonReason.BAD_TIME: f"send times by RFC 3339 with an offset (`2026-03-14T12:00:00Z`); {_MEND}",
    PoisonReason.TOO_DEEP: f"send what lies deeper as a JSON string; {_MEND}",
    PoisonReason.TOOK_TOO_LONG: f"send less context, or simpler; {_MEND}",
    PoisonReason.UNKNOWN_ORGANISATION: "mend data.org_id and publish again; or the operator creates the organisation "
    "(`shw org add`) and replays the dead letter",
    PoisonReason.ORGANISATION_LOCKED: "nothing to mend: the operator replays the dead letter once the lock is gone",
    PoisonReason.SOURCE_NOT_ALLOWED: "publish it under a source that may speak for the organisation; or the operator "
    "adds this one to the catalog and replays the dead letter",
    PoisonReason.NOT_AUTHENTIC: "sign it with a key that the healer knows",
    PoisonReason.UNKNOWN_VERSION: "publish workflow.failure.v1; or the operator upgrades, and replays the dead letter",
    PoisonReason.UNSTORABLE: "nothing to mend: the operator reports it, and replays the dead letter after the fix",
    PoisonReason.UNREADABLE_RECORD: f"look at the producer's client and its settings; {_MEND}",
    PoisonReason.CORRUPT_BATCH: f"look at the producer's client, its codec and what lies between; {_MEND}",
}
"""What can be done about each reason, by the publisher or by who operates the healer."""


def refusal_message(
    letter: DeadLetter, claimed: ClaimedEvent, outlet: Outlet, now: datetime, *, letter_id: UUID
) -> Message:
    """Build the event of a refused record, keyed by its source: for each dead letter one, under an id of its own."""
    first, _ = original_position(letter.record)
    source = redact_text(claimed.source)[:MAX_NAME]
    message_id = uuid5(letter_id, "refused")
    refused = FailureRefused(
        source=source,
        event_id=redact_text(claimed.event_id)[:MAX_NAME] if claimed.event_id is not None else None,
        org_id=claimed.org_id,
        reason=letter.reason,
        message=letter.message[:_MAX_MESSAGE],
        cure=CURES[letter.reason],
        record=RefusedPlace(topic=letter.record.topic, partition=first.partition, offset=first.offset),
        refused_at=now,
    )
    event = failure_refused_event(refused, message_id)
    return standalone_message(event, outlet, message_id=message_id, key=source)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterMessages:
    """Builds what is sent of a dead letter, by the catalog in force."""

    outlet: Outlet
    catalogs: Catalogs

    def of(self, letter: DeadLetter, now: datetime) -> tuple[Message, ...]:
        """Return a dead letter's message, and the event that tells its publisher where the catalog says so."""
        message = dead_letter_message(letter, self.outlet, now)
        claimed = claimed_event(letter.record)
        if not self.catalogs.current.publishes_refusals(claimed.source):
            return (message,)
        return message, refusal_message(letter, claimed, self.outlet, now, letter_id=message.id)
