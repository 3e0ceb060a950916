"""A media store on real S3 servers: what is put is whole, and of many who swap from one state one wins."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from consumer.catalog import Catalogs, WorkflowPolicy, parse_catalog
from consumer.media_store.configured import CurrentMediaStores
from consumer.media_store.contract import (
    AssetRef,
    MediaFile,
    PointerState,
    Served,
    StoredObject,
    StoreFailed,
    SwapLost,
    Swapped,
)
from consumer.media_store.store import MediaStore
from consumer.outbound.calls import open_calls
from tests.support.healing import ORG
from tests.support.media.s3_servers import (
    ACCESS_KEY,
    BUCKET,
    SECRET_KEY,
    moto_server,
    official_client,
    versitygw,
    versitygw_server,
)

SECOND = timedelta(seconds=1)
WITHIN = 20 * SECOND


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A store on one server."""

    kind: str
    port: int
    store: MediaStore
    policy: WorkflowPolicy

    async def put(self, file: MediaFile, asset: AssetRef) -> StoredObject:
        stored = await self.store.put(file, asset, self.policy, within=WITHIN)
        assert isinstance(stored, StoredObject), stored
        return stored

    async def look(self, asset: AssetRef) -> PointerState:
        seen = await self.store.look(asset, self.policy, within=WITHIN)
        assert isinstance(seen, PointerState), seen
        return seen

    async def swap(self, file: MediaFile, asset: AssetRef, seen: PointerState) -> Swapped | SwapLost | StoreFailed:
        stored = await self.put(file, asset)
        return await self.store.swap(asset, stored, file, seen, self.policy, within=WITHIN)

    async def served(self, file: MediaFile, asset: AssetRef) -> Served:
        return (await self.store.read_back(asset, file, self.policy, within=WITHIN)).served


def catalog_of(port: int, **changes: Any) -> str:  # noqa: ANN401 - a block of YAML
    here = f"http://127.0.0.1:{port}"
    store: dict[str, Any] = {
        "place": {
            "kind": "s3",
            "endpoint": here,
            "bucket": BUCKET,
            "access_key": "secret://S3_ID",
            "secret_key": "secret://S3_KEY",
        },
        "pointer": {"kind": "key", "key": "assets/{org_id}/{asset.id}"},
        "public": f"{here}/{BUCKET}",
    }
    bound = {
        "hosts": ["127.0.0.1"],
        "methods": ["GET", "HEAD", "PUT"],
        "paths": [f"/{BUCKET}/**"],
        "headers": ["authorization"],
    }
    document = {
        "version": 1,
        "secrets": {"S3_ID": {"env": "TEST_S3_ID", **bound}, "S3_KEY": {"env": "TEST_S3_KEY", **bound}},
        "media_stores": {"site": store | changes},
        "workflows": [
            {
                "name": "*",
                "hosts": [{"host": "127.0.0.1", "ports": [port], "schemes": ["http"], "addresses": ["127.0.0.0/8"]}],
                "secrets": ["S3_ID", "S3_KEY"],
                "media_store": "site",
            }
        ],
    }
    return json.dumps(document)


@pytest.fixture(params=["moto", "versitygw"])
async def bucket(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bucket]:
    monkeypatch.setenv("TEST_S3_ID", ACCESS_KEY)
    monkeypatch.setenv("TEST_S3_KEY", SECRET_KEY)
    if request.param == "moto":
        server = moto_server()
    else:
        program = versitygw()
        if program is None:
            pytest.skip("versitygw is missing: make s3")
        server = versitygw_server(program, tmp_path)
    async with server as port:
        catalogs = Catalogs(parse_catalog(catalog_of(port)))
        async with open_calls(catalogs.secrets) as calls:
            policy = catalogs.current.workflows[0]
            store = CurrentMediaStores(catalogs, calls).of(policy)
            assert store is not None
            yield Bucket(kind=request.param, port=port, store=store, policy=policy)


def asset(name: str = "hero.png") -> AssetRef:
    return AssetRef(org_id=ORG, workflow_name="shop.images", asset_id=name)


def file(content: bytes = b"the bytes of an image") -> MediaFile:
    digest = hashlib.sha256(content).hexdigest()
    notes = (("generated-by", "drawer"), ("model", "draw-2"), ("prompt", "grün\n"))
    return MediaFile(content=content, digest=digest, media_type="image/png", notes=notes)


def in_bucket(bucket: Bucket, key: str) -> tuple[bytes, dict[str, Any]]:
    """What the official client sees under a key."""
    with official_client(bucket.port) as client:
        found = client.get_object(Bucket=BUCKET, Key=key)
        return found["Body"].read(), found


