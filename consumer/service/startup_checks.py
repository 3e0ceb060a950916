"""Startup checks: what has to be true before the first record is read; each error says what to do."""

import resource
from typing import Final

from consumer.errors import ConfigError, NoAnswer, TransientError
from consumer.kafka.connection import has_c_extension
from consumer.kafka.topics import existing_topics
from consumer.kafka.unpacking import INSTALL_CODECS, missing_codecs
from consumer.settings import KafkaSettings
from consumer.store.backlog import bound_role
from consumer.store.deployment import adopt_name
from consumer.store.grants import missing_grants
from consumer.store.migrate import check_schema
from consumer.store.pool import Pool, translated

OTHER_FILES: Final = 192
"""Open files besides those of the heals and of the API's callers: the pools, the broker, workers, logs, libraries."""
FEWEST_CALLERS: Final = 64
"""Connections of the API without which it does not start."""


def check_client() -> None:
    """Refuse to run without the optional parts of the Kafka client.

    Without its C extension decoding is thirty times slower, silently; without a codec a partition stops at the first
    record that a producer compresses with it.
    """
    if missing := missing_codecs():
        raise ConfigError(f"the Kafka client cannot read what is packed with {', '.join(missing)}: {INSTALL_CODECS}")
    if not has_c_extension():
        raise ConfigError(
            "aiokafka runs without its C extension and would decode 31,000 records/s instead of 966,000: "
            "install a wheel for this platform, or build it with a C compiler at hand."
        )


def allow_open_files(slots: int, callers: int = FEWEST_CALLERS) -> None:
    """Raise the limit of open files (RLIMIT_NOFILE) to what so many slots and callers of the API may need.

    Each call of a heal has its own socket. Where the hard limit is lower, the callers get what the slots leave.
    """
    needed = slots + OTHER_FILES + FEWEST_CALLERS
    wanted = max(needed, slots + OTHER_FILES + callers)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigError(
            f"SHW_HEAL__SLOTS={slots} needs {needed} open files and the limit is {hard}: raise `ulimit -Hn`, "
            "or lower the slots."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


async def check_broker(settings: KafkaSettings, *, commands: bool = False, heartbeats: bool = False) -> None:
    """Check that the broker answers and that every topic of ours exists, with those of what else is read."""
    wanted = {settings.failures_topic, settings.results_topic, settings.dlq_topic}
    wanted |= {settings.commands_topic} if commands else set()
    wanted |= {settings.heartbeats_topic} if heartbeats else set()
    missing = wanted - await existing_topics(settings)
    if missing:
        raise ConfigError(
            f"Kafka at {settings.bootstrap} has no topic {', '.join(sorted(missing))}: create it with `shw topics`."
        )


async def check_database(pool: Pool, deployment: str | None = None) -> None:
    """Check the schema, that row-level security does not bind our role, its rights, and whose database it is."""
    try:
        with translated():
            await check_schema(pool)
        role = await bound_role(pool)
        lacking = await missing_grants(pool)
    except TransientError as error:
        raise NoAnswer(
            f"The database does not answer ({error}). Check SHW_POSTGRES__DSN and that the server runs."
        ) from error
    if role is not None:
        raise ConfigError(
            f"Role {role} is bound by row-level security and would see nothing: connect as a role with BYPASSRLS."
        )
    if lacking:
        raise ConfigError(f"The database role lacks rights: run {' '.join(lacking)} (deploy/grants.sql has them all).")
    if deployment is not None:
        await adopt_name(pool, deployment)
