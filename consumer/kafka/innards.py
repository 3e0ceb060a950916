"""What the Kafka client does not tell: looked up in its private parts, here and nowhere else. Checked by tests.

None of it is promised by aiokafka: `tests/integration/test_rebuilds.py` fails when a new version has other parts.
"""
# ruff: noqa: SLF001, ANN401 - there is no public way, and the client has no types

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

STOP_WITHIN: Final = 5.0
"""Seconds for saying goodbye; a broker that does not answer then misses a member by its session's end."""
CLOSED: Final = "closed"
LINGERS: Final = 1.0
"""Seconds that a task is seen to be gone before the member counts as dead: within a rebalance some end rightly."""


class Ailing:
    """Watches a member's background tasks; it seems to live without them, and the client notices few."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._gone: tuple[str, float] | None = None

    def dead(self) -> str | None:
        """Say what the member died of; None while it lives."""
        if self._consumer._closed:
            return CLOSED
        gone = _gone(self._consumer)
        if gone is None:
            self._gone = None
        elif self._gone is None or self._gone[0] != gone:
            self._gone = gone, time.monotonic()
        elif time.monotonic() - self._gone[1] >= LINGERS:
            return gone
        return None


def _gone(consumer: Any) -> str | None:
    coordinator, subscription = consumer._coordinator, consumer._subscription
    tasks = {
        "coordination": coordinator._coordination_task,
        "fetcher": consumer._fetcher._fetch_task,
        "metadata": consumer._client._sync_task,
    }
    # These two end with each rebalance, and begin anew.
    if not (is_rebalancing(consumer) or coordinator.need_rejoin(subscription.subscription)):
        tasks |= {"heartbeat": coordinator._heartbeat_task, "committed offsets": coordinator._commit_refresh_task}
    return next((name for name, task in tasks.items() if task is not None and task.done()), None)


def is_rebalancing(consumer: Any) -> bool:
    """Tell whether the group has not yet told this member its part."""
    subscription = consumer._subscription.subscription
    return subscription is None or subscription._reassignment_in_progress


def knows_its_coordinator(consumer: Any) -> bool:
    """Tell whether the group's coordinator was there when it was last asked."""
    return consumer._coordinator.coordinator_id is not None


def partition_state(consumer: Any, partition: Any) -> Any | None:
    """Give a partition's own state without waiting for it; None when it is not this member's."""
    subscription = consumer._subscription.subscription
    assignment = None if subscription is None else subscription.assignment
    return None if assignment is None else assignment.state_value(partition)


def end_unended_fetches(consumer: Any) -> None:
    """Make the client count idle time again: a poll that raised counts as one that still goes on, for ever."""
    consumer._subscription._fetch_count = 0


def sender_is_dead(producer: Any) -> bool:
    """Tell whether nothing that is handed to this producer is ever sent."""
    sender = producer._sender.sender_task
    return producer._closed or sender is None or sender.done() or producer.client._sync_task.done()


def sender_task(producer: Any) -> "asyncio.Task[None]":
    """Give the task that sends."""
    task: asyncio.Task[None] = producer._sender.sender_task
    return task


def knows_topic(producer: Any, topic: str) -> bool:
    """Tell whether the cluster had a topic when it was last asked."""
    return producer.client.cluster.partitions_for_topic(topic) is not None


async def stop(client: Any) -> None:
    """Close a client, dead or alive. Bounded, and raises nothing for its sake."""
    # What has died raises its own error out of the stop, and what hangs lets it time out: in both cases the other tasks
    # would live on, and open connections anew.
    await _within(client.stop, STOP_WITHIN)
    left = [task for task in _tasks(client) if task is not None and not task.done()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=1)
    connections = client.client if hasattr(client, "client") else client._client
    await _within(connections.close, STOP_WITHIN)


def _tasks(client: Any) -> "list[asyncio.Task[Any] | None]":
    if hasattr(client, "_sender"):
        return [client._sender.sender_task]
    coordinator, fetcher = client._coordinator, client._fetcher
    if coordinator is None or fetcher is None:  # it never got as far
        return []
    beating = [coordinator._coordination_task, coordinator._heartbeat_task, coordinator._commit_refresh_task]
    return [*beating, fetcher._fetch_task, *fetcher._pending_tasks]


async def close(admin: Any) -> None:
    """Close an admin client. Bounded, and raises nothing for its sake."""
    await _within(admin.close, STOP_WITHIN)


async def _within(ask: Callable[[], Awaitable[None]], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await ask()
    except asyncio.CancelledError:
        if is_cancelled_itself():
            raise
    except Exception as error:  # noqa: BLE001 - it is being thrown away: what it says in dying changes nothing
        log.debug("client_closed", error=repr(error)[:300])


def is_cancelled_itself() -> bool:
    """Tell our own cancellation from one of a client's task, which the client hands on as if it were ours."""
    me = asyncio.current_task()
    return me is None or me.cancelling() > 0
