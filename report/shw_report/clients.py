"""Hands records to Kafka by the client that the caller has: confluent-kafka, aiokafka, or a function of theirs.

Each is used from the kit's own thread alone. `send` returns once the record is acknowledged, or handed over to a
producer of the caller's; it raises where it is not.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Callable, Optional, Protocol

from shw_report.event import CONTENT_TYPE, Outgoing

THREAD = "shw-report"
TIMEOUT = 10.0
"""How long one record may take, in seconds: then it is tried again, as long as it is kept."""
SendFunction = Callable[[str, Optional[bytes], bytes, Any], Any]


class Client(Protocol):
    """What hands a record over."""

    def send(self, record: Outgoing) -> None:
        """Hand it over; raises where that failed."""

    def close(self, seconds: float) -> None:
        """Let go, within so many seconds."""


class CallersFunction:
    """A function of the caller's: `send(topic, key, value, headers)`."""

    def __init__(self, send: SendFunction, topic: str) -> None:
        self._send = send
        self._topic = topic

    def send(self, record: Outgoing) -> None:
        """Call it."""
        self._send(self._topic, record.key, record.value, list(CONTENT_TYPE))

    def close(self, seconds: float) -> None:
        """Nothing is open."""


class Confluent:
    """A producer of confluent-kafka; the caller's own, or one that was made here."""

    def __init__(self, producer: Any, topic: str, *, is_own: bool) -> None:
        self._producer = producer
        self._topic = topic
        self._is_own = is_own

    def send(self, record: Outgoing) -> None:
        """Produce it. One of our own is waited for; the caller's is not polled: its callbacks are theirs."""
        failed: list[object] = []
        acked = lambda error, _: failed.append(error)  # noqa: E731 - called with (error, message)
        keywords = {"on_delivery": acked} if self._is_own else {}
        self._producer.produce(self._topic, key=record.key, value=record.value, headers=list(CONTENT_TYPE), **keywords)
        if self._is_own:
            self._producer.flush(TIMEOUT)
            if not failed or failed[0] is not None:
                self._producer.purge()
                self._producer.poll(0)
                raise ConnectionError(str(failed[0]) if failed else f"no acknowledgement within {TIMEOUT} s")

    def close(self, seconds: float) -> None:
        """Have what was handed over sent."""
        self._producer.flush(seconds)


class CallersAiokafka:
    """A started AIOKafkaProducer of the caller's, on the caller's loop."""

    def __init__(self, producer: Any, topic: str, loop: asyncio.AbstractEventLoop) -> None:
        self._producer = producer
        self._topic = topic
        self._loop = loop

    def send(self, record: Outgoing) -> None:
        """Have its loop send it."""
        sending = self._producer.send_and_wait(
            self._topic, key=record.key, value=record.value, headers=list(CONTENT_TYPE)
        )
        try:
            asyncio.run_coroutine_threadsafe(sending, self._loop).result(TIMEOUT)
        except RuntimeError:  # its loop has ended
            sending.close()
            raise

    def close(self, seconds: float) -> None:
        """The caller closes it."""


class _Loop(asyncio.SelectorEventLoop):
    """A loop that looks names up in its own thread: at exit no other one may be started."""

    async def getaddrinfo(self, host: Any, port: Any, **kwargs: Any) -> Any:
        return socket.getaddrinfo(host, port, **kwargs)


class OwnAiokafka:
    """A producer of aiokafka on a loop of its own."""

    def __init__(self, options: Mapping[str, Any], topic: str) -> None:
        self._options = dict(options)
        self._topic = topic
        self._loop = _Loop()
        self._producer: Any = None

    def send(self, record: Outgoing) -> None:
        """Send it, and connect first where that is not so."""
        self._loop.run_until_complete(asyncio.wait_for(self._send(record), TIMEOUT))

    async def _send(self, record: Outgoing) -> None:
        if self._producer is None:
            import aiokafka  # noqa: PLC0415 - where the caller has it

            producer = aiokafka.AIOKafkaProducer(**self._options)
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        await self._producer.send_and_wait(self._topic, key=record.key, value=record.value, headers=list(CONTENT_TYPE))

    def close(self, seconds: float) -> None:
        """Close its connections."""
        if self._producer is not None:
            self._loop.run_until_complete(asyncio.wait_for(self._producer.stop(), max(0.1, seconds)))
        self._loop.close()


class _NotOfOurThread(logging.Filter):
    """Keeps the client's own complaints of a broker that is away out of the caller's log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.threadName != THREAD


def own_client(
    bootstrap_servers: str, topic: str, client: str | None, options: Mapping[str, Any]
) -> Callable[[], Client]:
    """Return what makes a client of our own, by what is installed; ImportError where nothing is."""
    known = {"confluent-kafka": _own_confluent, "aiokafka": _own_aiokafka}
    for name, make in known.items():
        if client in (None, name) and find_spec(name.replace("-", "_")) is not None:
            return functools.partial(make, bootstrap_servers, topic, options)
    raise ImportError(f"no {client or ' or '.join(known)} is installed: install one, or give a producer")


_LOGGERS = ("client", "conn", "cluster", "producer.producer", "producer.sender", "producer.message_accumulator")


def _own_aiokafka(bootstrap_servers: str, topic: str, options: Mapping[str, Any]) -> Client:
    for name in _LOGGERS:
        logger = logging.getLogger(f"aiokafka.{name}")
        if not any(isinstance(one, _NotOfOurThread) for one in logger.filters):
            logger.addFilter(_NotOfOurThread())
    known: dict[str, Any] = {"acks": "all", "request_timeout_ms": int(TIMEOUT * 1000)}
    return OwnAiokafka({"bootstrap_servers": bootstrap_servers, **known, **options}, topic)


def _own_confluent(bootstrap_servers: str, topic: str, options: Mapping[str, Any]) -> Client:
    from confluent_kafka import Producer  # noqa: PLC0415 - where the caller has it

    silent = logging.getLogger("shw_report.kafka")
    silent.addHandler(logging.NullHandler())
    silent.propagate = False
    known = {
        "bootstrap.servers": bootstrap_servers,
        "acks": "all",
        "linger.ms": 5,
        "message.timeout.ms": int(TIMEOUT * 1000),
        "error_cb": lambda _: None,
        "logger": silent,
    }
    return Confluent(Producer({**known, **options}), topic, is_own=True)


def callers_client(producer: Any, topic: str) -> Client:
    """Return a client over a producer, or a function, of the caller's; TypeError where it is none that is known."""
    if hasattr(producer, "send_and_wait"):
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise TypeError("configure() with an AIOKafkaProducer has to be called on its event loop") from None
        return CallersAiokafka(producer, topic, loop)
    if hasattr(producer, "produce") and hasattr(producer, "flush"):
        return Confluent(producer, topic, is_own=False)
    if callable(producer):
        return CallersFunction(producer, topic)
    raise TypeError(f"producer is a {type(producer).__name__}: give one of confluent-kafka or aiokafka, or a function")
