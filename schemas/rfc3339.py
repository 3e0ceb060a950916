"""Times on the wire: RFC 3339 with an offset, read into aware UTC datetimes."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SHAPE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LEAP_SECOND = "60"
_ONE_SECOND = timedelta(seconds=1)
_NOTHING = timedelta()
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_NO_SUCH_MOMENT = "no such moment within the years 1 to 9999 in UTC"


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time as UTC, cut to microseconds; a leap second becomes the second after it.

    ValueError on anything else: a missing offset, a number, a date that does not exist, or a moment that is not
    within the years 1 to 9999 in UTC. The very first and last moment of these are refused too: they are the zero
    values of other languages, and asyncpg stores them as infinities, which come back without an offset.
    """
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
    if not _FIRST < moment < _LAST:
        raise ValueError(_NO_SUCH_MOMENT)
    return moment


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
