"""Consumer group check, by a client of its own: a member that stands still may have lost the connection of its own."""

import asyncio
from datetime import timedelta
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient

from consumer.kafka import aiokafka_internals
from consumer.kafka.connection import UNANSWERED, connection_options
from consumer.settings import KafkaSettings

ASK_WITHIN: Final = timedelta(seconds=10)


async def group_answers(settings: KafkaSettings) -> bool:
    """Return whether the failures topic exists and the group has a coordinator, as a new member would see it."""
    within = ASK_WITHIN.total_seconds()
    admin = AIOKafkaAdminClient(**connection_options(settings) | {"request_timeout_ms": int(within * 1000)})
    try:
        # Above the client's own timeout, whose error says more.
        async with asyncio.timeout(3 * within):
            await aiokafka_internals.start(admin)
            await admin.find_coordinator(settings.group_id)
            return settings.failures_topic in await admin.list_topics()
    except UNANSWERED:
        return False
    finally:
        await aiokafka_internals.close(admin)
