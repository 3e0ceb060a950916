"""A media store on servers that take PUT, pointers that others keep, and caches that are behind: no success."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from consumer.catalog import Catalogs, WorkflowPolicy, parse_catalog
from consumer.media_store.configured import CurrentMediaStores
from consumer.media_store.contract import (
    AssetRef,
    FetchedAsset,
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
from tests.support.media.shelf import Cache, Shelf, serve
from tests.support.worlds.http_world import Reply, Seen, World, http_world, json_reply

WITHIN = timedelta(seconds=20)
REF = AssetRef(org_id=ORG, workflow_name="shop.images", asset_id="hero.png")
POINTER = f"/assets/{ORG}/hero.png"


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A store on a shelf, with a cache before it, and a system that keeps pointers."""

    store: MediaStore
    policy: WorkflowPolicy
    shelf: Shelf
    cache: Cache
    shelves: World
    public: World
    keeper: World

    async def look(self) -> PointerState:
        seen = await self.store.look(REF, self.policy, within=WITHIN)
        assert isinstance(seen, PointerState), seen
        return seen

    async def swap(self, file: MediaFile, seen: PointerState) -> Swapped | SwapLost | StoreFailed:
        stored = await self.store.put(file, REF, self.policy, within=WITHIN)
        assert isinstance(stored, StoredObject), stored
        return await self.store.swap(REF, stored, file, seen, self.policy, within=WITHIN)

    async def check(self) -> StoreFailed | None:
        return await self.store.check(REF, self.policy, lambda send: send(), within=WITHIN)

    async def served(self) -> FetchedAsset:
        return await self.store.served(REF, self.policy, within=WITHIN)

    async def read_back(self, file: MediaFile) -> FetchedAsset:
        return await self.store.read_back(REF, file, self.policy, within=WITHIN)


def file(content: bytes) -> MediaFile:
    return MediaFile(content=content, digest=hashlib.sha256(content).hexdigest(), media_type="image/png")


OLD, NEW = file(b"old"), file(b"new")
Changes = Callable[[World, World], dict[str, Any]]


@asynccontextmanager
async def shop(changes: Changes = lambda _, __: {}) -> AsyncIterator[Shop]:
    async with http_world() as shelves, http_world() as public, http_world() as keeper:
        shelf = Shelf()
        cache = Cache(origin=shelf)
        serve(shelves, shelf)
        serve(public, cache)
        declared = {
            "place": {"kind": "http", "base": shelves.url(""), "headers": {"x-from": "healer"}},
            "public": public.url(""),
            "timeout": "PT5S",
        }
        ports = [world.port for world in (shelves, public, keeper)]
        host = {"host": "127.0.0.1", "ports": ports, "schemes": ["http"], "addresses": ["127.0.0.0/8"]}
        document = {
            "version": 1,
            "media_stores": {"site": declared | changes(public, keeper)},
            "workflows": [{"name": "*", "hosts": [host], "media_store": "site"}],
        }
        catalogs = Catalogs(parse_catalog(json.dumps(document)))
        async with open_calls(catalogs.secrets) as calls:
            policy = catalogs.current.workflows[0]
            store = CurrentMediaStores(catalogs, calls).of(policy)
            assert store is not None
            assert store.refusal(REF, policy) is None
            yield Shop(
                store=store, policy=policy, shelf=shelf, cache=cache, shelves=shelves, public=public, keeper=keeper
            )


async def test_an_asset_is_put_by_put_and_swapped_by_its_etag() -> None:
    async with shop() as here:
        assert await here.swap(OLD, await here.look()) == Swapped()
        assert (await here.read_back(OLD)).served is Served.NEW
        assert await here.swap(NEW, await here.look()) == Swapped()
        assert here.shelf.files[POINTER] == b"new"
        assert here.shelf.files[f"/sha256/{OLD.digest}"] == b"old"
        assert {seen.headers["x-from"] for seen in here.shelves.seen} == {"healer"}


async def test_of_many_who_swap_from_one_state_one_wins() -> None:
    async with shop() as here:
        await here.swap(OLD, await here.look())
        seen = await here.look()
        ended = await asyncio.gather(*(here.swap(file(f"healer {n}".encode()), seen) for n in range(8)))
        assert ended.count(Swapped()) == 1
        assert sum(isinstance(end, SwapLost) for end in ended) == 7


