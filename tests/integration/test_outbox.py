"""The sweeper's statement: what it takes over of the outbox, and what waits for what came before it."""

from datetime import timedelta
from functools import partial
from uuid import uuid4

from pydantic import SecretStr

from consumer.model import FailureId, Message, OwnerId
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.settings import PostgresSettings
from consumer.store.backlog import count
from consumer.store.changes import tell_changes
from consumer.store.outbox import forget, left_over, put
from consumer.store.pool import Pool, open_pool, transaction

ME = OwnerId("me")
OUTLET = Outlet(results_topic="results", dlq_topic="dlq", max_bytes=100_000)
TELL = partial(status_message, outlet=OUTLET)
OLD = timedelta(seconds=10)


async def attempt_and_status(pool: Pool) -> tuple[Message, Message]:
    """Put both messages of one step into the outbox, older than what is still on its direct way."""
    org, failure = uuid4(), FailureId(uuid4())
    await pool.execute("INSERT INTO organizations (id) VALUES ($1)", org)
    await pool.execute(
        "INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason) VALUES ($1, $2, 'orders.sync', 'x')",
        failure,
        org,
    )
    attempt, status = (
        Message(id=uuid4(), failure_id=failure, step=0, rank=rank, topic="t", key=b"", headers=(), body=b"{}")
        for rank in (0, 1)
    )
    async with transaction(pool) as connection:
        await put(connection, ME, [attempt, status])
    await pool.execute("UPDATE heal_outbox SET created_at = clock_timestamp() - interval '1 minute'")
    return attempt, status


async def test_a_status_waits_for_its_attempt_that_was_taken_before_it_and_did_not_get_there(database: str) -> None:
    async with open_pool(PostgresSettings(dsn=SecretStr(database))) as pool:
        attempt, status = await attempt_and_status(pool)
        assert [one.id for one in await left_over(pool, ME, (), OLD, 1)] == [attempt.id]
        assert await left_over(pool, ME, (), OLD, 10) == []
        await pool.execute("UPDATE heal_outbox SET created_at = created_at - $1::interval", 2 * OLD)
        assert [one.id for one in await left_over(pool, ME, (), OLD, 10)] == [attempt.id]
        await forget(pool, [attempt.id])
        assert [one.id for one in await left_over(pool, ME, (), OLD, 10)] == [status.id]


async def test_both_are_taken_in_their_order_where_there_is_room(database: str) -> None:
    async with open_pool(PostgresSettings(dsn=SecretStr(database))) as pool:
        attempt, status = await attempt_and_status(pool)
        assert [one.id for one in await left_over(pool, ME, (), OLD, 10)] == [attempt.id, status.id]


async def test_a_change_waits_for_an_earlier_one_that_another_process_is_about_to_tell(database: str) -> None:
    async with open_pool(PostgresSettings(dsn=SecretStr(database))) as pool:
        await attempt_and_status(pool)
        await pool.execute("DELETE FROM heal_outbox")
        await pool.execute("UPDATE workflow_failures SET resolved = true")
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM heal_status_change FOR UPDATE")  # the other process has it in hand
            await pool.execute("UPDATE workflow_failures SET resolved = false")
            assert await tell_changes(pool, TELL, 10) == 1
            assert await left_over(pool, ME, (), OLD, 10) == []
        assert await tell_changes(pool, TELL, 10) == 1
        (first,) = await left_over(pool, ME, (), OLD, 10)
        await forget(pool, [first.id])
        (second,) = await left_over(pool, ME, (), OLD, 10)
        assert (first.step, second.step) == (0, 1)


async def test_a_message_that_is_taken_again_and_again_grows_old_all_the_same(database: str) -> None:
    """The alert of a stuck outbox goes by this age: with the broker away each try took the message anew."""
    async with open_pool(PostgresSettings(dsn=SecretStr(database))) as pool:
        attempt, status = await attempt_and_status(pool)
        await pool.execute("UPDATE heal_outbox SET decided_at = clock_timestamp() - interval '1 minute'")
        assert {one.id for one in await left_over(pool, ME, (), OLD, 10)} == {attempt.id, status.id}
        assert (await count(pool)).outbox_oldest >= timedelta(minutes=1).total_seconds()
