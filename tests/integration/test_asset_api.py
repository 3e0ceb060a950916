# ruff: noqa: ANN401 - an entry of the catalog has any member
"""What a heal has made is shown to who may see its failure: those bytes alone, which never act, and nothing else."""

import asyncio
import hashlib
import json
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from consumer.api.assets import ProvenFile
from consumer.catalog import Catalogs, parse_catalog
from consumer.model import FailureId, OrgId
from consumer.outbound.calls import open_calls
from consumer.service.kept_files import MAX_SHOWN_BYTES, KeptFiles
from tests.support.api_world import LEADERS, OTHERS, World, error_of, serving
from tests.support.console_reader import ask, elements_of
from tests.support.healing import ORG
from tests.support.media.shelf import Shelf, serve
from tests.support.worlds.http_world import Reply, Seen, http_world
from tests.support.worlds.http_world import World as Site

SCRIPT = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script><rect width="9"/></svg>'
)
PAGE = b"<!doctype html><script>alert(1)</script>"


def picture(width: int = 8) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, width, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x30\x90\xc0" * width) * width)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PICTURE = picture()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def made(world: World, content: bytes, name: str = "made", media: str = "image/png") -> FailureId:
    """A failure that was healed by making its asset anew."""
    context = json.dumps({"asset": {"id": "hero.png", "prompt": "A <b>lamp</b> by the sea", "kind": "image"}})
    failure_id = await world.failure(name, status="resolved", resolved=True, due_at=None, step=1, context=context)
    file = {"sha256": digest(content), "media_type": media, "bytes": len(content)}
    await world.attempt(failure_id, 1, by="auto-regenerate", asset="hero.png", file=file)
    world.healer.files[digest(content)] = content
    return failure_id


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database, user_burst=100_000, address_burst=100_000) as served:
        yield served


# --- who may see it, and what else


async def test_who_may_see_the_failure_sees_its_file_and_nobody_else(world: World) -> None:
    failure_id = await made(world, PICTURE)
    where = f"/failures/{failure_id}/attempts/1/asset"
    for person in LEADERS:
        for answer in (await world.ask("GET", f"/api/healing{where}", person), await ask(world, "GET", where, person)):
            assert (answer.status_code, answer.content) == (200, PICTURE)
            assert answer.headers["Content-Type"] == "image/png"
            assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    asked = len(world.healer.asked)
    for person in OTHERS:
        assert error_of(await world.ask("GET", f"/api/healing{where}", person)) == (404, "not_found")
        seen = await ask(world, "GET", where, person)
        nothing = await ask(world, "GET", f"/failures/{uuid4()}/attempts/1/asset", person)
        assert (seen.status_code, seen.text) == (404, nothing.text)
    assert (await world.ask("GET", f"/api/healing{where}", None)).status_code == 401
    assert (await ask(world, "GET", where, None)).status_code == 303
    assert len(world.healer.asked) == asked
    assert set(world.healer.asked) == {
        ProvenFile(org_id=OrgId(world.org_id), workflow_name="checkout", asset_id="hero.png", digest=digest(PICTURE))
    }


async def test_no_file_but_what_the_healers_own_attempt_names(world: World) -> None:
    failure_id = await made(world, PICTURE)
    file = {"sha256": digest(PICTURE), "media_type": "image/png", "bytes": 9}
    await world.attempt(failure_id, 2, by="auto-retry", file=file)
    await world.attempt(failure_id, 3, "failed", by="auto-regenerate", file=file)
    await world.attempt(failure_id, None, by="auto-regenerate", file=file)
    api = f"/api/healing/failures/{failure_id}/attempts"
    for step in (0, 2, 3, 4, 2**31 - 2):
        given = {"url": "http://169.254.169.254/"}
        assert error_of(await world.ask("GET", f"{api}/{step}/asset", params=given)) == (404, "no_asset"), step
    for odd in ("-1", "one", str(2**31), "9" * 400):
        assert (await world.ask("GET", f"{api}/{odd}/asset")).status_code == 422, odd
        assert (await ask(world, "GET", f"/failures/{failure_id}/attempts/{odd}/asset")).status_code == 404
    assert world.healer.asked == []
    told = {one["step"]: one["asset"] for one in (await world.get(api))["attempts"]}
    assert [step for step, asset in told.items() if asset is not None] == [1]
    assert told[1]["where"] == f"{api}/1/asset"
    story = await world.get(f"/api/healing/failures/{failure_id}/story")
    assert {one["step"]: one["asset"] for one in story["attempts"]}[1] == told[1]


# --- what it is, its bytes alone say


@pytest.mark.parametrize("content", [PAGE, b"", b"%PDF-1.7", b"\x7fELF", b"MZ" * 50], ids=repr)
async def test_what_is_neither_picture_nor_sound_is_not_shown(world: World, content: bytes) -> None:
    failure_id = await made(world, content)
    where = f"/failures/{failure_id}/attempts/1/asset"
    assert error_of(await world.ask("GET", f"/api/healing{where}")) == (404, "asset_gone")
    page = await ask(world, "GET", where)
    assert (page.status_code, "is not there any more" in page.text) == (404, True)


async def test_a_drawing_with_a_script_is_saved_and_not_opened(world: World) -> None:
    failure_id = await made(world, SCRIPT, media="image/svg+xml")
    answer = await ask(world, "GET", f"/failures/{failure_id}/attempts/1/asset")
    assert (answer.status_code, answer.content) == (200, SCRIPT)
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