@pytest.mark.parametrize(("tag", "why"), [('W/"{}"', "a weak ETag"), ("", "no ETag"), ('"a b {}"', "no ETag")])
async def test_a_server_that_cannot_compare_is_refused(tag: str, why: str) -> None:
    async with shop() as here:
        here.shelf.files[POINTER], here.shelf.tag = b"old", tag
        refused = await here.store.look(REF, here.policy, within=WITHIN)
        assert isinstance(refused, StoreFailed)
        assert refused.refused
        assert why in refused.reason


async def test_a_swap_that_was_done_and_never_answered_is_found_done() -> None:
    async with shop() as here:
        await here.swap(OLD, await here.look())
        seen = await here.look()
        here.shelf.after = lambda asked: Reply(drop=True) if asked.method == "PUT" and asked.path == POINTER else None
        assert await here.swap(NEW, seen) == Swapped(already=True)


@pytest.mark.parametrize("fault", [Reply(drop=True), Reply(status=500), Reply(status=503)])
async def test_a_swap_that_was_not_done_is_in_doubt_and_can_be_done_again(fault: Reply) -> None:
    async with shop() as here:
        await here.swap(OLD, await here.look())
        seen = await here.look()
        here.shelf.before = lambda asked: fault if asked.method == "PUT" and asked.path == POINTER else None
        failed = await here.swap(NEW, seen)
        assert isinstance(failed, StoreFailed)
        assert failed.in_doubt
        assert failed.dependency_unhealthy
        here.shelf.before = None
        assert await here.swap(NEW, seen) == Swapped()


