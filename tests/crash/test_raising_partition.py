"""Rebalances and outages beside a partition in which whatever the Kafka client polls raises: nothing of it is lost."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.support.faults.matrix import FULL, Injury, Servers
from tests.support.faults.producers import Producers
from tests.support.faults.proxied import ProxiedKafka, behind_proxies
from tests.support.faults.raising import PARTITIONS, lost_in_rebalances, nothing, publish_raising
from tests.support.pipeline import Site, delete_topics, site
from tests.support.worlds.http_world import World

EACH: Final = 50
"""Failures that are published to each partition at once: before and after each harm, twice before all of them."""
BEFORE_EACH: Final = 25
"""Failures behind one record that cannot be read."""
FAILURES: Final = 1_500
UNREADABLE: Final = FAILURES // PARTITIONS // BEFORE_EACH
RUNS: Final = 20 if FULL else 2


@pytest.fixture
async def wide_ground(own_kafka: ProxiedKafka, own_database: str, rich_catalog: Path) -> AsyncIterator[Site]:
    async with site(own_kafka.broker, own_database, rich_catalog, partitions=PARTITIONS) as made:
        yield made
    await delete_topics(made.settings.kafka)


@pytest.mark.parametrize("run", range(RUNS))
async def test_rebalances_and_outages_beside_a_partition_that_raises_lose_nothing(
    run: int, wide_ground: Site, own_servers: Servers, world: World, faults: Counter[str]
) -> None:
    ground, dice = wide_ground, Random(run)
    org = await ground.organisation()
    names: set[str] = set()

    async def publish() -> None:
        """Publish more: a member that is assigned partitions then finds something in each of them."""
        begin = len(names) // PARTITIONS
        names.update(await publish_raising(ground, org, each=EACH, at_once=BEFORE_EACH, begin=begin))
        faults["unreadable record"] += EACH // BEFORE_EACH

    async with behind_proxies(ground, own_servers.kafka) as proxies:
        producers = Producers(place=ground, world=world, org=org, counted=faults)
        injury = Injury(servers=own_servers, proxies=proxies, producers=producers, counted=faults)

        async def cut_off() -> None:
            await injury.cut_kafka()
            proxies.be_well()  # a member that starts without a broker ends: another fault than those made here

        def beside(harm: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
            async def harm_while_publishing() -> None:
                await publish()
                await harm()
                await publish()

            return harm_while_publishing

        harms = [cut_off, injury.restart_broker, injury.stall_kafka, nothing]
        dice.shuffle(harms)
        await publish()
        await publish()
        lost = await lost_in_rebalances(ground, names, members=proxies.place, harms=[beside(one) for one in harms])
        faults["member joined and left"] += len(harms)
        injury.count_proxies()
    assert len(names) == FAILURES
    assert lost == set()
    letters = {letter.headers["shw_dlq_offset"] for letter in await ground.letters()}
    assert letters == {b"%d" % n for n in range(0, FAILURES // PARTITIONS + UNREADABLE, BEFORE_EACH + 1)}
