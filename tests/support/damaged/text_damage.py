"""Damage to the whole: envelopes, ways to write that are not JSON, prose and fences."""

import json
import random
import re
from typing import Final

from tests.support.damaged.damage import Around, Damage, Told, Written
from tests.support.damaged.schema_positions import Json, Schema

_WRAPPERS: Final = ("data", "result", "response", "payload", "output", "body", "record", "content")
_BESIDE: Final[tuple[dict[str, Json], ...]] = (
    {"status": "ok"},
    {"success": True},
    {"code": 200, "message": "OK"},
    {"error": None},
    {"ok": True, "request_id": "req_8812"},
    {"status": 200, "errors": []},
)
_BEFORE: Final = (
    "Here is the JSON you asked for:\n\n",
    "Sure! The record follows.\n",
    "I've extracted the fields from the message, as requested: ",
    "Output - all fields filled in, dates as they were given:\n",
    "OK. ",
)
_AFTER: Final = (
    "\n\nLet me know if you need anything else!",
    "\nNote: two fields weren't mentioned, so I left them out.",
    " -- end of output",
    "\n\nI hope this helps. Shall I send it as well?",
    "\nDone.",
)
_REMARKS: Final = ("from the last sync", "TODO: check with finance", "it's optional", "see the wiki", "was 12 before")
_LINE: Final = re.compile(r"\n")


def envelope(document: Json, schema: Schema, rng: random.Random) -> Json | None:
    """Put the document into an object under one key."""
    name = rng.choice(_WRAPPERS)
    return None if name in schema.get("properties", {}) else {name: document}


def envelope_with_status(document: Json, schema: Schema, rng: random.Random) -> Json | None:
    """Put the document into an object, beside what came of the call."""
    made = envelope(document, schema, rng)
    if made is None:
        return None
    beside = rng.choice(_BESIDE)
    return {**beside, **made} if rng.random() < 0.7 else {**made, **beside}


def python_repr(document: Json, rng: random.Random) -> str | None:
    """Write it as Python prints it."""
    del rng
    return repr(document)


def single_quotes(document: Json, rng: random.Random) -> str | None:
    """Write its texts in single quotes."""
    return "".join(_single(piece) for piece in _pieces(json.dumps(document, ensure_ascii=False, indent=_indent(rng))))


def _pieces(text: str) -> list[str]:
    return re.findall(r'"(?:[^"\\]|\\.)*"|[^"]+', text)


def _single(piece: str) -> str:
    if not piece.startswith('"'):
        return piece
    return "'" + piece[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


def _indent(rng: random.Random) -> int | None:
    return rng.choice([None, 2, 4])


def trailing_commas(document: Json, rng: random.Random) -> str | None:
    """Put a comma behind what comes last."""
    pieces = _pieces(json.dumps(document, ensure_ascii=False, indent=_indent(rng)))
    return "".join(piece if piece.startswith('"') else _with_commas(piece) for piece in pieces)


def _with_commas(piece: str) -> str:
    return re.sub(r"(?<=[^\s\[{,:])(\s*[}\]])|^(\s*[}\]])", lambda found: "," + found.group(0), piece)


def comments(document: Json, rng: random.Random) -> str | None:
    """Write remarks at the ends of lines and between them."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return _LINE.sub(lambda _: _remark(rng) + "\n", text) if "\n" in text else None


def _remark(rng: random.Random) -> str:
    words = rng.choice(_REMARKS)
    return rng.choice(["", "", f" // {words}", f" /* {words} */", f"\n  // {words}"])


def comments_and_commas(document: Json, rng: random.Random) -> str | None:
    """Write remarks and trailing commas."""
    pieces = _pieces(json.dumps(document, ensure_ascii=False, indent=2))
    return "".join(
        piece if piece.startswith('"') else _LINE.sub(lambda _: _remark(rng) + "\n", _with_commas(piece))
        for piece in pieces
    )


def raw_newlines(document: Json, rng: random.Random) -> str | None:
    """Break lines within texts as they are."""
    text = json.dumps(document, ensure_ascii=False, indent=_indent(rng))
    broken = "".join(re.sub(r"(?<!\\)((?:\\\\)*)\\n", "\\1\n", piece) for piece in _pieces(text))
    return broken if broken != text else None


def fenced(text: str, rng: random.Random) -> str:
    """Put it into a fence, with prose around it or without."""
    fence = f"```{rng.choice(['json', 'json', '', 'JSON'])}\n{text}\n```"
    return rng.choice(["", *_BEFORE]) + fence + rng.choice(["", *_AFTER])


def prose_before(text: str, rng: random.Random) -> str:
    """Put prose before it."""
    return rng.choice(_BEFORE) + text


def prose_after(text: str, rng: random.Random) -> str:
    """Put prose behind it."""
    return text + rng.choice(_AFTER)


def encoded_whole(text: str, rng: random.Random) -> str:
    """Write the whole text as a JSON text."""
    return json.dumps(text, ensure_ascii=rng.random() < 0.5)


WHOLE: Final[tuple[Damage, ...]] = (
    Around("envelope", envelope),
    Around("envelope with a status", envelope_with_status),
    Written("Python repr", python_repr),
    Written("single quotes", single_quotes),
    Written("trailing commas", trailing_commas),
    Written("comments", comments),
    Written("comments and commas", comments_and_commas),
    Written("raw newlines", raw_newlines),
    Told("fenced prose", fenced),
    Told("prose before", prose_before),
    Told("prose after", prose_after),
    Told("double-encoded whole", encoded_whole),
)
