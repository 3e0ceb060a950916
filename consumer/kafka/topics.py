"""Topic administration: lists the topics that exist, and creates the service's own."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from consumer.errors import ConfigError, NoAnswer
from consumer.kafka import aiokafka_internals
from consumer.kafka.connection import UNANSWERED, connection_options
from consumer.kafka.refused_connection import refused_connection
from consumer.settings import KafkaSettings

_A_DAY_MS = 24 * 60 * 60 * 1000
_VISIBLE_WITHIN = 10.0
_STARTS_WITHIN = 10.0
"""Seconds for the first answer: who starts something wants to know within seconds that there is none."""


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(**connection_options(settings))
    try:
        async with asyncio.timeout(min(_STARTS_WITHIN, settings.request_timeout.total_seconds())):
            await aiokafka_internals.start(admin)
        yield admin
    except UNANSWERED as error:
        # What is found out by itself says what to check.
        otherwise = f"{str(error) or 'it is silent'}. Check SHW_KAFKA__BOOTSTRAP and that the broker runs"
        why = await refused_connection(settings) or otherwise
        raise NoAnswer(f"Kafka at {settings.bootstrap} does not answer: {why}.") from error
    finally:
        await admin.close()


async def existing_topics(settings: KafkaSettings) -> frozenset[str]:
    """Return the topics that this client may see.

    Raises
    ------
    NoAnswer
        The broker does not answer.

    """
    async with _admin(settings) as admin:
        return frozenset(await admin.list_topics())


async def create_topics(settings: KafkaSettings, *, partitions: int, replication: int) -> tuple[str, ...]:
    """Create those of the service's topics that are missing; returns the names created.

    Dead letters hold raw bytes: retention of their topic is a week only, and its ACLs should let operators in alone.
    """
    created = []
    async with _admin(settings) as admin:
        there = frozenset(await admin.list_topics())
        for name in settings.own_topics:
            if name in there:
                continue
            configs = {"retention.ms": str(7 * _A_DAY_MS)} if name == settings.dlq_topic else {}
            topic = NewTopic(
                name=name, num_partitions=partitions, replication_factor=replication, topic_configs=configs
            )
            if await _create(admin, topic, settings):
                created.append(name)
        await _wait_until_visible(admin, frozenset(settings.own_topics), settings)
    return tuple(created)


async def _wait_until_visible(admin: Any, names: frozenset[str], settings: KafkaSettings) -> None:  # noqa: ANN401 - the client has no types
    """Wait until every broker that is asked knows the topics: metadata reaches the other brokers a little later."""
    deadline = time.monotonic() + _VISIBLE_WITHIN
    while missing := names - frozenset(await admin.list_topics()):
        if time.monotonic() > deadline:
            raise NoAnswer(f"Kafka at {settings.bootstrap} created {', '.join(sorted(missing))} and does not show it.")
        await asyncio.sleep(0.05)


async def _create(admin: Any, topic: Any, settings: KafkaSettings) -> bool:  # noqa: ANN401 - the client has no types
    try:
        response = await admin.create_topics([topic])
    except TopicAlreadyExistsError:
        return False  # another process was quicker
    except UNANSWERED as error:
        raise NoAnswer(f"Kafka at {settings.bootstrap} did not create topic {topic.name}: {error}") from error
    name, code, *text = response.topic_errors[0]
    if code not in (0, TopicAlreadyExistsError.errno):
        raise ConfigError(f"Kafka at {settings.bootstrap} did not create topic {name}: error {code} {text}")
    return bool(code == 0)
