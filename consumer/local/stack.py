"""Local stack of PostgreSQL and Kafka: starts whatever has no given address, and stops it at the end."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from consumer.local.broker import Broker
from consumer.local.embedded_broker import run_embedded_broker
from consumer.local.kafka import kafka_unavailable_reason, run_kafka
from consumer.local.postgres import Postgres, run_postgres
from consumer.local.progress import Progress, to_stderr


class BrokerChoice(StrEnum):
    """Kind of broker to start."""

    KAFKA = "kafka"
    """Apache Kafka; an error says what is missing."""
    EMBEDDED = "embedded"
    """The broker from a Python package."""
    AUTO = "auto"
    """Apache Kafka where Java and Maven are installed, else the embedded broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStack:
    """Where a stack keeps its data from one run to the next, and the ports that it asks for first.

    The embedded broker keeps nothing: its topics are empty at each start.
    """

    database: Path
    broker: Path
    database_port: int = 5432
    broker_port: int = 9092


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The addresses to use, and the servers behind them where they were started here."""

    dsn: str
    bootstrap: str
    idempotence: bool
    postgres: Postgres | None
    broker: Broker | None


@asynccontextmanager
async def run_stack(
    *,
    broker: BrokerChoice = BrokerChoice.EMBEDDED,
    database_dsn: str | None = None,
    bootstrap: str | None = None,
    fsync: bool = True,
    postgres_settings: Mapping[str, str] | None = None,
    kept: KeptStack | None = None,
    progress: Progress = to_stderr,
) -> AsyncIterator[Stack]:
    """Start each server without a given address, until the block ends; a given address is used unchecked.

    A given broker is assumed to be Apache Kafka: its producers may be idempotent. `fsync=False` is for short-lived
    servers: a machine crash may lose their data, and the broker starts fast instead of running fast. Data are
    temporary, and ports any free ones, unless `kept` names them.
    """
    async with AsyncExitStack() as servers:
        postgres: Postgres | None = None
        if database_dsn is None:
            postgres = await servers.enter_async_context(
                run_postgres(
                    None if kept is None else kept.database,
                    fsync=fsync,
                    settings=postgres_settings,
                    preferred_port=None if kept is None else kept.database_port,
                )
            )
            progress(f"Postgres answers on {postgres.host}:{postgres.port}")
            database_dsn = postgres.dsn
        started: Broker | None = None
        if bootstrap is None:
            started = await servers.enter_async_context(_run_broker(broker, kept, progress, brief=not fsync))
            progress(f"the broker ({started.kind}) answers on {started.bootstrap}")
            bootstrap = started.bootstrap
        yield Stack(
            dsn=database_dsn,
            bootstrap=bootstrap,
            idempotence=started is None or started.idempotence,
            postgres=postgres,
            broker=started,
        )


def _run_broker(
    choice: BrokerChoice, kept: KeptStack | None, progress: Progress, *, brief: bool
) -> AbstractAsyncContextManager[Broker]:
    home, port = (None, None) if kept is None else (kept.broker, kept.broker_port)
    match choice:
        case BrokerChoice.KAFKA:
            return run_kafka(home, brief=brief, progress=progress, preferred_port=port)
        case BrokerChoice.EMBEDDED:
            return run_embedded_broker(preferred_port=port)
        case BrokerChoice.AUTO:
            reason = kafka_unavailable_reason()
            if reason is None:
                return run_kafka(home, brief=brief, progress=progress, preferred_port=port)
            progress(f"no Apache Kafka here ({reason}): the embedded broker takes its place")
            return run_embedded_broker(preferred_port=port)
        case _:
            assert_never(choice)
