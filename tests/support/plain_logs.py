"""What is logged in a test's own process.

By default structlog draws an exception with the locals of each frame, thousands of lines: the event loop stands still
for seconds, and with it the target that tests run beside the consumer, which then sees calls later than they came.
"""

import structlog


def log_plainly() -> None:
    """Show events as a person reads them, and exceptions as Python does, whatever was configured before."""
    structlog.reset_defaults()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )
