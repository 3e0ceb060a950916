"""What dies inside the Kafka client is made anew: each of its background tasks is killed for real."""
# ruff: noqa: SLF001 - to kill what is inside

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from consumer.kafka import aiokafka_internals
from consumer.kafka.writer import Writer
from tests.support.patience import BEYOND_PATIENCE, PATIENCE
from tests.support.pipeline import Running, Site, event, until


@pytest.fixture(autouse=True)
def no_sweeper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the sweeper find nothing left over: what is sent, the producer sends."""
    monkeypatch.setattr("consumer.pipeline.publish.LEFT_OVER_AFTER", BEYOND_PATIENCE)


def voice(org: object, name: str) -> dict[str, Any]:
    return event(org, name, workflow_name=name, failure_reason="voice is silent")  # type: ignore[arg-type]


def member(running: Running) -> Any:  # noqa: ANN401 - the client has no types
    return running.consumer.source._reader._consumer


def producer(running: Running) -> Any:  # noqa: ANN401 - the client has no types
    writer = running.consumer.publisher._sender
    assert isinstance(writer, Writer)
    return writer.channel(running.place.settings.kafka.results_topic)._producer


@asynccontextmanager
async def reading(place: Site) -> AsyncIterator[tuple[Running, UUID]]:
    """Run a consumer that has read and settled one failure; gives it and the failure's organisation."""
    org = await place.organisation()
    async with place.consumer() as running:
        await place.publish(voice(org, "before"))
        await running.settled(1)
        yield running, org


async def killed(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.wait([task])


async def crashed(task: "asyncio.Task[Any]", break_it: Callable[[], None]) -> None:
    """End a task by an error of its own."""
    break_it()
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait([task])
    assert not task.cancelled()
    assert task.exception() is not None


def _raise(*_args: object, **_kwargs: object) -> None:
    raise RuntimeError("a bug of the client")


async def test_a_producer_whose_sender_was_cancelled_is_made_anew(place: Site) -> None:
    async with reading(place) as (running, org):
        dead = producer(running)
        await killed(aiokafka_internals.sender_task(dead))
        await place.publish(voice(org, "after"))
        await running.settled(2)
        assert producer(running) is not dead
    assert len(await place.results()) == 4, "each an attempt and a status"


async def test_a_producer_whose_sender_crashed_is_made_anew(place: Site) -> None:
    async with reading(place) as (running, org):
        dead = producer(running)

        def break_it() -> None:
            dead._message_accumulator.drain_by_nodes = _raise
            dead._message_accumulator._waiter_future.set_result(None)

        await crashed(aiokafka_internals.sender_task(dead), break_it)
        await place.publish(voice(org, "after"))
        await running.settled(2)
        assert producer(running) is not dead
    assert len(await place.results()) == 4


async def test_what_is_being_sent_when_the_sender_dies_is_sent_again(place: Site) -> None:
    """The one send that waits for its answer at that moment must come back, and not wait for ever."""
    async with reading(place) as (running, org):
        dead = producer(running)
        under_way = asyncio.Event()

        async def never(*_args: object, **_kwargs: object) -> None:
            under_way.set()
            await asyncio.Event().wait()

        dead._sender._send_produce_req = never
        await place.publish(voice(org, "after"))
        await asyncio.wait_for(under_way.wait(), PATIENCE)
        await _abandon(aiokafka_internals.sender_task(dead))
        await place.publish(voice(org, "next"))
        await until(lambda: is_told(running, "next"))
        await running.settled(3)
    told = await place.results()
    assert {one["data"]["workflow_name"] for one in told} == {"before", "after", "next"}


async def is_told(running: Running, name: str) -> bool:
    await running.consumer.publisher.forget_acked()
    place = running.place
    ended = await place.count(f"workflow_failures WHERE workflow_name = '{name}' AND due_at IS NULL")
    waits = f"heal_outbox b JOIN workflow_failures f ON f.id = b.failure_id WHERE f.workflow_name = '{name}'"
    return ended == 1 and await place.count(waits) == 0


async def _abandon(task: "asyncio.Task[Any]") -> None:
    # Its own clean-up would wait for the send that never ends: it is cancelled until it gives in.
    async with asyncio.timeout(PATIENCE):
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)


TASKS = {
    "coordination": lambda one: one._coordinator._coordination_task,
    "heartbeat": lambda one: one._coordinator._heartbeat_task,
    "committed offsets": lambda one: one._coordinator._commit_refresh_task,
    "fetcher": lambda one: one._fetcher._fetch_task,
    "metadata": lambda one: one._client._sync_task,
}


async def _is_anew(running: Running, dead: object) -> bool:
    return member(running) is not dead


@pytest.mark.parametrize("name", TASKS)
async def test_a_member_whose_task_was_cancelled_joins_anew_and_reads_on(kafka_place: Site, name: str) -> None:
    place = kafka_place
    async with reading(place) as (running, org):
        dead = member(running)
        await killed(TASKS[name](dead))
        await until(lambda: _is_anew(running, dead))
        await place.publish(voice(org, "after"))
        await running.settled(2)
        assert running.consumer.source._reader.rebuilt == 1
        assert running.metric("shw_events_total", outcome="duplicate") <= 1
        await until(lambda: _has_committed(place, 2))


async def _has_committed(place: Site, end: int) -> bool:
    return await place.committed() == end


CRASHES: dict[str, Callable[[Any], None]] = {
    "coordination": lambda one: setattr(one._coordinator, "_maybe_do_autocommit", _raise),
    "heartbeat": lambda one: setattr(one._coordinator, "_do_heartbeat", _raise),
    "fetcher": lambda one: setattr(one._fetcher, "_get_actions_per_node", _raise),
}


@pytest.mark.parametrize("name", CRASHES)
async def test_a_member_whose_task_crashed_joins_anew_and_reads_on(kafka_place: Site, name: str) -> None:
    place = kafka_place
    async with reading(place) as (running, org):
        dead = member(running)
        CRASHES[name](dead)
        if name == "coordination":
            dead._coordinator.request_rejoin()
        await place.publish(voice(org, "after"))
        await until(lambda: _is_anew(running, dead))
        await running.settled(2)


async def test_a_commit_that_times_out_on_a_forgotten_connection_is_made_again(kafka_place: Site) -> None:
    """The client then raises a KeyError instead of its own: it must not end the process."""
    place = kafka_place
    async with reading(place) as (running, org):
        await until(lambda: _has_committed(place, 1))
        client, forgotten = member(running)._client, []
        send = client.send

        async def forgetful(node: int, request: object, **group: Any) -> Any:  # noqa: ANN401 - the client has no types
            async def time_out(*_args: object, **_kwargs: object) -> None:
                forgotten.append(client._conns.pop((node, group["group"])))
                forgotten[0].close()
                raise TimeoutError

            if "OffsetCommit" in type(request).__name__ and not forgotten:
                client._conns[node, group["group"]].send = time_out
            return await send(node, request, **group)

        client.send = forgetful
        await place.publish(voice(org, "after"))
        await running.settled(2)
        await until(lambda: _has_committed(place, 2))
        assert len(forgotten) == 1


async def test_a_poll_that_raised_leaves_the_members_idle_time_counting(embedded_place: Site) -> None:
    """The first poll of a new group raises; the client would take the member for busy for ever after."""
    org = await embedded_place.organisation()
    await embedded_place.publish(voice(org, "one"))
    async with embedded_place.consumer() as running:
        await running.settled(1)
        assert member(running)._subscription._fetch_count in {0, 1}, "one poll at most is under way"


async def test_a_member_that_is_condemned_joins_anew(kafka_place: Site) -> None:
    place = kafka_place
    async with reading(place) as (running, org):
        dead = member(running)
        running.consumer.source._reader.request_rebuild("a test")
        await until(lambda: _is_anew(running, dead))
        await place.publish(voice(org, "after"))
        await running.settled(2)
