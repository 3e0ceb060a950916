"""Structured logging: one JSON object a line on stdout, with an event name, its fields and the failure's context."""

import logging
import math
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import NoneType
from typing import BinaryIO, Final, Literal
from uuid import UUID

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from consumer.redact import redact_json, redact_text
from schemas.printable import escape_json

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

# Our own fields, on almost every line: ids and enumerated words, which need no redaction.
_OWN_FIELDS: Final = frozenset(
    ("event", "level", "timestamp", "failure_id", "attempt_id", "org_id", "strategy", "result", "code", "status")
)

_NOT_TEXT: Final = (int, float, NoneType, datetime, UUID)
"""Types of values that are not text, so there is nothing to redact."""


LIBRARY_LINE_EVERY: Final = 1.0
"""Seconds from one line of a library to its next."""


def configure(level: Literal["debug", "info", "warning", "error"], stream: BinaryIO | None = None) -> None:
    """Set up logging for the process, the libraries' loggers included; call it once, before the first line is written.

    `stream` replaces stdout. Fields bound with `structlog.contextvars` are on every line of that task.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _add_timestamp,
            structlog.processors.format_exc_info,
            _redact,
            structlog.processors.JSONRenderer(serializer=_to_line),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(stream or sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    # At info level libraries log what our own events report already.
    root.setLevel(max(LEVELS[level], logging.WARNING))


def get_logger() -> FilteringBoundLogger:
    """Return a logger; one taken at import still follows what is configured later."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


class _LibraryHandler(logging.Handler):
    """Log handler that writes the libraries' records as JSON lines of the same form, one a second of each library.

    With its server away a client library logs some hundred lines a second, which all say the same. What is left out is
    counted on the library's next line, with the gravest of it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._written: dict[str, float] = {}
        self._left_out: dict[str, tuple[int, logging.LogRecord]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        library, now = record.name.partition(".")[0], self._clock()
        if now - self._written.get(library, -math.inf) < LIBRARY_LINE_EVERY:
            self._leave_out(library, record)
            return
        self._written[library] = now
        try:
            get_logger().log(
                record.levelno,
                "library_said",
                logger=record.name,
                message=record.getMessage(),
                exc_info=record.exc_info,
                **self._describe_left_out(library),
            )
        except Exception:  # noqa: BLE001 - logging's own contract: a line that cannot be written raises nothing
            self.handleError(record)

    def _leave_out(self, library: str, record: logging.LogRecord) -> None:
        count, gravest = self._left_out.get(library, (0, record))
        self._left_out[library] = count + 1, max(gravest, record, key=lambda one: one.levelno)

    def _describe_left_out(self, library: str) -> dict[str, object]:
        count, gravest = self._left_out.pop(library, (0, None))
        return {"left_out": count, "gravest_left_out": gravest.getMessage()} if gravest is not None else {}


def _add_timestamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC)
    return event


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Redact by the same rules as intake does: for secrets that came another way, such as in a driver's error text."""
    for name, value in event.items():
        if name in _OWN_FIELDS or isinstance(value, _NOT_TEXT):
            continue
        if isinstance(value, str):
            event[name] = redact_text(value)
        elif isinstance(value, dict | list | tuple):
            event[name] = redact_json(orjson.loads(_to_json(value)))[0]
        else:
            event[name] = redact_text(str(value))
    return event


def _to_line(event: object, **_: object) -> bytes:
    return escape_json(_to_json(event))


def _to_json(event: object) -> bytes:
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z)
    except TypeError:  # a field with keys that are not strings: rare, and this option is twice as slow for all
        return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
