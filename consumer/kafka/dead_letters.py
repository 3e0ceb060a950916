"""Dead-letter queue reader, without a consumer group so that reading changes nothing; restores the original records."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from consumer.errors import TransientError
from consumer.kafka.aiokafka_internals import stable_end_of
from consumer.kafka.connection import translated
from consumer.kafka.history import POLL_MS, beginnings, open_topic, polls_from, read_to_end
from consumer.kafka.manual_producer import Outgoing
from consumer.model import Partition, Record
from consumer.settings import KafkaSettings
from schemas.dead_letter import PREFIX, DeadLetterHeaders, is_ours, read_headers
from schemas.names import PoisonReason
from schemas.replay import First, mark, read_mark

_BATCH: Final = 500
_OPERATION: Final = "reading dead letters"
_RAW_BYTES_REASONS: Final = frozenset({PoisonReason.UNREADABLE_RECORD, PoisonReason.CORRUPT_BATCH})
"""Reasons of letters whose value is the raw bytes from the log, not a record that was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterPosition:
    """Position of a letter in the dead-letter topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One record of the dead-letter topic; `marks` is None where it carries none of the healer's headers."""

    record: Record
    marks: DeadLetterHeaders | None

    @property
    def place(self) -> str:
        """Its position: `partition:offset`."""
        return f"{self.record.partition}:{self.record.offset}"

    @property
    def own_headers(self) -> tuple[tuple[str, bytes], ...]:
        """The headers of the record that was refused."""
        return tuple((name, content) for name, content in self.record.headers if not is_ours(name))

    @property
    def replayed(self) -> int:
        """How often its record had been replayed when it was refused."""
        return self.first.replayed if self.first is not None else 0

    @property
    def first(self) -> First | None:
        """Position of the record before it was ever replayed; None where the letter does not carry it."""
        marks = self.marks
        if marks is None:
            return None
        # A release that knows of no mark leaves it among the record's own headers, and reports the last position.
        return read_mark(self.record.headers, marks.shw_dlq_topic) or First(
            topic=marks.shw_dlq_topic,
            partition=marks.shw_dlq_partition,
            offset=marks.shw_dlq_offset,
            timestamp_ms=_ms(marks.shw_dlq_timestamp) if marks.shw_dlq_timestamp is not None else -1,
            replayed=marks.shw_dlq_replayed,
        )


def original(letter: Letter, topics: Iterable[str]) -> Outgoing | str:
    """Return the record as it was before it was refused, marked with its first position, or why it cannot be sent.

    Pure.
    `topics` are those to which a letter may go back: a writer of dead letters could name any other one.
    """
    marks, first = letter.marks, letter.first
    if marks is None or first is None:
        return f"it lacks the headers {PREFIX}*: the healer did not write it"
    if marks.shw_dlq_reason in _RAW_BYTES_REASONS:
        return f"it was never a record ({marks.shw_dlq_reason}): publish the event again at its source"
    if marks.shw_dlq_truncated:
        return f"it is cut ({_describe_cuts(letter, marks)}): publish the event again at its source"
    if marks.shw_dlq_topic not in topics:
        return f"it came from topic {marks.shw_dlq_topic}, which this configuration does not read"
    return Outgoing(
        topic=marks.shw_dlq_topic,
        key=letter.record.key,
        value=letter.record.value or b"",
        headers=(*letter.own_headers, *mark(replace(first, replayed=first.replayed + 1))),
    )


def _describe_cuts(letter: Letter, marks: DeadLetterHeaders) -> str:
    size = len(letter.record.value or b"")
    cuts = []
    if size < marks.shw_dlq_bytes:
        cuts.append(f"{size} of {marks.shw_dlq_bytes} bytes, SHA-256 of the whole {marks.shw_dlq_sha256}")
    if marks.shw_dlq_key_bytes is not None:
        key = len(letter.record.key or b"")
        cuts.append(f"{key} of the {marks.shw_dlq_key_bytes} bytes of its key, SHA-256 {marks.shw_dlq_key_sha256}")
    if marks.shw_dlq_headers_left_out is not None:
        cuts.append(f"{marks.shw_dlq_headers_left_out} of its headers left out")
    return "; ".join(cuts) or "its own headers left out"


class DeadLetters:
    """Open reader of the whole dead-letter topic."""

    def __init__(self, consumer: Any, patience: float) -> None:  # noqa: ANN401 - the client has no types
        self._consumer = consumer
        self._patience = patience

    async def every(self) -> AsyncIterator[Letter]:
        """Yield every letter that is there now, in order within a partition; none that arrives meanwhile.

        Raises
        ------
        TransientError
            The broker stopped answering.

        """
        begins = await beginnings(self._consumer, _OPERATION)
        async for many in read_to_end(self._consumer, begins, at_most=_BATCH, patience=self._patience, what=_OPERATION):
            for one in many:
                yield _letter(one)

    async def at(self, partition: int, offset: int) -> Letter | None:
        """Return the letter at a position, or None when there is none (any more)."""
        begins = await beginnings(self._consumer, _OPERATION)
        tp = next((tp for tp in begins if tp.partition == partition), None)
        if tp is None or offset < begins[tp]:
            return None
        polls = polls_from(self._consumer, {tp: offset})
        waited = 0.0
        while waited <= self._patience:
            with translated(_OPERATION):
                polled = await polls.poll(of=(tp,), wait=POLL_MS / 1000, max_records=1)
            for one in polled.records.get(Partition(*tp), ()):
                return _letter(one) if one.offset == offset else None
            end = stable_end_of(self._consumer, tp)
            if end is not None and end <= offset:
                return None
            if (polls.position(tp) or offset) > offset:
                return None  # compacted away, or a transaction marker
            waited += POLL_MS / 1000
        raise TransientError(f"reading the dead letter {partition}:{offset}: no answer for {waited:.0f} s")


@asynccontextmanager
async def open_dead_letters(settings: KafkaSettings) -> AsyncIterator[DeadLetters]:
    """Open the dead-letter topic; raises as `open_topic` does."""
    async with open_topic(settings, settings.dlq_topic) as consumer:
        yield DeadLetters(consumer, settings.request_timeout.total_seconds())


def _letter(one: Record) -> Letter:
    # A header's value may be null; a letter is shown and sent with an empty one.
    record = replace(one, headers=tuple((name, content or b"") for name, content in one.headers))
    return Letter(record=record, marks=read_headers(record.headers))


def _ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
