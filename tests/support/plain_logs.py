"""What is logged in a test's own process.

By default structlog draws an exception with the locals of each frame, thousands of lines: the event loop stands still
for seconds, and with it the target that tests run beside the consumer, which then sees calls later than they came.
What a command configures in a test's own process ends with that test, and no logger keeps it.
"""

from typing import Any, Final

import structlog
from structlog.typing import Processor

_PLAIN: Final[list[Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
    structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
]
_configure: Final = structlog.configure


def log_plainly() -> None:
    """Show events as a person reads them, and exceptions as Python does, whatever was configured before."""
    structlog.reset_defaults()
    _configure(processors=_PLAIN)


def _configure_for_a_while(**given: Any) -> None:  # noqa: ANN401 - structlog's own arguments
    _configure(**given | {"cache_logger_on_first_use": False})


def keep_no_logger() -> None:
    """Have no logger keep what was configured when it was used first: it would for all tests behind."""
    setattr(structlog, "configure", _configure_for_a_while)  # noqa: B010 - mypy forbids to assign it


def logs_plainly() -> bool:
    """Whether nobody has configured anything else since."""
    return structlog.get_config()["processors"] is _PLAIN
