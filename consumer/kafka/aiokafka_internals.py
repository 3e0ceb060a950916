"""Uses of aiokafka's private parts, here and nowhere else: state that has no public accessor. Checked by tests.

None of it is promised by aiokafka: `tests/integration/test_rebuilds.py` fails when a new version has other parts.
"""
# ruff: noqa: SLF001, ANN401 - there is no public way, and the client has no types

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakSet

import aiokafka.client
import structlog
from aiokafka.conn import create_conn
from aiokafka.consumer.fetcher import FetchError, FetchResult
from aiokafka.consumer.group_coordinator import NoGroupCoordinator
from aiokafka.errors import (
    LeaderNotAvailableError,
    NotLeaderForPartitionError,
    RecordTooLargeError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.fetch import FetchRequest

from consumer.kafka.batches import Fetched
from consumer.kafka.topic_identity import Identity, identity_of

log = structlog.get_logger(__name__)

STOP_WITHIN: Final = 5.0
"""Timeout in seconds of a clean stop; without the broker's answer the group drops the member at its session timeout."""
CLOSED: Final = "closed"
LINGERS: Final = 1.0
"""Seconds that a task is gone before the member counts as dead: within a rebalance some end rightly."""
_OPENED: Final[ContextVar["WeakSet[Any] | None"]] = ContextVar("opened", default=None)
"""Connections that the client which is being started has opened."""


class ClientHealth:
    """Health check of a member's background tasks; it seems to live without them, and the client notices few."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._dead_since: tuple[str, float] | None = None

    def dead(self) -> str | None:
        """Return what the member died of; None while it lives."""
        if self._consumer._closed:
            return CLOSED
        gone = _dead_task(self._consumer)
        if gone is None:
            self._dead_since = None
        elif self._dead_since is None or self._dead_since[0] != gone:
            self._dead_since = gone, time.monotonic()
        elif time.monotonic() - self._dead_since[1] >= LINGERS:
            return gone
        return None


class FetchedResponses(OrderedDict[Any, Any]):
    """The client's fetched responses by partition: one that is dropped half read is freed at once.

    A response is read by a generator that its own object holds. The client breaks that cycle at the last record alone;
    what is dropped before, at a pause, a rebalance or a seek, would hold megabytes until the garbage collector walks
    the whole heap, which is hours away (`service/memory.py`) and holds the event loop.
    """

    def __init__(self, fetched: "OrderedDict[Any, Any]") -> None:
        self._readers: dict[Any, Any] = {}
        super().__init__(fetched)

    def __setitem__(self, tp: Any, response: Any) -> None:
        self._free(tp)
        super().__setitem__(tp, response)
        if isinstance(response, FetchResult):
            self._readers[tp] = response._partition_records

    def __delitem__(self, tp: Any) -> None:
        super().__delitem__(tp)
        self._free(tp)

    def _free(self, tp: Any) -> None:
        reader = self._readers.pop(tp, None)
        if reader is not None:
            reader._records_iterator = None


def free_dropped_responses(consumer: Any) -> None:
    """Have an open consumer free the responses that it drops half read."""
    consumer._fetcher._records = FetchedResponses(consumer._fetcher._records)


def _dead_task(consumer: Any) -> str | None:
    coordinator, subscription = consumer._coordinator, consumer._subscription
    tasks = {
        "coordination": coordinator._coordination_task,
        "fetcher": consumer._fetcher._fetch_task,
        "metadata": consumer._client._sync_task,
    }
    # These two end with each rebalance, and are started anew.
    if not (is_rebalancing(consumer) or coordinator.need_rejoin(subscription.subscription)):
        tasks |= {"heartbeat": coordinator._heartbeat_task, "committed offsets": coordinator._commit_refresh_task}
    return next((name for name, task in tasks.items() if task is not None and task.done()), None)


def is_rebalancing(consumer: Any) -> bool:
    """Return whether the member still waits for the group to assign its partitions."""
    subscription = consumer._subscription.subscription
    return subscription is None or subscription._reassignment_in_progress


def knows_its_coordinator(consumer: Any) -> bool:
    """Return whether the group's coordinator was known at the last look-up."""
    return consumer._coordinator.coordinator_id is not None


def partition_state(consumer: Any, partition: Any) -> Any | None:
    """Return a partition's own state without waiting for it; None when it is not assigned to this member."""
    subscription = consumer._subscription.subscription
    assignment = None if subscription is None else subscription.assignment
    return None if assignment is None else assignment.state_value(partition)


def assignment(consumer: Any) -> Any | None:
    """Return the object of the present assignment, to compare by identity: another assignment is another object."""
    subscription = consumer._subscription.subscription
    return None if subscription is None else subscription.assignment


def assigned(consumer: Any) -> frozenset[Any]:
    """Return the partitions of the present assignment."""
    now = assignment(consumer)
    return frozenset() if now is None else now.tps


def positions(consumer: Any) -> dict[Any, int]:
    """Return the client's fetch position of each partition that has one.

    Where it holds an error it may have moved on by itself: such a position is left out.
    """
    now, held = assignment(consumer), consumer._fetcher._records
    if now is None:
        return {}
    return {
        tp: state._position
        for tp, state in now._tp_state.items()
        if state._position is not None and not isinstance(held.get(tp), FetchError)
    }


def is_paused(consumer: Any, tp: Any) -> bool:
    """Return whether a partition is paused, or not assigned to this member."""
    state = partition_state(consumer, tp)
    return state is None or state.paused


def unreadable(consumer: Any, error: Exception) -> frozenset[Any]:
    """Return the partitions for which a poll has raised, because the client cannot read the records there."""
    found = {
        tp
        for tp, held in consumer._fetcher._records.items()
        # An error ends the generator that reads its records, and nothing else ends it while it is held.
        if isinstance(held, FetchResult) and _has_ended(held._partition_records)
    }
    if isinstance(error, RecordTooLargeError):
        found.add(error.args[1])
    return frozenset(found)


def _has_ended(records: Any) -> bool:
    reading = None if records is None else records._records_iterator
    return reading is not None and reading.gi_frame is None


class NotFetchableError(Exception):
    """The broker refuses a fetch for a cause other than the replica that was asked."""


async def fetch(consumer: Any, tp: Any, offset: int, max_bytes: int) -> Fetched | None:
    """Fetch the raw bytes at an offset over the client's own connection; None where the partition has no leader.

    Raises
    ------
    NotFetchableError
        The offset is out of range, or an ACL forbids it: the client's own fetch raises that.

    """
    fetcher, client = consumer._fetcher, consumer._client
    node = fetcher._select_read_replica(tp)
    if node is None or node == -1:
        client.force_metadata_update()
        return None
    parts = [(tp.topic, [(tp.partition, offset, max_bytes)])]
    answer = await client.send(node, FetchRequest(0, 1, max_bytes, fetcher._isolation_level, parts))
    ((_, ((_, code, high_watermark, *rest),)),) = answer.topics
    error = for_code(code)
    if error in (NotLeaderForPartitionError, LeaderNotAvailableError, UnknownTopicOrPartitionError):
        client.force_metadata_update()
        return None
    if code != 0:
        raise NotFetchableError(error.__name__)
    # Parsed as the client does: from version 11 on a read replica stands between the last two.
    aborted = rest[-2] if answer.API_VERSION < 11 else rest[-3]  # noqa: PLR2004 - the version
    return Fetched(
        content=rest[-1],
        aborted=aborted or (),
        end=stable_end(high_watermark, rest[0]),
        high_watermark=high_watermark,
    )


async def described(consumer: Any, topic: str) -> Identity | None:
    """Return the identity of the topic of this name, over the client's own connection; None as in `identity_of`."""
    found = await identity_of(consumer._client, topic)
    if found is not None and found.partitions != len(consumer.partitions_for_topic(topic) or ()):
        consumer._client.force_metadata_update()
    return found


async def commits(consumer: Any, partitions: Iterable[Any]) -> dict[Any, Any]:
    """Return the group's committed offsets with their metadata, which the client's own method drops."""
    found = await consumer._coordinator.fetch_committed_offsets(list(partitions))
    return {tp: at for tp, at in found.items() if at.offset >= 0}


def stable_end(high_watermark: int, last_stable: int | None) -> int:
    """Return the last stable offset, where committed records end; a broker without transactions may not send it."""
    return high_watermark if last_stable is None or last_stable < 0 else last_stable


def stable_end_of(consumer: Any, tp: Any) -> int | None:
    """Return the last stable offset of a partition as of the last fetch."""
    state = partition_state(consumer, tp)
    return None if state is None or state.highwater is None else stable_end(state.highwater, state.lso)


def end_unended_fetches(consumer: Any) -> None:
    """Make the client count idle time again: to it a poll that raised is one that still goes on, for ever."""
    consumer._subscription._fetch_count = 0


def sender_is_dead(producer: Any) -> bool:
    """Return whether the producer's sender is dead, so that no message handed to it is ever sent."""
    sender = producer._sender.sender_task
    return producer._closed or sender is None or sender.done() or producer.client._sync_task.done()


def sender_task(producer: Any) -> "asyncio.Task[None]":
    """Return the sender task."""
    task: asyncio.Task[None] = producer._sender.sender_task
    return task


def knows_topic(producer: Any, topic: str) -> bool:
    """Return whether the cluster metadata had a topic at the last refresh."""
    return producer.client.cluster.partitions_for_topic(topic) is not None


async def start(client: Any) -> None:
    """Start a client; a start that fails or is cancelled leaves no connection open.

    Over which connection the client first asks for the cluster is known to nobody else while it waits for the answer.
    """
    opened: WeakSet[Any] = WeakSet()
    token = _OPENED.set(opened)
    try:
        await client.start()
    except BaseException:
        for connection in tuple(opened):
            connection.close()
        raise
    finally:
        _OPENED.reset(token)


async def _opened_connection(*args: Any, **options: Any) -> Any:
    connection = await create_conn(*args, **options)
    opened = _OPENED.get()
    if opened is not None:
        opened.add(connection)
    return connection


aiokafka.client.create_conn = _opened_connection


async def stop(client: Any) -> None:
    """Close a client, dead or alive. Bounded, and raises none of the client's errors."""
    # A dead task raises its own error out of the stop, and a hanging one lets it time out: in both cases the other
    # tasks would live on, and open connections anew.
    try:
        await _call_within(client.stop, STOP_WITHIN)
    finally:  # also where this is cancelled: what is left open connections would outlive it
        left = [task for task in _tasks(client) if task is not None and not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=1)
        _drop_responses(client)
        connections = client.client if hasattr(client, "client") else client._client
        await _call_within(connections.close, STOP_WITHIN)


def _drop_responses(client: Any) -> None:
    fetched = getattr(getattr(client, "_fetcher", None), "_records", {})
    for tp in tuple(fetched):
        del fetched[tp]


def _tasks(client: Any) -> "list[asyncio.Task[Any] | None]":
    if hasattr(client, "_sender"):
        return [client._sender.sender_task]
    coordinator, fetcher = client._coordinator, client._fetcher
    if coordinator is None or fetcher is None:  # it never got as far
        return []
    if isinstance(coordinator, NoGroupCoordinator):
        beating = [coordinator._reset_committed_task]
    else:
        beating = [coordinator._coordination_task, coordinator._heartbeat_task, coordinator._commit_refresh_task]
    return [*beating, fetcher._fetch_task, *fetcher._pending_tasks]


async def close(admin: Any) -> None:
    """Close an admin client. Bounded, and raises none of the client's errors."""
    await _call_within(admin.close, STOP_WITHIN)


async def _call_within(ask: Callable[[], Awaitable[None]], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await ask()
    except asyncio.CancelledError:
        if is_cancelled_itself():
            raise
    except Exception as error:  # noqa: BLE001 - it is being thrown away: what it says in dying changes nothing
        log.debug("client_closed", error=repr(error)[:300])


def is_cancelled_itself() -> bool:
    """Return whether the current task was cancelled itself: the client also raises a cancellation of its own tasks."""
    me = asyncio.current_task()
    return me is None or me.cancelling() > 0
