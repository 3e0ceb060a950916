"""Reads how long a failure asks to wait before a retry: from its headers, its fields, or its text. Pure."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from consumer.diagnose.facts import ERROR_KEYS, json_bodies, words_of
from consumer.model import JsonObject
from consumer.model.waits import CLOCK, HTTP_DATE, ISO_SPAN, MOMENT, SPAN, ToldWait, told_wait, wait_of_headers
from schemas.context import error_of

LONGEST: Final = timedelta(days=7)
_MAX_READ: Final = 12_000
_MAX_CUES: Final = 50
_MAX_LEAVES: Final = 500
_MAX_DEPTH: Final = 8

_ASKS: Final = (
    r"re-?try(?:[_\s-]?(?:delay|after|in|at))?|try(?:\s(?:it|your\srequest|this|the\srequest))?\sagain|wait(?:ing)?"
    r"|flood_?wait|back[\s-]?off|cool-?down|available\sagain|come\sback|erneut|nochmals?|versuchen|warten"
    r"|reint[eé]nt\w{0,6}|int[eé]nt\w{0,8}|espere|r[eé]essay\w{0,4}|attend\w{0,4}|patient\w{0,4}|tente|aguarde"
    r"|riprova\w{0,2}|повторите|подождите"
)
_BETWEEN: Final = (
    r"again|request|your|the|this|after|in|for|at|of|time|is|on|until|another|least|about|approximately|around|next"
    r"|up\sto|to|seconds?|secs?|ms|millis(?:econds)?|novamente|de\snuevo|nuevamente|à\snouveau|di\snuovo|en|em|dans"
    r"|tra|fra|через"
)
_SEPARATOR: Final = r"""["'\s:=_(\-]{0,4}"""
_CUE: Final = re.compile(
    rf"(?:(?P<asks>{_ASKS})|resets?|resetting|until){_SEPARATOR}"
    rf"(?P<how>(?:(?:{_BETWEEN})(?![^\W_]){_SEPARATOR}){{0,6}})",
    re.IGNORECASE,
)
"""Words that a wait may follow, and what may stand between: `retry your request after`, `retry_after_ms":`."""
_SIGNS: Final = (
    *("try", "wait", "again", "reset", "until", "back", "cool", "erneut", "nochmal", "versuch", "warten"),
    *("reint", "inten", "espere", "reessay", "attend", "patient", "tente", "aguarde", "riprova"),
)
"""Without one of these a text in ASCII names no wait; to look for them costs less than to match the words."""
_VALUE: Final = re.compile(
    rf"""["'\s:=_(~<\-]{{0,4}}
        (?:(?P<told>{HTTP_DATE}|{MOMENT}|{SPAN}|{CLOCK}|P(?=[T\d]){ISO_SPAN[1:]})
        |(?P<word>an?|one)\s(?P<unit>second|minute|hour|day)(?!\w)
        |(?P<bare>[0-9]{{1,16}}(?:\.[0-9]{{1,9}})?)(?![\w%:/-]|\.[0-9]|\s?(?:of|/|x)\s|\s[^\W\d_]))""",
    re.VERBOSE | re.IGNORECASE,
)
_BEFORE: Final = re.compile(
    rf"\b(?:in|en|dans|em|tra|fra|через)\s(?P<told>{SPAN})\s(?:erneut|again|nochmals?|wieder|de\snuevo|novamente|à\snouveau)",
    re.IGNORECASE,
)
_EASTERN_SECONDS: Final = {
    **dict.fromkeys(("毫秒", "ミリ秒"), 0.001),
    **dict.fromkeys(("秒钟", "秒間", "秒", "초"), 1.0),
    **dict.fromkeys(("分钟", "分間", "分", "분"), 60.0),
    **dict.fromkeys(("小时", "時間", "시간"), 3600.0),
    **dict.fromkeys(("天", "日"), 86400.0),
}
_EASTERN: Final = re.compile(
    rf"(?P<number>[0-9]{{1,7}}(?:\.[0-9]{{1,6}})?)\s?(?P<unit>{'|'.join(_EASTERN_SECONDS)})\s?(?:之后|以后|以後|后|後|후|뒤)"
)
_WORDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_FIELDS: Final = words_of(
    """
    retryafter retryaftersec retryaftersecs retryafterseconds retryafterms retryaftermillis retryaftermilliseconds
    retrydelay retrydelayms retrydelayseconds retryin retryinseconds retryinms retryat waitseconds waittimeseconds
    waitms waitfor resetat resetsat resetin resetsin resetafter resetinseconds resetsinseconds resetafterseconds
    ratelimitreset xratelimitreset resettime cooldownseconds backoffseconds nextavailableat availableat
    """
)


def told_to_wait(reason: str, context: JsonObject) -> ToldWait | None:
    """Return the wait that the remote side asked for: a span from when it failed, or a moment; None: none."""
    for wait in _told(reason, context):
        return min(wait, LONGEST) if isinstance(wait, timedelta) else wait
    return None


def _told(reason: str, context: JsonObject) -> Iterator[ToldWait]:
    if any(key in context for key in ERROR_KEYS):
        error = error_of(context)
        headers = {name.lower(): said for name, said in (error.headers or {}).items()}
        if (wait := told_wait(error.retry_after)) is not None:
            yield wait
        if (wait := wait_of_headers(headers)) is not None:
            yield wait
        yield from _of_fields({"body": error.body, **(error.model_extra or {})})
        if error.message:
            yield from wait_in_text(error.message)
        if isinstance(error.body, str):
            yield from wait_in_text(error.body)
    if "{" in reason:
        for body in json_bodies(reason):
            yield from _of_fields(body)
    yield from wait_in_text(reason)


def _of_fields(body: object) -> Iterator[ToldWait]:
    for key, said in islice(_members(body, _MAX_DEPTH), _MAX_LEAVES):
        name = "".join(letter for letter in key if letter.isalnum()).lower()
        if name == "headers" and isinstance(said, Mapping):
            headers = {str(one).lower(): str(value) for one, value in islice(said.items(), 100)}
            wait = wait_of_headers(headers)
        else:
            wait = (
                told_wait(said, milliseconds=name.endswith(("ms", "millis", "milliseconds")))
                if name in _FIELDS
                else None
            )
        if wait is not None:
            yield wait


def _members(body: object, depth: int) -> Iterator[tuple[str, Any]]:
    if depth == 0:
        return
    if isinstance(body, Mapping):
        for key, value in islice(body.items(), _MAX_LEAVES):
            yield str(key)[:40], value
            yield from _members(value, depth - 1)
    elif isinstance(body, list):
        for value in body[:20]:
            yield from _members(value, depth - 1)


def wait_in_text(text: str) -> Iterator[ToldWait]:
    """Yield the waits that a text names, in order."""
    text = text[:_MAX_READ]
    if text.isascii():
        lowered = text.lower()
        if not any(sign in lowered for sign in _SIGNS):
            return
    for cue in islice(_CUE.finditer(text), _MAX_CUES):
        wait = _after_cue(text, cue)
        if wait is not None:
            yield wait
    if (found := _BEFORE.search(text)) is not None and (wait := told_wait(found["told"])) is not None:
        yield wait
    if not text.isascii() and (found := _EASTERN.search(text)) is not None:
        yield timedelta(seconds=float(found["number"]) * _EASTERN_SECONDS[found["unit"]])


def _after_cue(text: str, cue: re.Match[str]) -> ToldWait | None:
    found = _VALUE.match(text, cue.end())
    if found is None:
        return None
    if found["word"]:
        return timedelta(seconds=_WORDS[found["unit"].lower()])
    how = cue["how"].lower()
    if found["told"]:
        is_clock = ":" in found["told"] and found["told"][2:3] in ":0123456789" and "-" not in found["told"]
        if is_clock and re.search(r"\bat\b", how):
            return None  # a time of day, of nobody knows which zone
        return told_wait(found["told"])
    wait = told_wait(found["bare"], milliseconds="ms" in how or "milli" in how)
    if isinstance(wait, datetime):
        return wait
    asks = cue["asks"] is not None and re.search(r"after|delay|\bin\b|for|wait|seconds|secs|ms", cue[0].lower())
    return wait if asks else None