async def test_a_part_is_answered_and_what_is_known_is_not_fetched_again(world: World) -> None:
    failure_id = await made(world, PICTURE)
    where = f"/failures/{failure_id}/attempts/1/asset"
    part = await ask(world, "GET", where, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, PICTURE[4:8])
    assert part.headers["Content-Range"] == f"bytes 4-7/{len(PICTURE)}"
    beyond = await world.ask("GET", f"/api/healing{where}", headers={"Range": "bytes=999999-"})
    assert (error_of(beyond), beyond.headers["Content-Range"]) == ((416, "no_such_range"), f"bytes */{len(PICTURE)}")
    asked = len(world.healer.asked)
    known = await ask(world, "GET", where, headers={"If-None-Match": part.headers["ETag"]})
    assert (known.status_code, known.content, len(world.healer.asked)) == (304, b"", asked)
    assert (
        await ask(world, "GET", where, "stranger", headers={"If-None-Match": part.headers["ETag"]})
    ).status_code == 404


async def test_a_page_shows_it_and_where_it_is_gone_says_so_quietly(world: World) -> None:
    failure_id = await made(world, PICTURE)
    voice = await made(world, b"ID3" + bytes(20), "voice", "audio/mpeg")
    where = f"/failures/{failure_id}/attempts/1/asset"
    page = await ask(world, "GET", f"/failures/{failure_id}")
    (image,) = [values for tag, values in elements_of(page.text) if tag == "img"]
    assert (image["src"], image["alt"]) == (where, "A <b>lamp</b> by the sea")
    spoken = await ask(world, "GET", f"/failures/{voice}")
    (sound,) = [values for tag, values in elements_of(spoken.text) if tag == "audio"]
    assert "controls" in sound
    world.healer.files.clear()
    drawn = await ask(world, "GET", where, headers={"Sec-Fetch-Dest": "image"})
    assert (drawn.status_code, drawn.headers["Content-Type"]) == (404, "image/svg+xml")
    assert "not there any more" in drawn.text
    assert "not there any more" in (await ask(world, "GET", where)).text


# --- where it is fetched


@asynccontextmanager
async def kept_files(within: timedelta = timedelta(seconds=20), **entry: Any) -> AsyncIterator[tuple[KeptFiles, Site]]:
    async with http_world() as site:
        serve(site, Shelf(files={f"/sha256/{digest(PICTURE)}": PICTURE}))
        host = {"host": "127.0.0.1", "ports": [site.port], "schemes": ["http"], "addresses": ["127.0.0.0/8"]}
        store = {"place": {"kind": "http", "base": site.url("")}, "public": site.url(""), "timeout": "PT5S"}
        document = {
            "version": 1,
            "media_stores": {"site": store | entry.pop("store", {})},
            "workflows": [{"name": "shop.*", "hosts": [host | entry.pop("host", {})], "media_store": "site"} | entry],
        }
        catalogs = Catalogs(parse_catalog(json.dumps(document)))
        async with open_calls(catalogs.secrets) as calls:
            yield KeptFiles(catalogs, calls, within=within), site


def proven(content: bytes = PICTURE, **changes: Any) -> ProvenFile:
    given: dict[str, Any] = {
        "org_id": ORG,
        "workflow_name": "shop.images",
        "asset_id": "hero.png",
        "digest": digest(content),
    }
    return ProvenFile(**given | changes)


async def test_a_file_is_read_from_its_store_by_its_digest() -> None:
    async with kept_files() as (files, _):
        assert await files.read(proven()) == PICTURE
        assert await files.read(proven(b"another")) is None
        assert await files.read(proven(workflow_name="billing")) is None
    async with kept_files(store={"organisations": [str(uuid4())]}) as (files, site):
        assert await files.read(proven()) is None
        assert site.seen == []


async def test_what_others_put_right_is_read_at_its_address_while_it_is_the_same() -> None:
    async with kept_files() as (files, site):
        shelf = Shelf(files={f"/assets/{ORG}/hero.png": PICTURE})
        serve(site, shelf)
        assert await files.read(proven()) == PICTURE
        shelf.files = dict.fromkeys(shelf.files, b"somebody's later one")
        assert await files.read(proven()) is None


REDIRECTS = (
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:1/",
    "http://localhost/",
    "file:///etc/passwd",
    "//metadata.google.internal/",
)


@pytest.mark.parametrize("place", REDIRECTS)
async def test_a_redirect_leads_nowhere_that_the_catalog_does_not_allow(place: str) -> None:
    async with kept_files(host={"redirects": 3}) as (files, site):
        serve(site, Shelf(before=lambda _: Reply(status=302, headers=(("Location", place),))))
        assert await files.read(proven()) is None


async def test_a_file_that_is_too_large_or_too_slow_is_let_go() -> None:
    huge = PICTURE + bytes(MAX_SHOWN_BYTES)
    async with kept_files() as (files, site):
        serve(site, Shelf(before=lambda _: Reply(body=huge)))
        assert await files.read(proven(huge)) is None
    held = asyncio.Event()

    def slow(_: Seen) -> Reply:
        return Reply(body=PICTURE, held=held)

    async with kept_files(timedelta(milliseconds=300)) as (files, site):
        serve(site, Shelf(before=slow))
        assert await files.read(proven()) is None
        held.set()
