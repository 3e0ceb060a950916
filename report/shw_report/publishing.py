"""The way out: a bounded queue, one thread that empties it, and the counters. Nothing here raises into the caller."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from shw_report import clients
from shw_report.clients import Client
from shw_report.event import Failing, Outgoing, Sender, build

log = logging.getLogger("shw_report")
MAX_EVENTS = 1000
MAX_BYTES = 8 * 1024 * 1024
KEPT_SECONDS = 300.0
"""How long an event waits for a broker that is away."""
_PAUSES = (0.1, 0.5, 2.0, 5.0)


class Counts(NamedTuple):
    """What became of the failures so far."""

    published: int = 0
    dropped: int = 0
    """There was no room, or the broker was away for too long, or nothing was configured."""
    broken: int = 0
    """A fault of the kit itself; each is logged at debug level."""
    waiting: int = 0


class Outbox:
    """A bounded queue, and the thread that sends what is in it."""

    def __init__(self, make_client: Callable[[], Client], sender: Sender, exit_seconds: float) -> None:
        self.sender = sender
        self._make_client = make_client
        self._client: Client | None = None
        """Made by the thread at its first event: what a parent has opened is of no use to a forked child."""
        self._of_parents: list[Client | None] = []
        """Kept, since to let go of one would wait for threads that only the parent has."""
        self._exit_seconds = exit_seconds
        self._waiting: deque[tuple[float, Outgoing]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closing = False

    def put(self, record: Outgoing) -> bool:
        """Queue an event; False where there is no room for it."""
        with self._changed:
            is_full = len(self._waiting) >= MAX_EVENTS or self._bytes + len(record.value) > MAX_BYTES
            if is_full or self._is_closing:
                return False
            self._waiting.append((time.monotonic(), record))
            self._bytes += len(record.value)
            if self._thread is None:
                self._thread = threading.Thread(target=self._send_all, name=clients.THREAD, daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return True

    def __len__(self) -> int:
        return len(self._waiting)

    def close(self, seconds: float) -> None:
        """Send what is left within so many seconds, and end."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting or self._thread is None, seconds)
        if self._thread is not None:
            self._thread.join(max(0.1, seconds / 4))

    def begin_anew(self) -> None:
        """Forget what waits, and the thread, which are the parent's."""
        self._waiting = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._thread = None
        self._of_parents.append(self._client)
        self._client = None

    def at_exit(self) -> None:
        """Send what is left, within the seconds that the caller gives."""
        self.close(self._exit_seconds)

    def wait(self, seconds: float) -> bool:
        """Wait until everything has gone; False where it has not within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, seconds)

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if self._is_closing:
                self._changed.wait(_PAUSES[0])
            else:
                self._changed.wait_for(lambda: self._is_closing, seconds)

    def _send_all(self) -> None:
        tries = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                if not self._waiting:
                    break
                queued, record = self._waiting[0]
            try:
                if self._client is None:
                    self._client = self._make_client()
                self._client.send(record)
            except Exception as error:  # whatever the client raises: it is tried again
                tries += 1
                _note_away(error)
                if time.monotonic() - queued < KEPT_SECONDS:
                    self._pause(_PAUSES[min(tries, len(_PAUSES)) - 1])
                    continue
                _count(dropped=1)
            else:
                tries = 0
                _note_back()
                _count(published=1)
            with self._changed:
                self._waiting.popleft()
                self._bytes -= len(record.value)
                self._changed.notify_all()
        try:
            if self._client is not None:
                self._client.close(self._exit_seconds)
        except Exception as error:  # at the end of the process
            note_own_fault(error)


_lock = threading.Lock()
_counts: dict[str, int] = {"published": 0, "dropped": 0, "broken": 0}
_outbox: Outbox | None = None
_is_away = False
_told: set[str] = set()


def configure(  # noqa: PLR0913 - what a process says once
    *,
    source: str,
    org_id: str,
    bootstrap_servers: str | None = None,
    producer: Any = None,
    topic: str = "workflow.failures",
    client: str | None = None,
    client_options: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    exit_seconds: float = 2.0,
) -> None:
    """Say once who reports, and how the events get to Kafka; ValueError, TypeError or ImportError where that cannot be.

    `producer` is one of confluent-kafka or aiokafka that the caller has, or a function (topic, key, value, headers);
    without it one is made for `bootstrap_servers`, of the `client` that is installed, with `client_options` of its own.
    `secrets` names the healer's secret of a header, `{"authorization": "ORDERS_TOKEN"}`, also of one host alone:
    `{"api.example.com/x-api-key": "ORDERS_KEY"}`. `exit_seconds`: how long the end of the process may wait.
    """
    global _outbox
    if (producer is None) == (bootstrap_servers is None):
        raise ValueError("give either bootstrap_servers or a producer")
    if not source or not org_id:
        raise ValueError("give a source and an org_id: the healer's catalog lists which may speak for which")
    lowered = {name.lower(): value for name, value in (secrets or {}).items()}
    sender = Sender(source=source, org_id=str(org_id), secrets=lowered, suggest=_suggest)
    if producer is not None:
        of_caller = clients.callers_client(producer, topic)
        before, _outbox = _outbox, Outbox(lambda: of_caller, sender, exit_seconds)
    else:
        make = clients.own_client(str(bootstrap_servers), topic, client, client_options or {})
        before, _outbox = _outbox, Outbox(make, sender, exit_seconds)
    if before is not None:
        before.close(0)


def publish(failing: Failing) -> None:
    """Build a failure's event and queue it."""
    outbox = _outbox
    if outbox is None:
        _count(dropped=1)
        _tell_once("configure", "shw_report.configure() was not called: failures are not published")
        return
    if not outbox.put(build(failing, outbox.sender)):
        _count(dropped=1)
        _tell_once("full", "failures come faster than they can be published: some are dropped")


