"""`shw dlq list` and `show`: prints dead letters with the reason of their refusal, redacted."""

import asyncio
import re
import sys
from operator import itemgetter
from typing import Final

from consumer.cli.exits import ExitCode, say
from consumer.cli.letter_choice import LetterFilter
from consumer.cli.tables import print_document, print_json, print_rows
from consumer.kafka.dead_letters import Letter, LetterPosition, open_dead_letters
from consumer.model import Json, JsonObject
from consumer.redact import redact_json, redact_text
from consumer.results.refusals import CURES
from consumer.settings import read_settings
from schemas.errors import EnvelopeError
from schemas.json_text import load_json
from schemas.rfc3339 import format_time

_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")


def list_letters(choice: LetterFilter, *, limit: int, as_json: bool) -> None:
    """Print the newest `limit` dead letters, newest first."""
    found, total = asyncio.run(_read_newest(choice, limit))
    found = found[::-1]
    if as_json:
        for one in found:
            print_json(one)
    else:
        columns = ("place", "at", "reason", "message", "from", "bytes", "replayed")
        print_rows(columns, ([one[name] for name in columns] for one in found))
    if total > len(found):
        say(f"The newest {len(found)} of {total}: --limit shows more.")


def show_letter(place: LetterPosition, *, raw: bool, as_json: bool) -> ExitCode:
    """Print one dead letter, redacted, and what to do about it; with `raw`, its bytes unchanged."""
    letter = asyncio.run(_read_letter(place))
    if letter is None:
        say(f"No dead letter at {place}: `shw dlq list` shows what there is.")
        return ExitCode.NO
    if raw:
        say("These are the event's own bytes: they may hold secrets. Do not paste them anywhere.")
        sys.stdout.buffer.write(letter.record.value or b"")
        sys.stdout.flush()
    else:
        print_document(shown(letter), as_json=as_json)
        if letter.marks is not None:
            say(f"What to do: {CURES[letter.marks.shw_dlq_reason]}.")
    return ExitCode.OK


def shown(letter: Letter) -> JsonObject:
    """Return a dead letter as JSON, redacted."""
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
    """Return a dead letter's row in the list."""
    marks, first = letter.marks, letter.first
    if marks is None or first is None:
        message = "none of the healer's: it lacks the headers that say why"
        size = len(letter.record.value or b"")
        told: JsonObject = {"place": letter.place, "at": None, "reason": None, "message": message}
        return told | {"from": None, "bytes": size, "replayed": None}
    return {
        "place": letter.place,
        "at": format_time(marks.shw_dlq_at),
        "reason": marks.shw_dlq_reason.value,
        "message": redact_text(marks.shw_dlq_message),
        "from": f"{first.topic} {first.partition}:{first.offset}",
        "bytes": marks.shw_dlq_bytes,
        "replayed": first.replayed,
    }


def shown_value(value: bytes) -> Json:
    """Return bytes redacted: as JSON, else as text; anything else is not shown."""
    try:
        document = load_json(value)
    except EnvelopeError:
        return _redact_bytes(value)
    if isinstance(document, dict) and "data_base64" in document:
        document |= {"data_base64": "not shown: --raw prints it"}
    clean, _ = redact_json(document)
    return clean


def _redact_bytes(value: bytes) -> Json:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return f"{len(value)} bytes that are no text: --raw prints them"
    # Truncated or broken JSON can spell a name in escapes, which no redaction pattern would match.
    return redact_text(_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)).encode(errors="replace").decode()


async def _read_newest(choice: LetterFilter, limit: int) -> tuple[list[JsonObject], int]:
    kept: list[tuple[int, JsonObject]] = []
    total = 0
    async with open_dead_letters(read_settings().kafka) as letters:
        async for letter in letters.every():
            if not choice.holds(letter):
                continue
            kept.append((letter.record.timestamp_ms, summary(letter)))
            total += 1
            if len(kept) >= 2 * limit:
                kept = _last(kept, limit)
    return [one for _, one in _last(kept, limit)], total


def _last(kept: list[tuple[int, JsonObject]], limit: int) -> list[tuple[int, JsonObject]]:
    return sorted(kept, key=itemgetter(0))[-limit:]


async def _read_letter(place: LetterPosition) -> Letter | None:
    async with open_dead_letters(read_settings().kafka) as letters:
        return await letters.at(place.partition, place.offset)
