"""Takes secrets out of what is reported, before it leaves the process. Pure.

Where the healer weighs, this does not: in doubt it goes. A text loses what follows the name of a secret but for plain
words, and tokens by their mark or their randomness. `sent` is said of what a heal would send again: there only what is
named, marked or assigned goes, since a call of which something was taken out cannot be made again.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

from shw_report.names import (
    HIDDEN,
    LONGEST_NAME,
    SPACED,
    UUID,
    is_doubtful,
    is_opaque,
    is_secret_name,
    may_name_a_secret,
)
from shw_report.secret_words import COMMAND, ISSUED, PLAIN_WORDS, SECRET_NAME, SHAPES
from shw_report.urls import REDACTED, redact_url

_REFERENCE = re.compile(r"(?:[A-Za-z-]{1,20} {1,3})?secret://[\w.-]{1,128}", re.ASCII)

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'<>`]+")
_USER = re.compile(r"://(?![^\s/?#@]{0,256}:[0-9]{1,5}[/?#])[^\s/?#\"'<>]{0,256}(?::[^\s\"'<>]{0,256})?@")
_LOGIN = re.compile(r"[\w.-]{1,64}:[^\s:@/\"'<>,;]{4,128}@(?=[\w-]{1,63}\.[\w-])")
_TOKEN = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,256}={0,2}(?![A-Za-z0-9+/_-])")
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,4096}={0,2}")
_ENCODED = re.compile(r"[^\s\"'<>=&?;#]+")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_WORD = re.compile(r"[^\s\"'`<>,;(){}\[\]|&«»“”„‘’「」]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_REST_OF_WORD = re.compile(r"[a-zà-ÿ]{0,20}")
_TO_THE_END = re.compile(
    r"[\w.-]{0,30}[\\\"'`\])]{0,4}\s{0,4}(?:=>|[:=：]|%3[dD])([^\r\n]*(?:(?<=[|>])\s*\n[^\r\n]*)?)"
)
_PLAIN = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*[.!?:]{0,2}")
_SIGNS = re.compile(r"[=:>？！：。、]+|-{1,2}(?=[A-Za-z])")
_RUN = re.compile(r"\[redacted\](?:[\s,;|&]*\[redacted\])+")
_SHORTEST = 16
_SHORTEST_RANDOM = 24
_FEWEST_DIGITS = 2
_LONG_ENOUGH = 32
"""Of one case, a token takes more to look random."""
_FEW = 1000
"""`cookies: 3` is a count."""
_LONGEST = 64 * 1024


def redact_value(value: Any, *, sent: bool) -> Any:
    """Return JSON without its secrets: the same object where there are none."""
    if isinstance(value, str):
        return redact_text(value, sent=sent)
    if isinstance(value, dict):
        return _object(value, sent=sent)
    if isinstance(value, list):
        clean = [_item(value, at, sent=sent) for at in range(len(value))]
        return value if all(new is old for new, old in zip(clean, value)) else clean
    return value


def redact_text(text: str, *, sent: bool) -> str:
    """Return a text without its secrets; the same object where there are none."""
    if len(text) > _LONGEST:
        return REDACTED if redact_text(text[:_LONGEST], sent=sent) is not text[:_LONGEST] else text[:_LONGEST]
    if (not text.isascii() and HIDDEN.search(text)) or ("PRIVATE KEY" in text and "-----" in text):
        return REDACTED
    if len(text) < _SHORTEST and text.isalnum() and (text.isalpha() or text.isdigit()):
        return text
    clean = text
    for _ in range(4):
        before = clean
        clean = _once(clean, sent=sent)
        if clean == before:
            break
    return text if clean == text else _RUN.sub(REDACTED, clean)


def _once(text: str, *, sent: bool) -> str:
    text = _nested(text, sent=sent)
    text = _encoded(text, sent=sent)
    for pattern in (ISSUED, *SHAPES):
        text = pattern.sub(REDACTED, text)
    text = _USER.sub(f"://{REDACTED}@", text)
    text = _LOGIN.sub(f"{REDACTED}@", text)
    urls: list[str] = []

    def _set_aside(found: re.Match[str]) -> str:
        urls.append(redact_url(found[0], sent=sent))
        return f"\0{len(urls) - 1}\0"

    text = _words(_URL.sub(_set_aside, text), sent=sent)
    if not sent:
        text = _TOKEN.sub(_unless_an_id, text)
    return re.sub("\0([0-9]+)\0", lambda found: urls[int(found[1])], text)


def _words(text: str, *, sent: bool) -> str:
    """Redact what follows a secret's name: all but plain words; of what is sent, what is assigned or has digits."""
    low = text.lower()
    low = (low if len(low) == len(text) else text).translate(SPACED)
    found_names = SECRET_NAME.finditer(low) if may_name_a_secret(low) else ()
    named = [_end_of_word(low, one.end()) for one in found_names]
    command = None if sent else COMMAND.search(low)
    starts = [*named[:1], *([command.end()] if command else [])]
    if not starts:
        return _doubtful(text)
    strict: list[tuple[int, int]] = []
    reached = 0
    for end in named:
        found = _TO_THE_END.match(text, end) if end >= reached else None
        if found is not None:
            reached = found.end()  # to the end of the line: what is in it is judged with it
            strict += [] if _is_plain(found[1]) else [found.span(1)]
    return "".join(_judged(text, min(starts), strict, sent=sent))