def counts() -> Counts:
    """Return what became of the failures so far."""
    return Counts(**_counts, waiting=len(_outbox or ()))


def flush(seconds: float = 5.0) -> bool:
    """Wait until every failure has been published; False where that took longer."""
    return _outbox is None or _outbox.wait(seconds)


def note_own_fault(error: BaseException) -> None:
    """Count a fault of the kit itself, which is nobody's business but its own."""
    _count(broken=1)
    log.debug("a failure could not be reported", exc_info=error)


def _count(**more: int) -> None:
    with _lock:
        for name, number in more.items():
            _counts[name] += number


def _note_away(error: BaseException) -> None:
    global _is_away  # noqa: PLW0603 - one way out for a process
    if not _is_away:
        _is_away = True
        log.warning("failures cannot be published now, and wait: %s", str(error) or type(error).__name__)


def _note_back() -> None:
    global _is_away  # noqa: PLW0603 - one way out for a process
    if _is_away:
        _is_away = False
        log.warning("failures are published again")


def _tell_once(about: str, words: str, *arguments: object) -> None:
    if about not in _told and len(_told) < MAX_EVENTS:
        _told.add(about)
        log.warning(words, *arguments)


def _suggest(host: str, header: str, name: str) -> None:
    _tell_once(
        name,
        "the header %s of calls to %s is reported as secret://%s: name that secret in the healer's catalog, or another "
        "one by configure(secrets={%r: ...})",
        header, host, name, f"{host}/{header}",
    )  # fmt: skip


def _after_fork() -> None:
    """Begin anew in a child: a thread does not live on in it, and what waits is its parent's."""
    global _lock  # noqa: PLW0603 - one way out for a process
    _lock = threading.Lock()
    outbox = _outbox
    if outbox is not None:
        outbox.begin_anew()


@atexit.register
def _at_exit() -> None:
    if _outbox is not None:
        _outbox.at_exit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
