"""auto-regenerate through the whole service: looked for, made, paid once, stored, pointed at, proven, and told."""

import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from schemas.heal_result import HEAL_RESULT_TYPE
from tests.support import oracle
from tests.support.media.pictures import photograph, saved
from tests.support.pipeline import Site, event
from tests.support.worlds.asset_world import (
    CHARGED,
    AssetWorld,
    asset_catalog,
    described,
    file_reply,
    missing_image,
)
from tests.support.worlds.http_world import Reply, World, json_reply

REASON = "Image generation failed: the hero image is missing"
PICTURE = saved(photograph(), "PNG")


@pytest.fixture
def assets(world: World) -> AssetWorld:
    return AssetWorld(world=world, makes=[file_reply(PICTURE)])


def rewrite(catalog_file: Path, text: str) -> None:
    catalog_file.write_text(text)


@pytest.fixture
def place(embedded_place: Site, catalog_file: Path, world: World) -> Site:
    rewrite(catalog_file, asset_catalog(world))
    return embedded_place


def failed(org: UUID, name: str = "hero", context: dict[str, Any] | None = None) -> dict[str, Any]:
    return event(org, name, workflow_name=name, failure_reason=REASON, context=context or missing_image())


async def results(place: Site) -> dict[str, dict[str, Any]]:
    """The last result of each workflow."""
    return {
        one["data"]["workflow_name"]: one["data"] for one in await place.results() if one["type"] == HEAL_RESULT_TYPE
    }


async def costs(place: Site, org: UUID, micro_aud: int) -> None:
    """Hold that the wallet has paid exactly so much, and that the ledger says so."""
    await oracle.credits_add_up(place, {org: "1"})
    left = await place.db.fetchval("SELECT text_budget_aud FROM token_wallets WHERE org_id = $1", org)
    assert (1 - left) * 1_000_000 == micro_aud


async def test_a_missing_image_is_made_stored_pointed_at_proven_and_told(place: Site, assets: AssetWorld) -> None:
    org = await place.organisation("1")
    await place.publish(failed(org))
    async with place.consumer() as running:
        row = (await running.settled(1))["hero"]
    told = (await results(place))["hero"]
    assert (row["status"], row["failure_type"]) == ("resolved", "missing_image"), told
    assert (told["result"], told["strategy"], told["code"]) == ("success", "auto-regenerate", None)
    assert {one["oracle"]: one["verdict"] for one in told["evidence"]} == {"decoded": "passed", "asset": "passed"}
    assert assets.files[assets.pointer(org)] == PICTURE
    assert sum(assets.charged.values()) == 1
    kept = json.loads(await place.db.fetchval("SELECT details FROM workflow_heal_attempts WHERE result = 'success'"))
    digest = hashlib.sha256(PICTURE).hexdigest()
    assert kept["file"] == {"sha256": digest, "media_type": "image/png", "bytes": len(PICTURE)}
    assert told["credits"]["spent"] == "0.02"
    await costs(place, org, CHARGED)


async def test_what_is_there_has_recovered_and_costs_nothing(place: Site, assets: AssetWorld) -> None:
    org = await place.organisation("1")
    assets.files[assets.pointer(org)] = PICTURE
    await place.publish(failed(org))
    async with place.consumer() as running:
        await running.settled(1)
    told = (await results(place))["hero"]
    assert (told["result"], told["code"], told["credits"]["spent"]) == ("success", "recovered", "0")
    assert not assets.charged
    assert not assets.puts()


async def test_what_was_made_before_is_relinked_and_costs_nothing(place: Site, assets: AssetWorld) -> None:
    org = await place.organisation("1")
    await place.publish(failed(org, "first"))
    async with place.consumer() as running:
        await running.settled(1)
        await place.publish(failed(org, "second", missing_image(id="other")))
        await running.settled(2)
    told = (await results(place))["second"]
    assert (told["result"], told["code"]) == ("success", "relinked")
    assert assets.files[assets.pointer(org, "other")] == PICTURE
    assert sum(assets.charged.values()) == 1


@pytest.fixture
def refusing(world: World) -> Reply:
    assert world.port
    said = {"error": {"code": "moderation_blocked", "message": "Your request was rejected by the safety system"}}
    return json_reply(said, 400)


