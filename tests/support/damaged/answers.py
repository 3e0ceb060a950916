"""Asks a repairer, a program of its own that reads lines and writes lines, about many texts."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.damaged.schema_positions import Json

SHW: Final = (str(Path(sys.executable).with_name("shw")), "repair", "--jsonl")
_MINUTES: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a repairer says of one text; `silent` where it says nothing at all."""

    status: str
    document: Json = None
    edits: Sequence[Mapping[str, Json]] = field(default_factory=tuple)
    reason: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it gave a document."""
        return self.status in {"valid", "repaired"}


SILENT: Final = Answer(status="silent")


def line(number: int, schema: Json, text: str) -> bytes:
    """Write a question down as the repairers read it."""
    return json.dumps({"id": number, "schema": schema, "text": text}).encode() + b"\n"


def ask(command: Sequence[str], lines: Sequence[bytes]) -> dict[int, Answer]:
    """Return the answers by the questions' numbers; what died or hung leaves the rest without one."""
    try:
        done = subprocess.run(
            command, input=b"".join(lines), stdout=subprocess.PIPE, timeout=_MINUTES * 60, check=False
        )
        out = done.stdout
    except subprocess.TimeoutExpired as late:
        out = late.stdout or b""
    answers = [answer for one in out.splitlines() if (answer := _answer(one)) is not None]
    return dict(answers)


def _answer(told: bytes) -> tuple[int, Answer] | None:
    try:
        read = json.loads(told)
        return int(read["id"]), Answer(
            status=read["status"],
            document=read.get("document"),
            edits=read.get("edits") or (),
            reason=str(read.get("reason")),
        )
    except (ValueError, KeyError, TypeError):
        return None
