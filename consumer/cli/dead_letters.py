"""`shw dlq`: what was refused and why; read without secrets, and sent again once its cause is gone."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, assert_never

from consumer.cli.exits import ExitCode, say
from consumer.cli.tables import print_json, print_rows
from consumer.kafka.dead_letters import DeadLetters, Letter, open_dead_letters, original
from consumer.kafka.publishing import NotStored, Outgoing, Sender, Stored, open_sender, require_topic
from consumer.model import Json, JsonObject
from consumer.redact import redact_json, redact_text
from consumer.settings import KafkaSettings, read_settings
from schemas.errors import EnvelopeError
from schemas.json_text import load_json
from schemas.names import PoisonReason
from schemas.rfc3339 import format_time

_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a letter lies in the dead-letter topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


def list_letters(*, reason: PoisonReason | None, limit: int, as_json: bool) -> None:
    """Print what was refused, oldest first, the newest `limit` of it."""
    found, total = asyncio.run(_newest(reason, limit))
    if as_json:
        for one in found:
            print_json(one)
    else:
        columns = ("place", "at", "reason", "message", "from", "bytes")
        print_rows(columns, ([one[name] for name in columns] for one in found))
    if total > len(found):
        say(f"The newest {len(found)} of {total}: --limit shows more.")


def show_letter(place: Place, *, raw: bool) -> ExitCode:
    """Print one letter without its secrets; `raw`: its bytes as they are."""
    letter = asyncio.run(_at(place))
    if letter is None:
        say(f"No dead letter at {place}: `shw dlq list` shows what there is.")
        return ExitCode.NO
    if raw:
        say("These are the event's own bytes: they may hold secrets. Do not paste them anywhere.")
        sys.stdout.buffer.write(letter.record.value or b"")
        sys.stdout.flush()
    else:
        print_json(shown(letter))
    return ExitCode.OK


def replay_letters(places: Sequence[Place], *, every: bool, reason: PoisonReason | None) -> ExitCode:
    """Send letters to where they came from, as they were; a letter stays in its topic, and can be sent again."""
    return asyncio.run(_replay(places, every=every, reason=reason))


def shown(letter: Letter) -> JsonObject:
    """Give a letter without what looks like a secret."""
    record = letter.record
    headers, _ = redact_json({name: content.decode(errors="replace") for name, content in letter.own_headers})
    return {
        **summary(letter),
        "truncated": letter.marks.shw_dlq_truncated if letter.marks else None,
        "sha256": letter.marks.shw_dlq_sha256 if letter.marks else None,
        "key": redact_text(record.key.decode(errors="replace")) if record.key is not None else None,
        "headers": headers,
        "value": shown_value(record.value or b""),
    }


def summary(letter: Letter) -> JsonObject:
    """Give a letter's line in the list."""
    marks = letter.marks
    if marks is None:
        message = "none of the healer's: it lacks the headers that say why"
        size = len(letter.record.value or b"")
        return {"place": letter.place, "at": None, "reason": None, "message": message, "from": None, "bytes": size}
    return {
        "place": letter.place,
        "at": format_time(marks.shw_dlq_at),
        "reason": marks.shw_dlq_reason.value,
        "message": redact_text(marks.shw_dlq_message),
        "from": f"{marks.shw_dlq_topic} {marks.shw_dlq_partition}:{marks.shw_dlq_offset}",
        "bytes": marks.shw_dlq_bytes,
    }


def shown_value(value: bytes) -> Json:
    """Give bytes without what looks like a secret: as JSON, else as text; what is neither is not shown."""
    try:
        document = load_json(value)
    except EnvelopeError:
        return _shown_text(value)
    if isinstance(document, dict) and "data_base64" in document:
        document |= {"data_base64": "not shown: --raw prints it"}
    clean, _ = redact_json(document)
    return clean


def _shown_text(value: bytes) -> Json:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return f"{len(value)} bytes that are no text: --raw prints them"
    # Cut or broken JSON can spell a name in escapes, which no pattern would know.
    return redact_text(_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)).encode(errors="replace").decode()


async def _newest(reason: PoisonReason | None, limit: int) -> tuple[list[JsonObject], int]:
    kept: list[tuple[int, JsonObject]] = []
    total = 0
    async with open_dead_letters(read_settings().kafka) as letters:
        async for letter in _chosen(letters, reason):
            kept.append((letter.record.timestamp_ms, summary(letter)))
            total += 1
            if len(kept) >= 2 * limit:
                kept = _last(kept, limit)
    return [one for _, one in _last(kept, limit)], total


def _last(kept: list[tuple[int, JsonObject]], limit: int) -> list[tuple[int, JsonObject]]:
    return sorted(kept, key=itemgetter(0))[-limit:]


async def _at(place: Place) -> Letter | None:
    async with open_dead_letters(read_settings().kafka) as letters:
        return await letters.at(place.partition, place.offset)


async def _chosen(letters: DeadLetters, reason: PoisonReason | None) -> AsyncIterator[Letter]:
    async for letter in letters.every():
        if reason is None or (letter.marks is not None and letter.marks.shw_dlq_reason is reason):
            yield letter


async def _replay(places: Sequence[Place], *, every: bool, reason: PoisonReason | None) -> ExitCode:
    kafka = read_settings().kafka
    code, sent = ExitCode.OK, 0
    async with open_dead_letters(kafka) as letters, open_sender(kafka) as sender:
        again = _Again(kafka, sender)
        if every:
            async for letter in _chosen(letters, reason):
                code = max(code, await again.send(letter))
                sent += 1
        for place in places:
            found = await letters.at(place.partition, place.offset)
            if found is None:
                say(f"No dead letter at {place}: `shw dlq list` shows what there is.")
                code = max(code, ExitCode.NO)
            else:
                code = max(code, await again.send(found))
                sent += 1
    if sent == 0 and every:
        say(f"No dead letter{f' of reason {reason}' if reason else ''}.")
    return code


class _Again:
    """Sends letters back to the topics that this configuration reads."""

    def __init__(self, kafka: KafkaSettings, sender: Sender) -> None:
        self._kafka = kafka
        self._sender = sender
        self._topics = frozenset((kafka.failures_topic, kafka.commands_topic, kafka.heartbeats_topic))

    async def send(self, letter: Letter) -> ExitCode:
        record = original(letter, self._topics)
        match record:
            case str():
                say(f"{letter.place} is not replayed: {record}.")
                return ExitCode.NO
            case Outgoing():
                return await self._send(letter, record)
            case _:
                assert_never(record)

    async def _send(self, letter: Letter, record: Outgoing) -> ExitCode:
        await require_topic(self._kafka, record.topic)
        [outcome] = await self._sender.send([record])
        match outcome:
            case Stored(topic=topic, partition=partition, offset=offset):
                print_json({"replayed": letter.place, "topic": topic, "partition": partition, "offset": offset})
                return ExitCode.OK
            case NotStored(reason=reason):
                say(f"{letter.place} was not acknowledged: {reason}. It may be there all the same.")
                return ExitCode.OUTSIDE
            case _:
                assert_never(outcome)
