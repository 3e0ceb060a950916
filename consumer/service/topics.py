"""The members that read the topics that the catalog declares: a consumer group for each, beside that of the failures.

Neither load nor poison of one topic reaches another's offsets. What they read goes through the same stages, into the
same inbox. A topic that is declared while the service runs is read from then on, one that is taken out no longer.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from consumer.catalog import Catalogs
from consumer.errors import ConfigError, ShwError
from consumer.event_loop import wait_for_event
from consumer.ingest.source import KafkaSource
from consumer.kafka.topics import existing_topics
from consumer.metrics import Metrics, PauseReason
from consumer.model import Record
from consumer.model.batch import Batch
from consumer.pipeline.flow import Pipeline
from consumer.service.side_members import consume, first_of
from consumer.settings import Settings

log = structlog.get_logger(__name__)

AGAIN_AFTER: Final = timedelta(seconds=15)
"""Pause before a member is made anew after what only an operator can mend: an ACL, a topic that is not there."""
LOOK_EVERY: Final = timedelta(seconds=1)


@dataclass(slots=True, kw_only=True)
class TopicReaders:
    """Reads each declared topic until stopped; what keeps it from one is logged and tried again."""

    settings: Settings
    catalogs: Catalogs
    pipeline: Pipeline
    metrics: Metrics
    full: Callable[[], PauseReason | None]
    _stopped: set[str] = field(default_factory=set)
    _reading: dict[str, KafkaSource[Batch]] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Have a member for each topic of the catalog in force, until stopped."""
        self.metrics.topics_stopped.set_function(lambda: float(len(self._stopped)))
        self.metrics.topics_lag_records.set_function(self._lag)
        members: dict[str, asyncio.Event] = {}
        async with asyncio.TaskGroup() as loops:
            while not stop.is_set():
                wanted = self.catalogs.current.topics.keys()
                for topic in wanted - members.keys():
                    members[topic] = asyncio.Event()
                    loops.create_task(self._keep_reading(topic, members[topic]))
                for topic in members.keys() - wanted:
                    members.pop(topic).set()
                await wait_for_event(stop, LOOK_EVERY)
            for end in members.values():
                end.set()

    def _lag(self) -> float:
        return float(sum(behind for source in self._reading.values() for _, behind in source.lag.records()))

    async def _keep_reading(self, topic: str, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._read(topic, stop)
            except* ShwError as group:
                self._stopped.add(topic)
                error = str(first_of(group))
                log.error("topic_stopped", topic=topic, error=error, again_in=AGAIN_AFTER.total_seconds())  # noqa: TRY400
            finally:
                self._reading.pop(topic, None)
            if not stop.is_set():
                await wait_for_event(stop, AGAIN_AFTER)
        self._stopped.discard(topic)

    async def _read(self, topic: str, stop: asyncio.Event) -> None:
        kafka = self.settings.kafka
        group_id = f"{kafka.group_id}.{topic}"
        if topic in kafka.own_topics:
            raise ConfigError(f"{topic} is this service's own topic: take it out of the catalog's `topics`")
        if group_id in (self.settings.heartbeats.group_id, self.settings.commands.group_id):
            raise ConfigError(f"{topic} would be read in the group {group_id}, which is of another reader: rename that")
        if topic not in await existing_topics(kafka):
            raise ConfigError(f"Kafka at {kafka.bootstrap} has no topic {topic}: create it, or let this client see it")
        source: KafkaSource[Batch] = KafkaSource(
            kafka=kafka.reading(topic, group_id),
            intake=self.settings.intake,
            drain=self.settings.drain,
            stage=_ForeignRecords(self.pipeline),
            full=self.full,
            # The lag and the loops of the failures' own member are other metrics: these stay within this process.
            metrics=Metrics(CollectorRegistry()),
            valve=_AsMuchAsComes(),
        )
        async with source.open():
            self._stopped.discard(topic)
            self._reading[topic] = source
            await consume(source, stop)


@dataclass(frozen=True, slots=True)
class _ForeignRecords:
    """The stage of the failures, for records whose letters say nothing of the failures' own topic."""

    pipeline: Pipeline

    def is_slow(self, record: Record) -> bool:
        return self.pipeline.is_slow(record)

    async def read(self, records: Sequence[Record]) -> Batch:
        return await self.pipeline.read(records)

    def join(self, first: Batch, more: Batch) -> Batch:
        return self.pipeline.join(first, more)

    async def take(self, batch: Batch) -> None:
        await self.pipeline.take_foreign(batch)


class _AsMuchAsComes:
    def may_read(self) -> int | None:
        return None

    def took(self, records: int) -> None:
        """Take note of nothing: a flood of letters on such a topic is no reason to read less of the failures'."""
