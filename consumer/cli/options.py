"""Options shared by several commands, and the parsing of their values."""

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BufferedIOBase
from typing import Annotated, Any, Final, cast

import typer

from consumer.cli.exits import ExitCode
from schemas.reason import IN_WORDS, is_blank
from schemas.rfc3339 import parse_time


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


Reason = Annotated[str, typer.Option(help="Why, in words; kept, and told to the subscribers.", callback=_in_words)]
Remark = Annotated[str, typer.Option("--reason", help="Why, in words; kept.", callback=_in_words_if_any)]
By = Annotated[str | None, typer.Option(help="Who says so. Default: your login name.", callback=_somebody)]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Detected since: 7d, 12h, 30m, or RFC 3339. Default: 7d.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

_SPAN: Final = re.compile(r"(?P<number>[0-9]{1,4})(?P<unit>[dhm])")
_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}


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
    """Parse a time; the error names the option, and the other formats that it accepts."""
    try:
        return parse_time(text)
    except ValueError as error:
        others = f", or {or_else}" if or_else else ""
        raise typer.BadParameter(f"{option} {text!r}: {error}{others}") from None


def span_of(option: str, text: str) -> timedelta:
    """Parse a span: `7d`, `12h`, `30m`."""
    if (span := _SPAN.fullmatch(text)) is None or int(span["number"]) == 0:
        raise typer.BadParameter(f"{option} {text!r}: must be a span such as 30m, 12h or 7d")
    return timedelta(**{_UNITS[span["unit"]]: int(span["number"])})


def since_of(text: str | None, option: str = "--since") -> datetime:
    """Parse a span (`7d`, `12h`, `30m`) before now, or a time; the default is seven days."""
    if (span := _SPAN.fullmatch(text or "7d")) is None:
        return time_of(option, text or "", or_else="a span before now such as 12h or 7d")
    return datetime.now(UTC) - timedelta(**{_UNITS[span["unit"]]: int(span["number"])})


def place_of(make: Callable[..., Any], text: str) -> Any:  # noqa: ANN401
    """Parse PARTITION:OFFSET."""
    partition, _, offset = text.partition(":")
    if not (partition.isascii() and partition.isdigit() and offset.isascii() and offset.isdigit()):
        raise typer.BadParameter(f"{text!r}: must be PARTITION:OFFSET, as `shw dlq list` prints it")
    return make(partition=int(partition), offset=int(offset))