async def test_a_store_that_refuses_a_file_is_not_asked_again() -> None:
    async with shop() as here:
        here.shelf.before = lambda _: Reply(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        failed = await here.store.put(NEW, REF, here.policy, within=WITHIN)
        assert failed == StoreFailed(reason="the store answered 403 AccessDenied", refused=True)
        here.shelf.before = lambda _: Reply(status=429, headers=(("Retry-After", "7"),))
        busy = await here.store.put(NEW, REF, here.policy, within=WITHIN)
        assert isinstance(busy, StoreFailed)
        assert (busy.refused, busy.dependency_unhealthy, busy.after) == (False, True, timedelta(seconds=7))


async def test_an_object_under_a_digest_that_is_another_one_is_not_taken_for_it() -> None:
    async with shop() as here:
        here.shelf.files[f"/sha256/{NEW.digest}"] = b"something else"
        for came in (
            await here.store.put(NEW, REF, here.policy, within=WITHIN),
            await here.store.fetch(NEW.digest, REF, here.policy, within=WITHIN, max_bytes=1 << 20),
        ):
            assert isinstance(came, StoreFailed)
            assert came.refused
            assert "another one, or damaged" in came.reason


async def test_an_object_of_which_another_upload_is_under_way_is_put_again() -> None:
    async with shop() as here:
        here.shelf.before = lambda asked: Reply(status=409) if asked.method == "PUT" else None
        busy = await here.store.put(NEW, REF, here.policy, within=WITHIN)
        assert isinstance(busy, StoreFailed)
        assert not busy.refused
        here.shelf.before = None
        assert isinstance(await here.store.put(NEW, REF, here.policy, within=WITHIN), StoredObject)


@pytest.mark.parametrize("form", ['"{}-gzip"', 'W/"{}"'])
async def test_a_server_that_compresses_is_asked_for_the_version_of_what_it_stores(form: str) -> None:
    async with shop() as here:
        here.shelf.files[POINTER], here.shelf.compressed_tag = b"old", form
        assert await here.swap(NEW, await here.look()) == Swapped()
        assert here.shelf.files[POINTER] == b"new"


@pytest.mark.parametrize("kept", [b"", b"ne", b"<html>signed in?</html>", None])
async def test_nothing_points_at_an_object_that_the_store_took_and_did_not_keep(kept: bytes | None) -> None:
    async with shop(_linking) as here:
        key = f"/sha256/{NEW.digest}"

        def takes(asked: Seen) -> Reply | None:
            if asked.method == "PUT" and asked.path == key:
                here.shelf.files |= {} if kept is None else {key: kept}
                return Reply(status=200 if kept is not None else 202)
            return None

        here.shelf.before = takes
        failed = await here.store.put(NEW, REF, here.policy, within=WITHIN)
        assert isinstance(failed, StoreFailed)
        assert failed.refused == (kept is not None)


async def test_a_place_that_compares_and_sets_shows_it_once() -> None:
    async with shop() as here:
        assert await here.check() is None
        assert [seen.method for seen in here.shelves.seen] == ["PUT", "PUT", "PUT"]
        assert await here.check() is None
        assert len(here.shelves.seen) == 3
    async with shop(_called) as here:
        assert await here.check() is None, "its pointer is compared by another system"
        assert here.shelves.seen == []


@pytest.mark.parametrize("ignored", ["if-none-match", "if-match"])
async def test_a_place_that_takes_no_notice_of_a_condition_is_refused(ignored: str) -> None:
    async with shop() as here:
        here.shelf.ignores = frozenset({ignored})
        refused = await here.check()
        assert isinstance(refused, StoreFailed)
        assert refused.refused
        assert ignored in refused.reason.lower()
        assert "two heals could both change one asset" in refused.reason
        here.shelf.ignores = frozenset()
        assert await here.check() is None, "it is asked again once it was mended"


@pytest.mark.parametrize(("status", "refused"), [(501, True), (400, True), (403, True), (503, False), (429, False)])
async def test_a_place_that_shows_nothing_of_its_conditions_is_not_taken_for_one(status: int, *, refused: bool) -> None:
    async with shop() as here:
        here.shelf.before = lambda _: Reply(status=status)
        failed = await here.check()
        assert isinstance(failed, StoreFailed)
        assert failed.refused is refused


@pytest.mark.parametrize("looks_at_query", [True, False])
async def test_a_cache_that_has_what_its_place_has_lost_does_not_make_it_there(*, looks_at_query: bool) -> None:
    async with shop() as here:
        here.cache.looks_at_query = looks_at_query
        await here.swap(OLD, await here.look())
        assert (await here.served()).content == b"old"
        del here.shelf.files[POINTER]
        assert (await here.served()).served is Served.ABSENT
        here.shelf.files[POINTER] = b"changed"
        behind = await here.served()
        assert (behind.served, behind.content) == (Served.STALE, b"changed")


async def test_a_cache_that_keeps_an_absence_is_behind_what_its_place_has() -> None:
    async with shop() as here:
        assert (await here.served()).served is Served.ABSENT
        await here.swap(NEW, await here.look())
        behind = await here.served()
        assert (behind.served, behind.content, behind.fresh_in) == (Served.STALE, b"new", timedelta(seconds=60))


async def test_a_document_that_names_an_object_which_is_lost_names_nothing() -> None:
    async with shop(_linking) as here:
        await here.swap(OLD, await here.look())
        assert (await here.served()).content == b"old"
        here.shelf.files[f"/sha256/{OLD.digest}"] = b"ol"
        assert (await here.served()).served is Served.ABSENT
        del here.shelf.files[f"/sha256/{OLD.digest}"]
        assert (await here.served()).served is Served.ABSENT


async def test_where_another_system_keeps_the_pointer_its_origin_is_asked_past_the_caches() -> None:
    async with shop(_called) as here:
        here.shelf.files["/products/hero.png"] = b"old"
        assert (await here.served()).content == b"old"
        here.shelf.files["/products/hero.png"] = b"new"
        assert (await here.served()).served is Served.STALE
        del here.shelf.files["/products/hero.png"]
        assert (await here.served()).served is Served.ABSENT


async def test_a_store_that_cannot_be_asked_is_told_beside_what_users_get() -> None:
    async with shop() as here:
        await here.swap(OLD, await here.look())
        here.shelf.before = lambda asked: None if "x-from" not in asked.headers else Reply(status=503)
        found = await here.served()
        assert found.content is None
        assert found.unseen is not None
        assert found.unseen.dependency_unhealthy


MOVED = b"<Error><Code>PermanentRedirect</Code><Endpoint>media.s3.eu-west-1.amazonaws.com</Endpoint></Error>"
MALFORMED = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"
HINT = (("x-amz-bucket-region", "eu-west-1"),)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(status=301, body=MOVED, headers=HINT), "region eu-west-1 at address media.s3.eu-west-1.amazonaws.com"),
        (Reply(status=301, headers=HINT), "301: its files are in region eu-west-1; correct the store's `region`"),
        (Reply(status=400, body=MALFORMED), "AuthorizationHeaderMalformed: its files are in region eu-west-1"),
        (Reply(status=403, headers=HINT), "403: its files are in region eu-west-1"),
        (Reply(status=302, headers=(("Location", "https://b.example.com/x"),)), "address b.example.com"),
        (Reply(status=308), "a redirect, which nothing is sent after"),
        (Reply(status=403, headers=(("x-amz-bucket-region", "<b>"),)), "403"),
    ],
)
async def test_a_store_that_names_another_region_or_address_is_told_with_what_to_correct(
    reply: Reply, said: str
) -> None:
    async with shop() as here:
        here.shelf.before = lambda _: reply
        failed = await here.store.put(NEW, REF, here.policy, within=WITHIN)
        assert isinstance(failed, StoreFailed)
        assert failed.refused
        assert said in failed.reason
        assert "<b>" not in failed.reason
        looked = await here.store.look(REF, here.policy, within=WITHIN)
        assert isinstance(looked, StoreFailed), "HEAD has no body, and the same headers"
        assert looked.refused
        assert ("its files are in region eu-west-1" in looked.reason) is (HINT[0] in reply.headers)


