"""Times on the wire: RFC 3339 with an offset, and near forms that say the same, read into aware UTC datetimes."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SHAPE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_NEAR = re.compile(
    r"(\d{4})([-/]?)(\d\d)\2(\d\d)[Tt ] ?(\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?"
    r" ?(?:([Zz]|UTC|GMT|utc|gmt)|([+\u2212-])(\d\d)(?::?(\d\d)(?::00)?)?)"
    r"(?: ?(?:\[[A-Za-z0-9_+/-]{1,64}\]|\([A-Za-z ]{1,64}\)|[A-Z]{1,5}))?",
    re.ASCII,
)
"""What `date`, Python, Go and Java write: `+0000`, `+00`, `UTC`, a comma, no seconds or separators, a zone's name."""
_LEAP_SECOND = "60"
_LONGEST = 128
_ONE_SECOND = timedelta(seconds=1)
_NOTHING = timedelta()
_FIRST = datetime(1, 1, 2, tzinfo=UTC)
_END = datetime(9999, 12, 31, tzinfo=UTC)
_NO_SUCH_MOMENT = "no such moment within the years 1 to 9999 in UTC, without their first and last day"


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time, or one of a near form, as UTC, cut to microseconds; a leap second is the one after it.

    ValueError on anything else: a missing offset, a number, a date that does not exist, or a moment that is not
    within the years 1 to 9999 in UTC. The first and last day of these are refused too: there the zero values of other
    languages lie, in another zone they are in no such year, and the database does not store them.
    """
    found = _SHAPE.fullmatch(text)
    if found is None and (exact := _exact(text.strip())) is not None:
        text = exact
        found = _SHAPE.fullmatch(text)
    if found is None:
        msg = "not an RFC 3339 time with an offset, such as 2026-01-31T09:30:00Z"
        raise ValueError(msg)
    leap = found[1] == _LEAP_SECOND
    if leap:
        text = text[: found.start(1)] + "59" + text[found.end(1) :]
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC) + (_ONE_SECOND if leap else _NOTHING)
    except (ValueError, OverflowError) as error:
        raise ValueError(_NO_SUCH_MOMENT) from error
    if not _FIRST <= moment < _END:
        raise ValueError(_NO_SUCH_MOMENT)
    return moment


def _exact(text: str) -> str | None:
    """Return a time of a near form as RFC 3339; None where it is none, or could be another moment."""
    found = _NEAR.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    year, _, month, day, hour, minute, second, fraction, zone, sign, hours, minutes = found.groups()
    offset = "Z" if zone else f"{'+' if sign == '+' else '-'}{hours}:{minutes or '00'}"
    return f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{f'.{fraction}' if fraction else ''}{offset}"


def format_time(moment: datetime) -> str:
    """Write an aware datetime as RFC 3339 in UTC, with microseconds only where there are any."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat()[: -len("+00:00")] + "Z"


def _time_of(value: object) -> datetime:
    match value:
        case datetime() if value.tzinfo is not None:
            return value
        case str():
            return parse_time(value)
        case _:
            msg = "not an RFC 3339 time with an offset, such as 2026-01-31T09:30:00Z"
            raise ValueError(msg)


Time = Annotated[
    datetime,
    BeforeValidator(_time_of),
    PlainSerializer(format_time, when_used="json", return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An aware datetime in a model of the contract; numbers and naive times are refused."""
