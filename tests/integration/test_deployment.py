"""A database serves one deployment: replicas of it are welcome, another one is refused before it reads anything."""

import asyncio
from functools import partial

import asyncpg
import pytest

from consumer.errors import ConfigError
from consumer.store.deployment import adopt_name
from tests.support.pipeline import Site, environment_of, event
from tests.support.shw import Ran, shw


def unnamed(place: Site, **kafka: str) -> Site:
    """The same place, whose deployment is named by its topic and its group."""
    changed = place.changed(kafka=kafka)
    settings = changed.settings.model_copy(update={"deployment": None})
    return Site(settings=settings, db=place.db, producer=place.producer)


async def command(place: Site, *words: str) -> Ran:
    return await asyncio.to_thread(partial(shw, "deployment", *words, settings=environment_of(place.settings)))


async def test_a_deployment_of_another_name_is_refused_and_told_what_to_do(embedded_place: Site) -> None:
    place = unnamed(embedded_place)
    other = unnamed(embedded_place, group_id="others", failures_topic=place.settings.kafka.failures_topic)
    mine, theirs = place.settings.deployment_name, other.settings.deployment_name
    org = await place.organisation()
    async with place.consumer() as running, place.consumer():
        refused = await other.run_to_end()
        await place.publish(event(org, "a"))
        await running.settled(1)
    assert isinstance(refused, ConfigError)
    said = str(refused)
    assert f"'{mine}'" in said
    assert f"'{theirs}'" in said
    assert f"shw deployment rename --from '{mine}'" in said
    assert "SHW_DEPLOYMENT" in said
    assert await place.db.fetchval("SELECT name FROM heal_deployment") == mine


async def test_a_database_from_before_takes_the_name_of_the_first_to_start(embedded_place: Site) -> None:
    place = unnamed(embedded_place)
    assert await place.count("heal_deployment") == 0
    async with place.consumer():
        assert await place.db.fetchval("SELECT name FROM heal_deployment") == place.settings.deployment_name


async def test_of_two_that_start_at_once_one_is_refused(database: str) -> None:
    async with asyncpg.create_pool(database, min_size=2, max_size=2) as pool:
        ends = await asyncio.gather(*(adopt_name(pool, name) for name in "ab"), return_exceptions=True)
    assert [type(end) for end in ends if end is not None] == [ConfigError]


async def test_it_is_renamed_deliberately_and_only_while_no_replica_runs(embedded_place: Site) -> None:
    place = unnamed(embedded_place)
    moved = unnamed(embedded_place, group_id=f"{place.settings.kafka.group_id}.new")
    mine = place.settings.deployment_name
    async with place.consumer():
        early = await command(moved, "rename", "--from", mine)
        assert (early.code, "stop them" in early.err) == (2, True)
    wrong = await command(moved, "rename", "--from", "another")
    assert (wrong.code, "Nothing was changed" in wrong.err) == (1, True)
    assert (await command(moved)).code == 1
    assert (await command(moved, "rename", "--from", mine)).code == 0
    told = await command(moved)
    assert (told.code, told.out.decode().strip()) == (0, moved.settings.deployment_name)
    with pytest.raises(ConfigError, match="rename"):
        await adopt_name(place.db, mine)