async def test_a_bucket_whose_name_is_not_known_everywhere_yet_is_asked_again() -> None:
    async with shop() as here:
        there = (("Location", "http://media.s3-eu-west-1.amazonaws.com/x"),)
        here.shelf.before = lambda _: Reply(status=307, headers=there)
        failed = await here.store.put(NEW, REF, here.policy, within=WITHIN)
        assert isinstance(failed, StoreFailed)
        assert not failed.refused
        assert "for now its files are at media.s3-eu-west-1.amazonaws.com" in failed.reason


async def test_a_key_that_leads_elsewhere_is_refused() -> None:
    async with shop() as here:
        for name in ("../x", "a//b", "a/../b", "%2e%2e/x", "a\\b", "a\nb", " ", ""):
            ref = AssetRef(org_id=ORG, workflow_name="shop.images", asset_id=name)
            assert "the media store: asset.id" in (here.store.refusal(ref, here.policy) or ""), name


async def test_a_cache_that_is_behind_is_told_with_the_time_at_which_it_has_to_ask() -> None:
    async with shop() as here:
        await here.swap(OLD, await here.look())
        assert (await here.read_back(OLD)).served is Served.NEW
        await here.swap(NEW, await here.look())
        behind = await here.read_back(NEW)
        assert behind.served is Served.STALE
        assert behind.fresh_in == timedelta(seconds=60)
        assert "age 40 s" in behind.detail
        here.cache.kept.clear()
        served = await here.read_back(NEW)
        assert (served.served, served.content) == (Served.NEW, b"new")


async def test_a_cache_that_takes_no_notice_of_a_query_is_told_by_its_origin() -> None:
    async with shop() as here:
        here.cache.looks_at_query = False
        await here.swap(OLD, await here.look())
        await here.read_back(OLD)
        await here.swap(NEW, await here.look())
        assert (await here.read_back(NEW)).served is Served.STALE


async def test_an_absence_that_a_cache_keeps_is_behind_too() -> None:
    async with shop() as here:
        assert (await here.read_back(NEW)).served is Served.ABSENT
        await here.swap(NEW, await here.look())
        assert (await here.read_back(NEW)).served is Served.STALE


async def test_what_users_get_is_not_what_was_put() -> None:
    async with shop() as here:
        await here.swap(OLD, await here.look())
        other = await here.read_back(NEW)
        assert (other.served, other.content, other.digest) == (Served.OTHER, b"old", OLD.digest)


