"""One HTTP connection of the API: uvicorn's protocol, with a time for each of its phases and an end that is heard."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import h11
import orjson
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from consumer.api.connections import CLOSING_WITHIN, ConnectionTable
from consumer.api.rates import LINE_EVERY
from consumer.metrics import ApiLimit, Metrics

SAFE_HEADERS: Final = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
"""On every answer: it is one person's, and it is what it says it is."""
_READ_TO_END: Final = (h11.IDLE, h11.DONE, h11.MUST_CLOSE, h11.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTimes:
    """Seconds that a connection may spend in each phase."""

    head: float
    request: float
    """From a request's head to the end of its answer being written."""
    taking: float
    """For the other side to take what is written of an answer, whether or not that is all of it."""


class _SeldomWarnings(logging.Filter):
    """Lets a warning through once in `LINE_EVERY`: whoever sends garbage must not fill the log."""

    def __init__(self) -> None:
        super().__init__()
        self._last = -LINE_EVERY

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is written."""
        if record.levelno != logging.WARNING:
            return True
        now = time.monotonic()
        if now - self._last < LINE_EVERY:
            return False
        self._last = now
        return True


_LOGGER: Final = logging.getLogger("uvicorn.error.connection")
_LOGGER.addFilter(_SeldomWarnings())


class LingeringTransport(asyncio.Transport):
    """A transport that, closed before a request was read to its end, goes on to read and drop what comes.

    Closing at once would reset the connection, and the answer that says why would be lost on its way.
    """

    def __init__(self, inner: asyncio.Transport, is_read_to_end: Callable[[], bool]) -> None:
        super().__init__()
        self._inner = inner
        self._is_read_to_end = is_read_to_end
        self.closing_since: float | None = None

    def close(self) -> None:
        """Close, or say that nothing more is written and wait for the other side to close."""
        if self.closing_since is not None:
            return
        self.closing_since = time.monotonic()
        if self._is_read_to_end() or not self._inner.can_write_eof() or self._inner.is_closing():
            self._inner.close()
            return
        self._inner.resume_reading()
        self._inner.write_eof()

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.closing_since is not None or self._inner.is_closing()

    def abort(self) -> None:
        """Close it now, and drop what is not written yet."""
        self.closing_since = self.closing_since or time.monotonic()
        self._inner.abort()

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        """Write, unless it was closed."""
        if self.closing_since is None:
            self._inner.write(data)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the other side has not taken."""
        return self._inner.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - the signature is the base class's
        """Return what the transport knows."""
        return self._inner.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Read nothing more for now."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._inner.resume_reading()


class ApiConnection(H11Protocol):
    """A connection with a time for each phase; `check` ends it where one takes too long."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        times: PhaseTimes,
        table: ConnectionTable,
        metrics: Metrics,
    ) -> None:
        super().__init__(config, server_state, app_state, asyncio.get_running_loop())
        self.logger = _LOGGER
        self._times = times
        self._table = table
        self._metrics = metrics
        self._wire: LingeringTransport | None = None
        self._head_since = self._phase_since = time.monotonic()
        self._has_begun_head = False
        self._untaken_since: float | None = None

    @property
    def address(self) -> str:
        """The other side."""
        return self.client[0] if self.client else "unknown"

    @property
    def idle_since(self) -> float | None:
        """When it began to wait for a request."""
        if self._wire is None or self._wire.is_closing():
            return 0.0
        if self._is_busy or self._wire.get_write_buffer_size():
            return None
        return self._head_since

    @property
    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def abort(self) -> None:
        """Close it now."""
        if self._wire is not None:
            self._wire.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it in."""
        self._wire = LingeringTransport(transport, lambda: self.conn.their_state in _READ_TO_END)
        super().connection_made(self._wire)
        self._table.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._table.remove(self)
        if self._wire is not None:
            self._wire.closing_since = self._wire.closing_since or time.monotonic()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what comes after the end was decided is dropped."""
        if self._wire is None or self._wire.is_closing():
            return
        if self.timeout_keep_alive_task is not None:
            self._head_since = time.monotonic()
        super().data_received(data)

    def handle_events(self) -> None:
        """Handle what has come, and notice when a request begins."""
        before = self.cycle
        super().handle_events()
        self._has_begun_head = self.cycle is before
        if self.cycle is not before:
            self._phase_since = time.monotonic()

    def pause_writing(self) -> None:
        """Begin to wait for what is written to be taken."""
        self._untaken_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on writing."""
        self._untaken_since = None
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Begin to wait for the answer to be taken, and for the next request."""
        self._head_since = self._phase_since = time.monotonic()
        super().on_response_complete()
        if not self._is_busy and self.conn.trailing_data[0]:  # a part of the next head came with the last request
            self._unset_keepalive_if_required()
            self._has_begun_head = True

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, in the form of every error."""
        if self._is_busy:
            self.cycle.disconnected = True  # whatever the application has to say comes too late
            self.cycle.message_event.set()
        self._refuse(400, "bad_request", msg)

    def check(self, now: float) -> None:
        """End it where a phase has taken too long."""
        wire = self._wire
        if wire is None:
            return
        if wire.closing_since is not None:
            if now - wire.closing_since > CLOSING_WITHIN:
                wire.abort()
        elif self._untaken_since is not None and now - self._untaken_since > self._times.taking:
            self._cut()
        elif self._is_busy:
            if now > self.scope["state"].get("may_last_until", 0.0):
                self._cut_after(self._times.request, now)
        elif wire.get_write_buffer_size():
            self._cut_after(self._times.taking, now)
        elif self.timeout_keep_alive_task is None and now - self._head_since > self._times.head:
            self._metrics.api_turned_away[ApiLimit.TIME].inc()
            if self._has_begun_head:
                self._refuse(408, "too_slow", "The head of the request did not come in time.")
            else:
                wire.abort()

    def _cut_after(self, limit: float, now: float) -> None:
        if now - self._phase_since > limit:
            self._cut()

    def _cut(self) -> None:
        self._metrics.api_turned_away[ApiLimit.TIME].inc()
        self.abort()

    def _refuse(self, status: int, code: str, message: str) -> None:
        body = orjson.dumps({"error": {"code": code, "message": message}})
        headers = [*SAFE_HEADERS, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        try:
            for event in (
                h11.Response(status_code=status, headers=[*headers, ("Connection", "close")]),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:  # an answer is half written already
            self.abort()
            return
        self.transport.close()