async def test_a_refusal_of_moderation_is_left_to_a_person_and_asked_of_no_other(
    place: Site, assets: AssetWorld, refusing: Reply, catalog_file: Path, world: World
) -> None:
    rewrite(catalog_file, asset_catalog(world, {"first": described(world), "second": described(world)}, calls=5))
    assets.makes = [refusing]
    org = await place.organisation("1")
    await place.publish(failed(org))
    async with place.consumer() as running:
        row = (await running.settled(1))["hero"]
    told = (await results(place))["hero"]
    assert (row["status"], told["code"]) == ("given_up", "refused")
    assert "a person decides" in told["details"]["reason"]
    assert len(world.calls("/make")) == 1


async def test_a_parameter_is_named_and_never_tried_again(place: Site, assets: AssetWorld, world: World) -> None:
    said = {"error": {"code": "invalid_value", "param": "size", "message": "Invalid size: 256x192"}}
    assets.makes = [json_reply(said, 400)]
    org = await place.organisation("1")
    await place.publish(failed(org))
    async with place.consumer() as running:
        row = (await running.settled(1))["hero"]
    told = (await results(place))["hero"]
    assert (row["status"], told["code"]) == ("given_up", "refused")
    assert "size: Invalid size" in told["details"]["reason"]
    assert len(world.calls("/make")) == 1


async def test_a_truncated_image_is_found_and_made_again(place: Site, assets: AssetWorld) -> None:
    assets.makes = [file_reply(PICTURE[: len(PICTURE) // 2]), file_reply(PICTURE)]
    org = await place.organisation("1")
    await place.publish(failed(org))
    async with place.consumer() as running:
        row = (await running.settled(1))["hero"]
    told = (await results(place))["hero"]
    assert row["status"] == "resolved", told
    assert [one["came"] for one in told["details"]["generations"]] == ["wrong", "made"]
    assert told["credits"]["spent"] == "0.04"
    await costs(place, org, 2 * CHARGED)


async def test_a_job_is_kept_before_its_first_look_and_its_end_is_fetched(
    place: Site, assets: AssetWorld, catalog_file: Path, world: World
) -> None:
    rewrite(catalog_file, asset_catalog(world, {"jobs": described(world, job=True)}))
    org = await place.organisation("1")
    await place.publish(failed(org))
    async with place.consumer() as running:
        row = (await running.settled(1))["hero"]
    told = (await results(place))["hero"]
    assert row["status"] == "resolved", told
    assert len(world.calls("/jobs")) == 1
    assert assets.files[assets.pointer(org)] == PICTURE


async def test_a_job_that_completed_with_an_error_is_none(
    place: Site, assets: AssetWorld, catalog_file: Path, world: World
) -> None:
    rewrite(catalog_file, asset_catalog(world, {"jobs": described(world, job=True)}, calls=1))
    assets.job_end = {"error": "the worker ran out of memory"}
    org = await place.organisation("1")
    await place.publish(failed(org))
    async with place.consumer() as running:
        row = (await running.settled(1))["hero"]
    told = (await results(place))["hero"]
    assert row["status"] != "resolved"
    assert "out of memory" in str(told["details"]["generations"])
    assert assets.pointer(org) not in assets.files


async def test_a_cache_that_gives_the_old_one_is_no_success(place: Site, assets: AssetWorld) -> None:
    org = await place.organisation("1")
    old = saved(photograph(128, 96), "PNG")
    assets.files[assets.pointer(org)] = old
    assets.served = lambda path, stands: old if "/assets/" in path else stands
    await place.publish(failed(org))
    async with place.consumer() as running:
        row = (await running.settled(1))["hero"]
    told = (await results(place))["hero"]
    assert row["status"] != "resolved"
    assert told["code"] == "unverified"
    assert sum(assets.charged.values()) == 1, "what was made once is relinked by the next attempts"


async def test_no_price_no_call(place: Site, assets: AssetWorld, catalog_file: Path, world: World) -> None:
    unpriced = described(world)
    del unpriced["price"]
    rewrite(catalog_file, asset_catalog(world, {"pictures": unpriced}))
    org = await place.organisation("1")
    await place.publish(failed(org))
    async with place.consumer() as running:
        row = (await running.settled(1))["hero"]
    told = (await results(place))["hero"]
    assert (row["status"], told["code"]) == ("given_up", "refused")
    assert "declare its price" in told["details"]["reason"]
    assert not assets.charged