def _judged(text: str, at: int, strict: list[tuple[int, int]], *, sent: bool) -> Iterator[str]:
    """Yield a text with its words judged, from a place on."""
    yield text[:at]
    for found in _WORD.finditer(text, at):
        yield text[at : found.start()]
        at = found.end()
        word = found[0]
        sign = _SIGNS.match(word)
        lead, core = (word[: sign.end()], word[sign.end() :]) if sign else ("", word)
        is_mark = core.startswith(("redacted", "\0")) or not any(map(str.isalnum, core))
        if is_mark or _REFERENCE.fullmatch(word):
            yield word
        elif any(start <= at - 1 < end for start, end in strict):
            yield f"{lead}{REDACTED}"
        elif _is_plain(core) or (sent and not lead and _PLAIN.fullmatch(core)):
            yield word
        else:
            yield f"{lead}{REDACTED}"
    yield text[at:]


def _end_of_word(text: str, at: int) -> int:
    found = _REST_OF_WORD.match(text, at)
    return at if found is None else found.end()


def _is_plain(text: str) -> bool:
    """Return whether a text has nothing but words that say how a secret is."""
    words = _LETTERS.findall(text)
    return not any(map(str.isdigit, text)) and all(
        word.lower() in PLAIN_WORDS or SECRET_NAME.fullmatch(word.lower()) for word in words
    )


def _doubtful(text: str) -> str:
    """Redact what looks like a credential behind a name that may be one's: `key: ...`."""

    def _judge(found: re.Match[str]) -> str:
        name, sign, value = found.groups()
        if is_doubtful(name) and is_opaque(value.strip("\\\"'")):
            return f"{name}{sign}{REDACTED}"
        return found[0]

    return re.sub(r"([\w.-]{1,64})(\\{0,3}[\"']?\s{0,4}(?:[:=]|=>)\s{0,4})(\\{0,3}[\"']?[\w+/.~=-]{8,})", _judge, text)


def _unless_an_id(found: re.Match[str]) -> str:
    token = UUID.sub("", found[0].rstrip("="))  # an id with something beside it, such as order-7/UUID
    if not token or (token != found[0].rstrip("=") and len(token) < _SHORTEST_RANDOM):
        return found[0]
    digits = sum(map(str.isdigit, token))
    if digits < _FEWEST_DIGITS:
        return found[0]
    if _HEX.fullmatch(token) and len(token) not in (64, 96, 128):
        return found[0]
    mixed = token.lower() != token and token.upper() != token
    return REDACTED if mixed or len(token) >= _LONG_ENOUGH else found[0]


def _encoded(text: str, *, sent: bool) -> str:
    """Redact what stands behind an encoding: percent signs, entities, base64 of a text."""
    if _PERCENT.search(text):
        text = _ENCODED.sub(lambda found: _behind(found[0], unquote_plus(found[0]), sent=sent), text)
    if "&" in text and html.unescape(text) != text:
        said = html.unescape(text)
        clean = redact_text(said, sent=sent)
        text = text if clean == said else clean
    return _BASE64.sub(lambda found: _behind(found[0], _decoded(found[0]), sent=sent), text)


def _behind(word: str, said: str, *, sent: bool) -> str:
    if not said or said == word:
        return word
    return REDACTED if redact_text(said, sent=sent) != said else word


def _decoded(word: str) -> str:
    core = word.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        said = base64.b64decode(core + "=" * (-len(core) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return said if said.isprintable() or "\n" in said else ""


def _nested(text: str, *, sent: bool) -> str:
    if text[:1] not in ("{", "["):
        return text
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(inner, (dict, list)):
        return text
    clean = redact_value(inner, sent=sent)
    return text if clean is inner else json.dumps(clean, ensure_ascii=False)


def _object(value: dict[str, Any], *, sent: bool) -> dict[str, Any]:
    label = value.get("name", value.get("key"))
    paired = isinstance(label, str) and is_secret_name(label)
    clean: dict[str, Any] = {}
    changed = False
    for name, old in value.items():
        shown, new = _member(str(name), old, paired=paired, sent=sent)
        while shown in clean:
            shown += "'"
        changed = changed or new is not old or shown != name
        clean[shown] = new
    return clean if changed else value


def _member(name: str, old: Any, *, paired: bool, sent: bool) -> tuple[str, Any]:
    shown = (
        name
        if len(name) <= LONGEST_NAME and _LETTERS.sub("", name).strip("_-. ") == ""
        else redact_text(name, sent=sent)
    )
    if is_secret_name(name) or (paired and name in ("value", "values")):
        is_count = isinstance(old, int) and 0 <= old < _FEW and name.lower().endswith("s")
        return shown, old if is_count else _all_of(old)
    if isinstance(old, str) and is_doubtful(name) and is_opaque(old):
        return shown, REDACTED
    return shown, redact_value(old, sent=sent)


def _all_of(value: Any) -> Any:
    """Redact everything under a secret's name: flags, nothing, and references stay."""
    if isinstance(value, dict):
        return {name: _all_of(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_all_of(item) for item in value]
    if value is None or isinstance(value, bool) or value in ("", REDACTED):
        return value
    return value if isinstance(value, str) and _REFERENCE.fullmatch(value) else REDACTED


def _item(value: list[Any], at: int, *, sent: bool) -> Any:
    """Redact one item; one behind a secret's name is that secret: `["--password", "..."]`."""
    before = value[at - 1] if at else None
    if (
        isinstance(before, str)
        and len(before) <= LONGEST_NAME
        and is_secret_name(before)
        and isinstance(value[at], str)
    ):
        return _all_of(value[at])
    return redact_value(value[at], sent=sent)
