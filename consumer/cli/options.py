"""Options shared by several commands, and the parsing of their values."""

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BufferedIOBase
from typing import Annotated, Any, Final, cast
from uuid import UUID

import typer

from consumer.cli.exits import ExitCode, say
from consumer.cli.tables import WIDE
from schemas.reason import BLANK_NAME, IN_WORDS, is_blank
from schemas.rfc3339 import parse_time

TIMES: Final = "1h or 7d before now, 2026-11-29, 2026-11-29T03:00 (UTC), or RFC 3339"
"""The one grammar of times that lie in the past, for `--help`."""
TIMES_AHEAD: Final = "1h or 7d from now on, 2026-11-29, 2026-11-29T03:00 (UTC), or RFC 3339"
"""The same of times that lie ahead."""


def _in_words(reason: str) -> str:
    if is_blank(reason):
        raise typer.BadParameter(IN_WORDS)
    return reason


def _in_words_if_any(reason: str) -> str:
    return _in_words(reason) if reason else reason


def _somebody(name: str | None) -> str | None:
    if name is not None and is_blank(name):
        raise typer.BadParameter("say who, in words: without it, it is your login name")
    return name


def named(text: str | None) -> str | None:
    """Return a name that limits a reach or a filter; one of which nothing is seen reaches nothing, and is refused."""
    if text is not None and is_blank(text):
        raise typer.BadParameter(BLANK_NAME)
    return text


Reason = Annotated[str, typer.Option(help="Why, in words; kept, and told to the subscribers.", callback=_in_words)]
Remark = Annotated[str, typer.Option("--reason", help="Why, in words; kept.", callback=_in_words_if_any)]
By = Annotated[str | None, typer.Option(help="Who says so. Default: your login name.", callback=_somebody)]
Since = Annotated[str | None, typer.Option(metavar="TIME", help=f"Detected since: {TIMES}. Default: 7d.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

_SHORT_ID: Final = re.compile(r"[0-9a-f]{4,8}(?:-[0-9a-f-]*)?")


def failure_id_of(text: str) -> UUID:
    """Parse the id of a failure, or its beginning, which is looked up in the database."""
    try:
        return UUID(text)
    except ValueError:
        if _SHORT_ID.fullmatch(text.lower()) is None:
            raise typer.BadParameter(f"{text!r}: must be a failure's id, or at least its first four signs") from None
    from consumer.cli.short_ids import find_failures  # noqa: PLC0415 - a whole id must not wait for the driver

    found = find_failures(text.lower())
    if len(found) > 1:
        several = ", ".join(map(str, found))
        raise typer.BadParameter(f"{text!r}: more than one failure's id begins so: {several}. Give more of it")
    if not found:
        say(f"No failure's id begins with {text}: `shw failures` lists what there is.")
        raise typer.Exit(ExitCode.NO)
    return found[0]


FailureArgument = Annotated[
    UUID, typer.Argument(metavar="ID", parser=failure_id_of, help="The failure, or the beginning of its id.")
]


def _use_width(value: bool) -> bool:
    WIDE.set(value)
    return value


Wide = Annotated[
    bool, typer.Option("--wide", callback=_use_width, help="Whole ids, times and texts, at a terminal too.")
]
"""Of a command that prints a table; its parameter is not read, but told to the table as it is parsed."""

_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?", re.ASCII)
_SPAN: Final = re.compile(r"(?P<number>[0-9]{1,4})(?P<unit>[dhms])")
_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_WITHOUT_ZONE: Final = re.compile(r"(?P<day>\d{4}-\d\d-\d\d)(?:[Tt ](?P<time>\d\d:\d\d(?::\d\d)?))?", re.ASCII)


def end(code: ExitCode) -> None:
    """Exit with a code, unless it is OK."""
    if code is not ExitCode.OK:
        raise typer.Exit(code)


def stdin() -> BufferedIOBase:
    """Return standard input as a stream that supports `read1`."""
    stream: Any = sys.stdin.buffer  # typed as a BinaryIO, whose interface lacks read1
    return cast("BufferedIOBase", stream)


def header_of(text: str) -> tuple[str, bytes]:
    """Parse NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"--header {text!r}: must be NAME=VALUE")
    return name, value.encode()


def time_of(option: str, text: str, *, or_else: str = "") -> datetime:
    """Parse a time, in UTC where no offset is given; the error names the option, and the other formats it accepts."""
    if (short := _WITHOUT_ZONE.fullmatch(text)) is not None:
        text = f"{short['day']}T{short['time'] or '00:00'}Z"
    try:
        return parse_time(text)
    except ValueError as error:
        others = f", or {or_else}" if or_else else ""
        raise typer.BadParameter(f"{option} {text!r}: {error}{others}") from None


def span_of(option: str, text: str) -> timedelta:
    """Parse a span: `7d`, `12h`, `30m`, `90s`."""
    if (span := _SPAN.fullmatch(text)) is None or int(span["number"]) == 0:
        raise typer.BadParameter(f"{option} {text!r}: must be a span such as 30m, 12h or 7d")
    return timedelta(**{_UNITS[span["unit"]]: int(span["number"])})


def length_of(option: str, text: str) -> timedelta:
    """Parse a length of time, zero included: a number of seconds as in a setting (`20`, `0.5`), or a span."""
    if _SECONDS.fullmatch(text) is not None:
        return timedelta(seconds=float(text))
    return span_of(option, text)


def since_of(text: str | None, option: str = "--since") -> datetime:
    """Parse a span (`7d`, `12h`, `30m`, `90s`) before now, or a time; the default is seven days."""
    given = "7d" if text is None else text
    if _SPAN.fullmatch(given) is None:
        return time_of(option, given, or_else=TIMES)
    return datetime.now(UTC) - span_of(option, given)


def ahead_of(option: str, text: str) -> datetime:
    """Parse a span (`7d`, `12h`, `30m`, `90s`) from now on, or a time."""
    if _SPAN.fullmatch(text) is None:
        return time_of(option, text, or_else=TIMES_AHEAD)
    return datetime.now(UTC) + span_of(option, text)


def place_of(make: Callable[..., Any], text: str) -> Any:  # noqa: ANN401
    """Parse PARTITION:OFFSET."""
    partition, _, offset = text.partition(":")
    if not (partition.isascii() and partition.isdigit() and offset.isascii() and offset.isdigit()):
        raise typer.BadParameter(f"{text!r}: must be PARTITION:OFFSET, as `shw dlq list` prints it")
    return make(partition=int(partition), offset=int(offset))
