"""Generators that lie, and places that give something else: none of it is ever a success, and what is right is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.faults.matrix import FULL
from tests.support.media.lies import LIES, Lie
from tests.support.media.pictures import photograph, saved
from tests.support.media.true_files import TRUE_FILES
from tests.support.pipeline import Site, event
from tests.support.worlds.asset_world import MAKE, AssetWorld, asset_catalog, file_reply, missing_image
from tests.support.worlds.http_world import World
from tests.support.worlds.workshop import REASONS, Ordered, answer_by_name, asset_for, makers

PICTURE: Final = saved(photograph(), "PNG")
OLD: Final = saved(photograph(128, 96), "PNG")
TOLD: Final[Mapping[str, Lie]] = {name: lie for name, lie in LIES.items() if lie.expected.aspect is None}
"""A shape alone is not asked for by an event."""
ORDINARY: Final = 30


@pytest.fixture
def place(embedded_place: Site, catalog_file: Path, world: World) -> Site:
    placeholders = [one for lie in TOLD.values() for one in lie.expected.placeholders]
    text = asset_catalog(world, makers(world), calls=1, verify="PT0.5S", placeholders=placeholders)
    catalog_file.write_text(text.replace("attempts: 3", "attempts: 1"))
    return embedded_place


async def heal(place: Site, files: Mapping[str, Ordered]) -> dict[str, str]:
    """Publish a failure for each file, and give where each stands in the end."""
    org = await place.organisation("100")
    await place.db.execute("UPDATE token_wallets SET voice_budget_aud = 100 WHERE org_id = $1", org)
    for name, file in files.items():
        reason = REASONS[file.expected.kind.value]
        asked = asset_for(name, file.expected)
        await place.publish(event(org, name, workflow_name=name, failure_reason=reason, context=asked))
    async with place.consumer() as running:
        rows = await running.settled(len(files))
    return {name: row["status"] for name, row in rows.items()}


async def test_no_lie_of_a_generator_is_a_success(place: Site, world: World) -> None:
    assets = AssetWorld(world=world)
    names = list(TOLD) if FULL else list(TOLD)[:: max(1, len(TOLD) // ORDINARY)]
    lies = {name: TOLD[name] for name in names}
    assert len(lies) >= ORDINARY
    answer_by_name(world, {name: lie.make() for name, lie in lies.items()})
    stands = await heal(place, lies)
    assert {name for name, status in stands.items() if status == "resolved"} == set()
    assert {path for path in assets.files if "/assets/" in path} == set(), "what is a lie was put in its place"
    assert len(world.calls(MAKE)) == len(lies), "each was made"


async def test_what_is_right_is_no_lie(place: Site, world: World) -> None:
    assets = AssetWorld(world=world)
    names = list(TRUE_FILES) if FULL else list(TRUE_FILES)[::6]
    files = {name: TRUE_FILES[name] for name in names}
    answer_by_name(world, {name: file.make() for name, file in files.items()})
    stands = await heal(place, files)
    assert {name: status for name, status in stands.items() if status != "resolved"} == {}
    assert len([path for path in assets.files if "/assets/" in path]) == len(files)


SERVED: Final[Mapping[str, bytes | None]] = {
    "the old one": OLD,
    "an error page": b"<!doctype html><html><body><h1>503</h1></body></html>",
    "half of it": PICTURE[: len(PICTURE) // 2],
    "nothing": None,
    "another right one": saved(photograph(seed=9), "PNG"),
}


@pytest.mark.parametrize("name", SERVED)
async def test_what_users_do_not_get_is_no_success(place: Site, world: World, name: str) -> None:
    assets = AssetWorld(world=world, makes=[file_reply(PICTURE)])
    org = await place.organisation("1")
    calls = {"n": 0}

    def served(path: str, stands: bytes | None) -> bytes | None:
        if "/assets/" not in path or not assets.charged:
            return stands
        calls["n"] += 1
        return SERVED[name]

    assets.served = served
    asked = missing_image(parameters={"file": "hero"})
    await place.publish(event(org, 1, workflow_name="hero", failure_reason=REASONS["image"], context=asked))
    async with place.consumer() as running:
        row = (await running.settled(1))["hero"]
    assert calls["n"], "it was never fetched"
    assert row["status"] != "resolved"
