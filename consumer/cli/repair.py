"""`shw repair`: repairs documents to match their schemas, one on standard input or one per line."""

import asyncio
import json
from collections.abc import Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final

from consumer.cli.lines import MAX_LINE, Readable, line_batches
from consumer.errors import ConfigError
from consumer.repair.values import Json, RefusalCause, Repair, RepairStatus, refused
from consumer.repair.worker_pool import RepairWorkerPool, repair_worker_pool
from schemas.names import Grade
from schemas.printable import escape_json

_FIELDS: Final = ("id", "status", "document", "edits", "cause", "reason", "notes")


def repair_one(stream: BufferedIOBase, schema: Path, sink: BinaryIO, *, most: Grade) -> bool:
    """Repair the document in a stream and print the result; return whether it was not refused."""
    try:
        read = json.loads(schema.read_bytes())
    except OSError as error:
        raise ConfigError(f"{schema}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{schema}: not JSON") from error
    repair = asyncio.run(_repair_one(stream, read, most))
    sink.write(_line(repair.as_json()))
    sink.flush()
    return repair.status is not RepairStatus.REFUSED


def repair_lines(stream: Readable, sink: BinaryIO, *, most: Grade) -> bool:
    """Answer each line in order, as it arrives; return whether no document was refused."""
    return asyncio.run(_repair_lines(stream, sink, most))


async def _repair_one(stream: BufferedIOBase, schema: Json, most: Grade) -> Repair:
    async with repair_worker_pool() as room:
        await room.start()
        text = stream.read(MAX_LINE + 1)
        if len(text) > MAX_LINE:
            return refused(RefusalCause.TOO_LARGE, f"longer than {MAX_LINE} bytes")
        try:
            return await room.repair(text.decode(), schema, most=most)
        except UnicodeDecodeError:
            return refused(RefusalCause.NOT_JSON, "not UTF-8")


async def _repair_lines(stream: Readable, sink: BinaryIO, most: Grade) -> bool:
    mended = True
    async with repair_worker_pool() as room:
        await room.start()
        for lines in line_batches(stream):
            for line in lines:
                if line is None or line.strip():
                    name, repair = await _answer(room, line, most)
                    mended = mended and repair.status is not RepairStatus.REFUSED
                    sink.write(_line({"id": name} | repair.as_json()))
                    sink.flush()
    return mended


async def _answer(room: RepairWorkerPool, line: bytes | None, most: Grade) -> tuple[Json, Repair]:
    if line is None:
        return None, refused(RefusalCause.TOO_LARGE, f"the line is longer than {MAX_LINE} bytes")
    try:
        question = json.loads(line)
    except (ValueError, RecursionError):
        return None, refused(RefusalCause.UNREADABLE_LINE, "the line is not JSON")
    if not isinstance(question, Mapping):
        return None, refused(RefusalCause.UNREADABLE_LINE, "the line is not an object")
    name: Json = question.get("id")
    fault = _fault(question)
    if fault is not None:
        return name, refused(RefusalCause.UNREADABLE_LINE, fault)
    return name, await room.repair(question["text"], question["schema"], most=most)


def _fault(question: Mapping[Any, Any]) -> str | None:
    if not isinstance(question.get("text"), str):
        return "`text` has to be a string"
    return None if "schema" in question else "`schema` is missing"


def _line(answer: Mapping[str, Json]) -> bytes:
    try:
        text = json.dumps({name: answer[name] for name in _FIELDS if name in answer}, ensure_ascii=False)
        return escape_json(text.encode()) + b"\n"
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(dict(answer)).encode() + b"\n"