@pytest.mark.parametrize("reply", [Reply(status=500), Reply(drop=True), Reply(status=403)])
async def test_an_answer_that_says_nothing_is_no_proof(reply: Reply) -> None:
    async with shop() as here:
        await here.swap(NEW, await here.look())
        serve(here.public, Shelf(before=lambda _: reply))
        assert (await here.read_back(NEW)).served is Served.UNREACHABLE


async def test_a_large_file_that_looks_like_endless_json_is_served_whole() -> None:
    made = file(b"[{," * 700_000)
    async with shop() as here:
        await here.swap(made, await here.look())
        assert (await here.read_back(made)).content == made.content


def _linking(_: World, __: World) -> dict[str, Any]:
    return {"pointer": {"kind": "key", "key": "assets/{org_id}/{asset.id}", "holds": "link", "cache_control": ""}}


async def test_a_pointer_may_be_a_document_that_names_the_object() -> None:
    async with shop(_linking) as here:
        await here.swap(OLD, await here.look())
        assert json.loads(here.shelf.files[POINTER]) == {
            "sha256": OLD.digest,
            "key": f"sha256/{OLD.digest}",
            "url": here.public.url(f"/sha256/{OLD.digest}"),
            "media_type": "image/png",
            "bytes": 3,
        }
        assert (await here.read_back(OLD)).served is Served.NEW
        await here.swap(NEW, await here.look())
        assert (await here.read_back(NEW)).served is Served.STALE
        here.cache.kept.clear()
        assert (await here.read_back(NEW)).content == b"new"


def _called(public: World, keeper: World) -> dict[str, Any]:
    del public
    address = keeper.url("/{org_id}/{asset.id}")
    look = {"url": address, "version": "/version", "digest": "/image"}
    swap = {"url": address, "method": "PATCH", "body": {"image": "{object.url}", "from": "{version}"}}
    purge = {"url": keeper.url("/purge"), "body": {"urls": ["{public.url}"]}}
    return {
        "pointer": {"kind": "call", "look": look, "swap": swap},
        "public_key": "products/{asset.id}",
        "purge": purge,
    }


class Keeper:
    """A system that keeps what each asset points at, with a version."""

    def __init__(self, here: Shop) -> None:
        self.version, self.image, self.drops = 1, "https://cdn.example.com/none", False
        self._here = here
        here.keeper.on(f"/{ORG}/hero.png", lambda _, seen: self.reply(seen))
        here.keeper.on("/purge", json_reply({}))

    def reply(self, seen: Seen) -> Reply:
        if seen.method == "GET":
            return json_reply({"version": self.version, "image": self.image})
        if seen.json["from"] != str(self.version):
            return json_reply({"error": "moved on"}, 409)
        self.version, self.image = self.version + 1, seen.json["image"]
        self._here.shelf.files["/products/hero.png"] = self._here.shelf.files[
            f"/sha256/{self.image.rpartition('/')[2]}"
        ]
        return Reply(drop=True) if self.drops else json_reply({"ok": True})


async def test_another_system_keeps_the_pointer_and_is_changed_from_the_version_that_was_seen() -> None:
    async with shop(_called) as here:
        keeper = Keeper(here)
        seen = await here.look()
        assert seen == PointerState(version="1")
        assert await here.swap(NEW, seen) == Swapped()
        assert (await here.look()).digest == NEW.digest
        assert (await here.read_back(NEW)).served is Served.NEW
        lost = await here.swap(OLD, seen)
        assert lost == SwapLost(state=PointerState(version="2", digest=NEW.digest))
        keeper.drops = True
        assert await here.swap(OLD, PointerState(version="2")) == Swapped(already=True)


async def test_a_cache_is_told_to_forget_an_asset_where_the_catalog_says_how() -> None:
    async with shop(_called) as here:
        Keeper(here)
        assert await here.store.purge(REF, here.policy, within=WITHIN) is None
        [asked] = here.keeper.calls("/purge")
        assert asked.json == {"urls": [here.public.url("/products/hero.png")]}
        here.keeper.on("/purge", Reply(status=403))
        assert isinstance(await here.store.purge(REF, here.policy, within=WITHIN), StoreFailed)
    async with shop() as here:
        assert await here.store.purge(REF, here.policy, within=WITHIN) is None
