"""Common part of the two local brokers: address, capabilities, and a readiness check through a real client."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from consumer.errors import TransientError
from consumer.local.server import LOCALHOST, Server


class BrokerKind(StrEnum):
    """Kind of local broker."""

    KAFKA = "kafka"
    """Apache Kafka: records survive a restart, producers may be idempotent."""
    EMBEDDED = "embedded"
    """In memory: a restart loses everything, producers must not be idempotent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A running broker: its address, and the controls to crash it in a test."""

    bootstrap: str
    kind: BrokerKind
    _server: Server = field(repr=False)

    @property
    def idempotence(self) -> bool:
        """Whether producers may set `enable_idempotence`."""
        return self.kind is BrokerKind.KAFKA

    @property
    def pid(self) -> int:
        """The broker's process id; it changes with a restart."""
        return self._server.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is running."""
        return self._server.is_running

    async def restart(self) -> None:
        """Kill the broker and restart it on the same address; Apache Kafka keeps its records."""
        await self._server.restart()

    def outage(self) -> AbstractAsyncContextManager[None]:
        """Kill the broker, and restart it at the end of the block."""
        return self._server.outage()


async def answers(port: int, cluster_id: str) -> None:
    """Return once a client can read the cluster metadata; raises TransientError before, or for another cluster."""
    try:
        # Probe the port first: the client logs an error for every refused connection.
        _, writer = await asyncio.open_connection(LOCALHOST, port)
        writer.close()
        await writer.wait_closed()
        found = await _describe_cluster(f"{LOCALHOST}:{port}")
    except (OSError, KafkaError) as error:
        raise TransientError(f"the broker does not answer yet: {error!r}") from error
    if not found["brokers"] or found["cluster_id"] != cluster_id:
        raise TransientError(f"not our broker on port {port}, or not ready: {found}")


async def _describe_cluster(bootstrap: str) -> dict[str, object]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        found: dict[str, object] = await admin.describe_cluster()
    finally:
        await admin.close()
    return found
