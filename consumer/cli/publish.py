"""`shw publish`: publishes failures from a file or stdin, each acknowledged by every in-sync replica (acks=all)."""

import asyncio
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final, assert_never
from uuid import uuid4

from consumer.cli.exits import ExitCode, say
from consumer.cli.lines import MAX_LINE, Readable, line_batches
from consumer.cli.tables import print_json
from consumer.errors import ConfigError
from consumer.ingest.decode import event_failure_id
from consumer.kafka.manual_producer import (
    Acknowledged,
    ManualProducer,
    NotAcknowledged,
    Outgoing,
    open_sender,
    require_topic,
)
from consumer.model import JsonObject
from consumer.settings import read_settings
from schemas.envelope import Envelope, Form, encode, encode_binary, parse
from schemas.errors import EnvelopeError
from schemas.failure import FAILURE_TYPE, WorkflowFailure, decode_failure
from schemas.json_text import load_json, to_json

SOURCE: Final = "urn:shw:publish"
"""Default event source; the catalog has to allow it."""
BATCH: Final = 500
"""Maximum number of events in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """How events are encoded; None takes the event's own value, or the default."""

    form: Form
    source: str | None
    event_id: str | None
    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """An event ready to send, and the ids to print for it."""

    record: Outgoing
    told: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfitEvent:
    """An event that would become a dead letter, with the reason."""

    reason: str


def publish(stream: Readable, manner: PublishOptions) -> ExitCode:
    """Publish one event, or one for each line, and print the position of each in Kafka.

    An event that would become a dead letter by its own bytes is not sent; the others are. An input whose first line is
    no JSON is read to its end as one event. Lines are sent as they arrive.
    """
    if manner.form is Form.BARE and (manner.source or manner.event_id):
        raise ConfigError(
            "A bare event has neither source nor id: leave out --source and --id, or choose another form."
        )
    return asyncio.run(_publish(stream, manner))


def ready(event: bytes, manner: PublishOptions, topic: str, now: datetime) -> Ready | UnfitEvent:
    """Encode one event, a CloudEvent or the bare data, as its record. Pure, except for a random id if none is given."""
    try:
        envelope = parse(event, ())
        failure = decode_failure(envelope.data)
    except EnvelopeError as error:
        return UnfitEvent(reason=f"{error.kind}: {error.message}")
    envelope = replace(
        envelope,
        id=manner.event_id or envelope.id or str(uuid4()),
        source=manner.source or envelope.source or SOURCE,
        type=FAILURE_TYPE,
        time=envelope.time or now,
    )
    value, headers = _encode(envelope, manner.form)
    key = (manner.key or _run_id(failure) or str(failure.org_id)).encode()
    record = Outgoing(topic=topic, key=key, value=value, headers=tuple(headers))
    return Ready(record=record, told=_ids_of(envelope, failure, manner.form))


def _encode(envelope: Envelope, form: Form) -> tuple[bytes, list[tuple[str, bytes]]]:
    match form:
        case Form.STRUCTURED:
            return encode(envelope)
        case Form.BINARY:
            return encode_binary(envelope)
        case Form.BARE:
            return to_json(envelope.data), []
        case _:
            assert_never(form)


def _ids_of(envelope: Envelope, failure: WorkflowFailure, form: Form) -> JsonObject:
    if form is Form.BARE or envelope.source is None or envelope.id is None:
        return {"id": None, "failure_id": None}  # it will derive from the record's position and time
    failure_id = event_failure_id(failure.org_id, envelope.source, envelope.id)
    return {"id": envelope.id, "failure_id": str(failure_id)}


def _run_id(failure: WorkflowFailure) -> str | None:
    run: Any = failure.context.get("run")
    found = run.get("id") if isinstance(run, dict) else None
    return str(found) if isinstance(found, str | int) and found != "" else None


async def _publish(stream: Readable, manner: PublishOptions) -> ExitCode:
    kafka = read_settings().kafka
    await require_topic(kafka, kafka.failures_topic)
    code, number = ExitCode.OK, 0
    async with open_sender(kafka) as sender:
        batches = _read_events(stream)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            if manner.event_id and number + len(batch) > 1:
                raise ConfigError("--id names one event, and there are more: leave it out.")
            made = [_prepare(event, manner, kafka.failures_topic) for event in batch]
            code = max(code, await _send(sender, made, number))
            number += len(batch)
    if number == 0:
        say("No event came in: send one, or one on each line.")
        return ExitCode.NO
    return code


def _prepare(event: bytes | None, manner: PublishOptions, topic: str) -> Ready | UnfitEvent:
    if event is None:
        return UnfitEvent(reason=f"longer than {MAX_LINE} bytes")
    return ready(event, manner, topic, datetime.now(UTC))


def _read_events(stream: Readable) -> Iterator[list[bytes | None]]:
    """Yield the events as they arrive: lines, or the whole input where its first line is no JSON by itself."""
    batches = filter(None, map(_without_blanks, line_batches(stream)))
    first = next(batches, [])
    if first and first[0] is not None and not _is_json(first[0]):
        yield [_join_lines(first, batches)]
        return
    for batch in chain([first], batches):
        for start in range(0, len(batch), BATCH):
            yield batch[start : start + BATCH]


def _without_blanks(batch: list[bytes | None]) -> list[bytes | None]:
    return [line for line in batch if line is None or line.strip()]


def _is_json(line: bytes) -> bool:
    try:
        load_json(line)
    except EnvelopeError:
        return False
    return True


def _join_lines(first: list[bytes | None], others: Iterable[list[bytes | None]]) -> bytes | None:
    lines: list[bytes] = []
    size = 0
    for line in chain(first, chain.from_iterable(others)):
        size += MAX_LINE if line is None else len(line)
        if line is None or size > MAX_LINE:
            return None
        lines.append(line)
    return b"\n".join(lines)


async def _send(sender: ManualProducer, made: list[Ready | UnfitEvent], before: int) -> ExitCode:
    outcomes = iter(await sender.send([one.record for one in made if isinstance(one, Ready)]))
    code = ExitCode.OK
    for number, one in enumerate(made, before + 1):
        match one:
            case UnfitEvent(reason=reason):
                say(f"Event {number} was not sent, it would become a dead letter: {reason}")
                code = max(code, ExitCode.NO)
            case Ready(told=told):
                code = max(code, _report_outcome(next(outcomes), told, number))
            case _:
                assert_never(one)
    sys.stdout.flush()
    return code


def _report_outcome(outcome: Acknowledged | NotAcknowledged, told: JsonObject, number: int) -> ExitCode:
    match outcome:
        case Acknowledged(topic=topic, partition=partition, offset=offset):
            print_json({"topic": topic, "partition": partition, "offset": offset, **told})
            return ExitCode.OK
        case NotAcknowledged(reason=reason):
            named = f"with --id {told['id']}" if told["id"] else "and expect it twice"
            say(f"Event {number} was not acknowledged: {reason}. It may be there all the same: send it again {named}.")
            return ExitCode.OUTSIDE
        case _:
            assert_never(outcome)
