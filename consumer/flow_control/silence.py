"""When a flood of dead letters pauses intake, and when it ends. Pure.

A bad deploy of ours refuses everybody: those who are usually accepted fall silent, and dead letters in their name come
instead. A bad producer can write any number of dead letters in anybody's name, but it cannot keep the others' good
events from being accepted. So what is measured is silence, and dead letters only say whose silence it is.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final
from uuid import UUID

from pydantic_core import from_json

from consumer.model import OrgId, Record
from consumer.model.voice import HeardInterval, SilentVoices, Voice
from consumer.settings import DeadLetterLimitSettings

SHORTEST: Final = 2
"""Beats of silence that are the least to be looked at: what is under way when one begins is accepted in the next."""
_READ: Final = 1024 * 1024
"""Bytes of a refused record in which its claims are looked for."""
_SOURCE: Final = re.compile(rb'"source"\s{0,9}:\s{0,9}"([^"\\]{1,2048})"')
_ORGANISATION: Final = re.compile(rb'"org_id"\s{0,9}:\s{0,9}"([0-9A-Fa-f-]{32,36})"')


def silent_beats(heard: Sequence[HeardInterval], settings: DeadLetterLimitSettings) -> int | None:
    """Say since how many beats those who are usually accepted are not; None while they are, or nobody can tell.

    `heard` are the beats that have ended, newest first. Looked at is the shortest past in which so many organisations
    should have been heard that their silence is no chance: seconds in a busy fleet, minutes in a quiet one.
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


def is_reached(failing: SilentVoices, settings: DeadLetterLimitSettings) -> bool:
    """Tell whether so many of the silent ones had dead letters that the fault must be where all of them meet: here."""
    return (
        failing.sources >= settings.sources
        and failing.organisations >= settings.organisations
        and failing.letters >= settings.letters
    )


def is_well(accepted: int, refused: int) -> bool | None:
    """Say what a probe shows, by how many voices were accepted and how many known ones refused; None for neither."""
    if accepted + refused == 0:
        return None
    return accepted >= refused


def claims_of(records: Iterable[Record]) -> Counter[Voice]:
    """Count refused records by who they say they are from; one that says nothing that can be read is left out."""
    found: Counter[Voice] = Counter()
    for record in records:
        if (voice := claim_of(record)) is not None:
            found[voice] += 1
    return found


def claim_of(record: Record) -> Voice | None:
    """Read who a refused record says it is from, as far as it can be read.

    By means of its own and not by decode's, which may be just what is broken. Whoever writes it may claim anything.
    """
    value = (record.value or b"")[:_READ]
    source, org_id = _in_json(value) if len(record.value or b"") <= _READ else (None, None)
    headers = {name.lower(): content for name, content in record.headers if content is not None}
    in_header = headers.get("ce_source", b"").decode(errors="replace")
    source = in_header or source or _first(_SOURCE, value) or f"urn:kafka:{record.topic}"
    try:
        return Voice(source, OrgId(UUID(org_id or _first(_ORGANISATION, value) or "")))
    except ValueError:
        return None


def _in_json(value: bytes) -> tuple[str | None, str | None]:
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


def _first(pattern: re.Pattern[bytes], value: bytes) -> str | None:
    found = pattern.search(value)
    return found[1].decode(errors="replace") if found else None
