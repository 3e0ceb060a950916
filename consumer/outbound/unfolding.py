"""Undoing what folds a text: escapes of JSON, URLs, HTML and mail, UTF-7, base64. Pure, each in one pass."""

import base64
import binascii
import re
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

_ESCAPE: Final = re.compile(r"\\+(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")
_UTF7: Final = re.compile(r"\+([A-Za-z0-9+/]{3,})-?")
_PERCENT: Final = re.compile("%([0-9A-Fa-f]{2})")
_ENTITY: Final = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6}));?", re.IGNORECASE)
_NAMED: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_QUOTED: Final = re.compile(r"=(?:\r?\n|([0-9A-Fa-f]{2}))")
_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]{6,}")
_BETWEEN: Final = re.compile(r"<[^<>]{0,200}>|[\s\"'`,;|]+|\\[nrt]")
"""What stands between two texts that are shown beside each other."""


@lru_cache(maxsize=64)
def base64_runs(shortest: int) -> re.Pattern[str]:
    """Return the pattern of runs of base64 that are long enough to matter."""
    return re.compile(rf"[A-Za-z0-9+/_-]{{{shortest},}}={{0,2}}")


def decoded_runs(run: re.Match[str], *, torn: bool) -> Iterator[bytes]:
    """Decode a run of base64; one that began before its window in each of the four ways to go on."""
    text = run[0]
    for skipped in range(4 if torn and run.start() == 0 else 1):
        yield _decoded(text[skipped:])


def unescape(text: str) -> str:
    """Undo one layer of every kind of escape."""
    if "\\" in text:
        text = _ESCAPE.sub(lambda m: chr(int(m[1] or m[2], 16)), text)
    if "%" in text:
        text = _PERCENT.sub(lambda m: chr(int(m[1], 16)), text)
    if "&" in text:
        text = _ENTITY.sub(_character, text)
    if "=" in text:
        text = _QUOTED.sub(lambda m: chr(int(m[1], 16)) if m[1] else "", text)
    if "+" in text:
        text = _UTF7.sub(lambda m: _decoded(m[1]).decode("utf-16-be", "replace"), text)
    return text


def _character(found: re.Match[str]) -> str:
    named, decimal, hexadecimal = found.groups()
    if named is not None:
        return _NAMED[named.lower()]
    code = int(decimal) if decimal is not None else int(hexadecimal, 16)
    return chr(code) if code <= sys.maxunicode else ""


def _decoded(run: str) -> bytes:
    plain = run.rstrip("=").replace("-", "+").replace("_", "/")
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return b""


def tight_text(text: str) -> str:
    """Return a text without what separates what is shown side by side."""
    return _BETWEEN.sub("", text)


def lower_text(text: str) -> str:
    """Return a text of the same length in lower case."""
    lowered = text.lower()
    # A few letters become two: then only those of ASCII, so that places stay what they are.
    return lowered if len(lowered) == len(text) else text.encode("utf-8", "replace").lower().decode("utf-8")


def printable(runs: Sequence[bytes]) -> list[str]:
    """Return what is text in decoded runs, as one text; what is no text has nothing folded in it."""
    texts = [text for raw in runs for text in _PRINTABLE.findall(raw)]
    return [b"\n".join(texts).decode("ascii")] if texts else []
