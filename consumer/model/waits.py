"""Reader of waits: spans (`1m30s`, `2 hours`, `00:01:30`, `PT20S`), moments, and the headers of a rate limit. Pure.

A wait is a span, counted from when it was told, or a moment, which is not counted from anything. A number that is no
time is none: `retry 3 of 5`, a date's year, a limit that is not used up.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from operator import mul
from typing import Final, TypeAlias

from consumer.model.retry_after import bounded_seconds, epoch, http_date, retry_after, retry_after_milliseconds

ToldWait: TypeAlias = timedelta | datetime

_UNIT: Final = (
    r"(?:ms|msecs?|millis(?:econds?)?|milisegundos?|s|secs?|seconds?|sekunden?|segundos?|secondes?|secondi|секунд[ыау]?"
    r"|m|mins?|minutes?|minuten?|minutos?|minuti|минут[ыау]?|h|hrs?|hours?|stunden?|horas?|heures?|or[ae]|час(?:ов|а)?"  # noqa: RUF001
    r"|d|days?|tage?n?|d[ií]as?|jours?|giorni|w|weeks?)"
)
_AMOUNT: Final = rf"[0-9]{{1,9}}(?:\.[0-9]{{1,9}})?\s?{_UNIT}(?![^\W\d_])"
SPAN: Final = rf"{_AMOUNT}(?:[\s,]{{0,2}}(?:and\s)?{_AMOUNT}){{0,4}}"
"""Pattern of a span in words: `1m30s`, `2 hours`, `2 minutes and 30 seconds`."""
CLOCK: Final = r"[0-9]{1,3}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_ZONE: Final = r"(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})"
MOMENT: Final = rf"{_DAY}[T ][0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:\.[0-9]{{1,9}})?)?\s?{_ZONE}?"
_TIME: Final = r"[0-9]{2}:[0-9]{2}:[0-9]{2}"
HTTP_DATE: Final = (
    rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{{0,6}},\x20[0-9]{{2}}[ -][A-Z][a-z]{{2}}[ -][0-9]{{2,4}}\x20{_TIME}\x20GMT"
)
ISO_SPAN: Final = r"P(?:[0-9]{1,4}D)?T?(?:[0-9]{1,5}H)?(?:[0-9]{1,6}M)?(?:[0-9]{1,7}(?:\.[0-9]{1,9})?S)?"

_PARTS: Final = re.compile(rf"([0-9]{{1,9}}(?:\.[0-9]{{1,9}})?)\s?({_UNIT})(?![^\W\d_])", re.IGNORECASE)
_SPAN: Final = re.compile(SPAN, re.IGNORECASE)
_CLOCK: Final = re.compile(CLOCK)
_MOMENT: Final = re.compile(MOMENT)
_ISO: Final = re.compile(
    r"P(?:([0-9]{1,4})D)?(?:T(?:([0-9]{1,5})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,7}(?:\.[0-9]{1,9})?)S)?)?"
)
_NUMBER: Final = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,9})?")
_SECONDS: Final = {
    "s": 1.0,
    "с": 1.0,  # noqa: RUF001
    "h": 3600.0,
    "d": 86400.0,
    "j": 86400.0,
    "g": 86400.0,
    "t": 86400.0,
    "w": 604800.0,
}
_OTHER_SECONDS: Final = {"mi": 60.0, "ми": 60.0, "ча": 3600.0, "st": 3600.0, "ho": 3600.0, "or": 3600.0, "he": 3600.0}
_RESET_AFTER: Final = ("ratelimit-reset-after", "x-ratelimit-reset-after", "x-ratelimit-retry-after", "x-retry-after")
_IETF: Final = re.compile(r"(?:^|[;,\s])(?P<key>r|t|remaining|reset)\s?=\s?(?P<value>[0-9]{1,9})", re.IGNORECASE)


def told_wait(said: object, *, milliseconds: bool = False) -> ToldWait | None:
    """Read a value that is a wait: a number of seconds (or milliseconds), a span, a moment; None where it is none."""
    if isinstance(said, bool):
        return None
    if isinstance(said, int | float):
        return _of_number(float(said), milliseconds=milliseconds) if said >= 0 else None
    if isinstance(said, Mapping):  # protobuf's Duration, as some clients render it
        seconds = said.get("seconds")
        return told_wait(seconds) if isinstance(seconds, int | str) else None
    return _of_text(said.strip(), milliseconds=milliseconds) if isinstance(said, str) and len(said) < 80 else None  # noqa: PLR2004 - no wait is longer


_ASCTIME: Final = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}")
"""The third form of an HTTP date."""


def _of_text(text: str, *, milliseconds: bool) -> ToldWait | None:
    text = text.rstrip(".,;")
    if _NUMBER.fullmatch(text):
        return _of_number(float(text), milliseconds=milliseconds)
    if _SPAN.fullmatch(text):
        return bounded_seconds(sum(float(number) * _seconds(unit) for number, unit in _PARTS.findall(text)))
    if _CLOCK.fullmatch(text):
        hours, minutes, seconds = text.split(":")
        return bounded_seconds(int(hours) * 3600 + int(minutes) * 60 + float(seconds))
    if _MOMENT.fullmatch(text):
        return _moment(text)
    if len(text) > 2 and (found := _ISO.fullmatch(text)) is not None:  # noqa: PLR2004 - more than its sign
        parts = (float(part or 0) for part in found.groups())
        return bounded_seconds(sum(map(mul, parts, (86400.0, 3600.0, 60.0, 1.0))))
    return http_date(text) if "," in text or _ASCTIME.fullmatch(text) else None


def _of_number(number: float, *, milliseconds: bool) -> ToldWait | None:
    if (moment := epoch(number)) is not None:
        return datetime.fromtimestamp(moment, UTC)
    return bounded_seconds(number / 1000 if milliseconds else number)


def _seconds(unit: str) -> float:
    lowered = unit.lower()
    if lowered.startswith(("ms", "mil")):
        return 0.001
    if lowered == "m":
        return 60.0
    return _OTHER_SECONDS.get(lowered[:2]) or _SECONDS[lowered[0]]


def _moment(text: str) -> datetime | None:
    plain = text.replace("UTC", "Z").replace("GMT", "Z").replace(" Z", "Z").replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def wait_of_headers(headers: Mapping[str, str], *, throttled: bool = True) -> ToldWait | None:
    """Return the wait that an answer's headers name, by their lower-case names; None where they name none.

    What asks to wait goes first (`retry-after-ms`, Retry-After), then a rate limit that is used up: the IETF's
    `RateLimit`, `x-ratelimit-reset*`, `anthropic-ratelimit-*-reset`. Of several that are used up the longest counts;
    one of which something is left counts for nothing. Where the answer is not `throttled`, one has to say that nothing
    is left.
    """
    date = headers.get("date")
    wait = retry_after_milliseconds(
        headers.get("retry-after-ms") or headers.get("x-ms-retry-after-ms"), date=date
    ) or retry_after(headers.get("retry-after"), date=date)
    if wait is not None:
        return wait
    if (said := told_wait(headers.get("retry-after"))) is not None:
        return said  # a moment without a Date beside it, or `30s`
    waits = [said for name in headers if (said := _reset(name, headers, throttled=throttled)) is not None]
    return max(waits, key=_length, default=None)


def _reset(name: str, headers: Mapping[str, str], *, throttled: bool) -> ToldWait | None:
    if name in _RESET_AFTER:
        return told_wait(headers[name]) if throttled else None
    if name == "ratelimit":
        told = {found["key"].lower()[0:3]: found["value"] for found in _IETF.finditer(headers[name][:200])}
        left, reset = told.get("r", told.get("rem", "0" if throttled else "")), told.get("t", told.get("res"))
        return told_wait(reset) if left == "0" else None
    if "ratelimit" not in name.replace("-", "") or "reset" not in name:
        return None
    left = headers.get(name.replace("reset", "remaining"), "0" if throttled else "")
    return told_wait(headers[name]) if left.strip() == "0" else None


def _length(wait: ToldWait) -> float:
    # A moment is later than any span that is told beside it: which of both is longer depends on the time.
    return wait.total_seconds() if isinstance(wait, timedelta) else wait.timestamp()
