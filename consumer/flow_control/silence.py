"""Trip and reset rules of the intake breaker: when a flood of dead letters pauses intake, and when that ends. Pure.

A bad deploy of ours refuses every source: those that are usually accepted fall silent, and dead letters in their name
come instead. A bad producer can write any number of dead letters in any source's name, but it cannot keep the good
events of other sources from being accepted. So silence is measured, and dead letters only tell which source is silent.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final
from uuid import UUID

from pydantic_core import from_json

from consumer.model import OrgId, Record
from consumer.model.voice import HeardInterval, ReportingSource, SilentSources
from consumer.settings import DeadLetterLimitSettings

SHORTEST: Final = 2
"""Minimum beats of silence that count: an event under way when one beat begins is accepted in the next."""
_SEARCHED_BYTES: Final = 1024 * 1024
"""Bytes of a refused record that are searched for its source and organisation."""
_SOURCE: Final = re.compile(rb'"source"\s{0,9}:\s{0,9}"([^"\\]{1,2048})"')
_ORGANISATION: Final = re.compile(rb'"org_id"\s{0,9}:\s{0,9}"([0-9A-Fa-f-]{32,36})"')


def silent_beats(heard: Sequence[HeardInterval], settings: DeadLetterLimitSettings) -> int | None:
    """Return for how many beats the usual sources have been silent; None while they are not, or it cannot be known.

    `heard` are the beats that have ended, newest first. The window is the shortest in which so many organisations are
    expected that their silence is no chance: seconds in a busy fleet, minutes in a quiet one.
    """
    organisations = list(accumulate((beat.organisations for beat in heard), initial=0))
    sources = list(accumulate((beat.sources for beat in heard), initial=0))
    for beats in range(SHORTEST, min(settings.longest // settings.beat, len(heard) - 1) + 1):
        usual = beats / (len(heard) - beats)
        expected = (organisations[-1] - organisations[beats]) * usual
        if expected < settings.expected:
            continue
        left = 1 - settings.share
        few = organisations[beats] <= expected * left
        return beats if few and sources[beats] <= (sources[-1] - sources[beats]) * usual * left else None
    return None


def is_reached(failing: SilentSources, settings: DeadLetterLimitSettings) -> bool:
    """Return whether so many silent sources had dead letters that the fault must be where all of them meet: here."""
    return (
        failing.sources >= settings.sources
        and failing.organisations >= settings.organisations
        and failing.letters >= settings.letters
    )


def is_well(accepted: int, refused: int) -> bool | None:
    """Return whether a probe went well, by the number of sources accepted and of known ones refused; None for none."""
    if accepted + refused == 0:
        return None
    return accepted >= refused


def claims_of(records: Iterable[Record]) -> Counter[ReportingSource]:
    """Count refused records by the source that they claim; a record without a readable claim is left out."""
    found: Counter[ReportingSource] = Counter()
    for record in records:
        if (voice := claim_of(record)) is not None:
            found[voice] += 1
    return found


def claim_of(record: Record) -> ReportingSource | None:
    """Return the source and organisation that a refused record claims, as far as they can be read.

    Parsed here and not by `decode`, which may be just what is broken. A producer may claim anything.
    """
    value = (record.value or b"")[:_SEARCHED_BYTES]
    source, org_id = _parse_json(value) if len(record.value or b"") <= _SEARCHED_BYTES else (None, None)
    headers = {name.lower(): content for name, content in record.headers if content is not None}
    in_header = headers.get("ce_source", b"").decode(errors="replace")
    source = in_header or source or _first_match(_SOURCE, value) or f"urn:kafka:{record.topic}"
    try:
        return ReportingSource(source, OrgId(UUID(org_id or _first_match(_ORGANISATION, value) or "")))
    except ValueError:
        return None


def _parse_json(value: bytes) -> tuple[str | None, str | None]:
    try:
        document = from_json(value)
    except ValueError:
        return None, None
    match document:
        case {"data": {"org_id": str(org_id)}, "source": str(source)}:
            return source, org_id
        case {"data": {"org_id": str(org_id)}} | {"org_id": str(org_id)}:
            return None, org_id
        case _:
            return None, None


def _first_match(pattern: re.Pattern[bytes], value: bytes) -> str | None:
    found = pattern.search(value)
    return found[1].decode(errors="replace") if found else None