async def test_an_object_is_put_once_as_it_came_with_its_notes(bucket: Bucket) -> None:
    made = file()
    first, second = await bucket.put(made, asset()), await bucket.put(made, asset())
    assert (first.existed, second.existed) == (False, True)
    assert first.key == f"sha256/{made.digest}"
    content, found = await asyncio.to_thread(in_bucket, bucket, first.key)
    assert content == made.content
    assert found["ContentType"] == "image/png"
    assert "immutable" in found["CacheControl"]
    # What cannot stand in a header is left out.
    assert found["Metadata"] == {"sha256": made.digest, "generated-by": "drawer", "model": "draw-2"}
    fetched = await bucket.store.fetch(made.digest, asset(), bucket.policy, within=WITHIN, max_bytes=1 << 20)
    assert fetched == made.content


async def test_an_object_under_a_digest_that_is_another_one_is_not_taken_for_it(bucket: Bucket) -> None:
    made = file()
    with official_client(bucket.port) as client:
        await asyncio.to_thread(client.put_object, Bucket=BUCKET, Key=f"sha256/{made.digest}", Body=b"something else")
    found = await bucket.store.put(made, asset(), bucket.policy, within=WITHIN)
    assert isinstance(found, StoreFailed)
    assert found.refused
    assert "another one, or damaged" in found.reason


async def test_an_asset_is_swapped_and_served_and_what_it_was_stays_under_its_digest(bucket: Bucket) -> None:
    ref, old, new = asset("sub/hero 1.png"), file(b"old"), file(b"new")
    nothing = await bucket.look(ref)
    assert nothing.version is None
    assert await bucket.swap(old, ref, nothing) == Swapped()
    assert await bucket.served(old, ref) is Served.NEW
    assert await bucket.served(new, ref) is Served.OTHER
    seen = await bucket.look(ref)
    assert seen.digest == old.digest
    assert await bucket.swap(new, ref, seen) == Swapped()
    assert await bucket.served(new, ref) is Served.NEW
    content, found = await asyncio.to_thread(in_bucket, bucket, f"assets/{ORG}/sub/hero 1.png")
    assert (content, found["CacheControl"]) == (b"new", "no-cache")
    assert (await asyncio.to_thread(in_bucket, bucket, f"sha256/{old.digest}"))[0] == b"old"


async def test_a_swap_from_an_older_state_changes_nothing(bucket: Bucket) -> None:
    ref, old, new = asset(), file(b"old"), file(b"new")
    nothing = await bucket.look(ref)
    await bucket.swap(old, ref, nothing)
    lost = await bucket.swap(new, ref, nothing)
    assert isinstance(lost, SwapLost)
    assert lost.state is not None
    assert lost.state.digest == old.digest
    # Again from the same state: what it wants stands there already.
    assert await bucket.swap(old, ref, nothing) == Swapped(already=True)
    assert await bucket.served(old, ref) is Served.NEW


async def test_of_eight_healers_one_wins_in_each_round_and_the_pointer_is_whole(bucket: Bucket) -> None:
    ref = asset("raced.png")
    for number in range(4):
        seen = await bucket.look(ref)
        made = [file(f"round {number}, healer {healer}".encode() * 500) for healer in range(8)]
        ended = await asyncio.gather(*(bucket.swap(each, ref, seen) for each in made))
        winners = [each for each, end in zip(made, ended, strict=True) if end == Swapped()]
        losers = [end for end in ended if isinstance(end, SwapLost)]
        assert (len(winners), len(losers)) == (1, 7), ended
        assert await bucket.served(winners[0], ref) is Served.NEW
        # What the losers made is there for whoever wants the same.
        for each in made:
            fetched = await bucket.store.fetch(each.digest, ref, bucket.policy, within=WITHIN, max_bytes=1 << 20)
            assert fetched == each.content


async def test_a_store_that_is_not_the_organisations_or_a_key_that_leads_elsewhere_is_refused(bucket: Bucket) -> None:
    assert bucket.store.refusal(asset(), bucket.policy) is None
    for name in ("../x", "a//b", "a/../b", "%2e%2e/x", "a\\b", "a\nb", " ", "x/. /y", ""):
        assert "the media store: asset.id" in (bucket.store.refusal(asset(name), bucket.policy) or ""), name
    without = bucket.policy.model_copy(update={"secrets": ()})
    assert "secret://S3_ID is not allowed" in (bucket.store.refusal(asset(), without) or "")


async def test_a_wrong_secret_is_refused_by_the_server_and_told(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bucket.kind == "moto":
        pytest.skip("moto checks no signatures by default")
    monkeypatch.setenv("TEST_S3_KEY", "another-secret-key-of-forty-characters00")
    failed = await bucket.store.put(file(), asset(), bucket.policy, within=WITHIN)
    assert isinstance(failed, StoreFailed)
    assert failed.refused
    assert "SignatureDoesNotMatch" in failed.reason
