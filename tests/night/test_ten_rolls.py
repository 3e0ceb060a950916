"""Ten rolling deploys under load, forward and back: the release before and this one lose and repeat nothing."""

import asyncio
import itertools
import os
import signal
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from consumer.local.broker import Broker
from tests.integration.test_two_releases import (
    ended_as_promised,
    publish,
    release_before,
    replica,
    says,
)
from tests.support.paths import ROOT
from tests.support.pipeline import Process, Site, site, until
from tests.support.worlds.http_world import World

pytestmark = [pytest.mark.night, pytest.mark.timeout(3600)]
__all__ = ["release_before"]
ROLLS: Final = 10
REPLICAS: Final = int(os.environ.get("SHW_NIGHT_REPLICAS", "1"))
"""Replicas that are replaced in each roll, one after the other; while one is, one of each release runs."""
AT_ONCE: Final = 5
LOAD_EVERY: Final = 0.5
"""Seconds between two lots of failures: they come in while a replica starts, and while one drains."""


class Load:
    """Failures that keep coming until they are stopped, each with an effect that must happen once."""

    def __init__(self, place: Site, world: World, org: UUID) -> None:
        self._place, self._world, self._org = place, world, org
        self.published = 0
        self.over = asyncio.Event()

    async def run(self) -> None:
        while not self.over.is_set():
            await publish(self._place, self._world, self._org, range(self.published, self.published + AT_ONCE))
            self.published += AT_ONCE
            await asyncio.sleep(LOAD_EVERY)


async def test_ten_rolls_lose_nothing_and_repeat_nothing(
    kafka_broker: Broker, database: str, catalog_file: Path, world: World, release_before: Path, tmp_path: Path
) -> None:
    numbers = itertools.count(1)
    async with site(kafka_broker, database, catalog_file, partitions=2) as place, AsyncExitStack() as replicas:
        org = await place.organisation()

        async def started(code: Path) -> Process:
            one = await replicas.enter_async_context(replica(place, code, tmp_path / f"replica-{next(numbers)}.log"))
            await told(one, "partitions_assigned")
            return one

        running = [await started(release_before) for _ in range(REPLICAS)]
        load = Load(place, world, org)
        async with asyncio.TaskGroup() as meanwhile:
            meanwhile.create_task(load.run())
            for roll in range(ROLLS):
                code = ROOT if roll % 2 == 0 else release_before
                for old in tuple(running):
                    running.append(await started(code))
                    old.tell(signal.SIGTERM)
                    assert await old.ended() == 0, old.last_lines
                    running.remove(old)
                await until(partial(published_beyond, load, load.published))
            load.over.set()
        await ended_as_promised(place, world, org, load.published)
        assert load.published >= ROLLS * AT_ONCE


async def told(one: Process, event: str) -> None:
    """Wait until a replica has said it, however busy the machine is; fails at once where it has ended instead."""
    while not await says(one, event):
        assert one.process.returncode is None, one.last_lines
        await asyncio.sleep(LOAD_EVERY)


async def published_beyond(load: Load, number: int) -> bool:
    return load.published > number
