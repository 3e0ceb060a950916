"""Opens the watches of runners, with a way out of their own: no call of a heal waits for one of theirs."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from consumer.catalog import Catalogs
from consumer.outbound.calls import open_calls
from consumer.pipeline.flow import Stages
from consumer.pipeline.runner_watch import WATCHES_AT_ONCE, RunnerWatches
from consumer.runners.configured import WatchedRunners


@asynccontextmanager
async def open_watches(catalogs: Catalogs, topic: str) -> AsyncIterator[Callable[[Stages], RunnerWatches]]:
    """Open what watches need; what is given makes them of a process's stages. They publish to the topic of failures."""
    async with open_calls(catalogs.secrets, connections=WATCHES_AT_ONCE) as calls:

        def watches_of(stages: Stages) -> RunnerWatches:
            return RunnerWatches(
                pool=stages.pool,
                lease=stages.lease,
                catalogs=catalogs,
                engines=WatchedRunners(calls),
                publisher=stages.publisher,
                topic=topic,
                metrics=stages.metrics,
            )

        yield watches_of
