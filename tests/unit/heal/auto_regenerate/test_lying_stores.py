"""Stores and caches that lie, as outsiders meet them: never a success unless users were given the right bytes.

Each row says what is answered in place of the truth, and whether the asset is healed all the same: a store that is slow
to show what it was given, or that answers a failure for what it has done, is found out by looking again.
"""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import pytest

from consumer.heal.kept import Suspended
from consumer.media.validation import validate
from consumer.media.verdict import MediaExpectation, MediaVerdict
from consumer.media_store import read_back
from consumer.model import Healed, OrgId
from tests.support.media.pictures import photograph, saved, sign
from tests.support.worlds.asset_world import CDN, STORE, AssetWorld, etag, file_reply, missing_image
from tests.support.worlds.http_world import Reply, Seen, page_reply
from tests.support.worlds.workshop import Judge, Workshop, workshop

PICTURE: Final = saved(photograph(), "PNG")
OLD: Final = saved(photograph(128, 96), "PNG")
LOGIN: Final = page_reply("<!doctype html><h1>Sign in</h1>")
TO_LOGIN: Final = Reply(status=302, headers=(("Location", "/login"),))
Lie: TypeAlias = Callable[[AssetWorld, Seen, Reply], Reply]


@dataclass(frozen=True, kw_only=True)
class Row:
    lie: Lie
    heals: bool = False
    old: bool = False
    """Whether an older version stands there before."""


def served(answer: Callable[[Reply], Reply]) -> Lie:
    """Users get this in place of an asset; the store itself is honest."""
    return lambda _, seen, right: answer(right) if seen.path.startswith(CDN) and right.status == 200 else right


def on(method: str, under: str, answer: Callable[[Reply], Reply]) -> Lie:
    """One method at one kind of place answers this."""
    return lambda _, seen, right: answer(right) if seen.method == method and seen.path.startswith(under) else right


def tagged(form: str, *methods: str) -> Lie:
    """ETags have this form; empty for none."""

    def lie(_: AssetWorld, seen: Seen, right: Reply) -> Reply:
        if seen.method not in methods or right.status >= 300:
            return right
        tags = (("ETag", form.format(etag(seen.body or right.body).strip('"'))),) if form else ()
        return replace(right, headers=(*tags, *(one for one in right.headers if one[0] != "ETag")))

    return lie


def keeps(what: Callable[[bytes], bytes | None], under: str = STORE) -> Lie:
    """A PUT is answered as done, and something else is kept."""

    def lie(assets: AssetWorld, seen: Seen, right: Reply) -> Reply:
        if seen.method == "PUT" and seen.path.startswith(under) and right.status < 300:
            kept = what(seen.body)
            assets.files.pop(seen.path)
            assets.files |= {} if kept is None else {seen.path: kept}
        return right

    return lie


def after(looks: int, under: str, meanwhile: Reply) -> Lie:
    """What was put is shown only at a later look."""
    seen_before: list[str] = []

    def lie(_: AssetWorld, seen: Seen, right: Reply) -> Reply:
        if seen.method != "GET" or not seen.path.startswith(under) or right.status != 200:
            return right
        seen_before.append(seen.path)
        return right if len(seen_before) > looks else meanwhile

    return lie


def _zipped(right: Reply) -> Reply:
    return replace(right, body=gzip.compress(right.body))


def _with(*headers: tuple[str, str], status: int = 200) -> Callable[[Reply], Reply]:
    return lambda right: replace(right, status=status, headers=(*right.headers, *headers))


POINTERS: Final = f"{STORE}assets/"
OBJECTS: Final = f"{STORE}sha256/"
ZIPPED: Final = ("Content-Encoding", "gzip")
ROWS: Final[Mapping[str, Row]] = {
    "an ETag that never changes": Row(lie=tagged('"same"', "GET", "HEAD", "PUT"), old=True),
    "a weak ETag": Row(lie=tagged('W/"{}"', "GET", "HEAD", "PUT"), old=True),
    "no ETag": Row(lie=tagged("", "GET", "HEAD", "PUT"), old=True),
    "HEAD gives another ETag than is compared": Row(lie=tagged('"{}-gzip"', "HEAD"), old=True),
    "HEAD says that nothing is there": Row(lie=on("HEAD", POINTERS, lambda _: Reply(status=404)), old=True),
    "HEAD says that something is there": Row(lie=on("HEAD", POINTERS, lambda _: Reply(headers=(("ETag", '"x"'),)))),
    "HEAD is not allowed": Row(lie=on("HEAD", POINTERS, lambda _: Reply(status=405))),
    "a cache that serves the old one": Row(lie=served(lambda right: replace(right, body=OLD)), old=True),
    "a cache that serves another right one": Row(lie=served(lambda right: replace(right, body=saved(sign(), "PNG")))),
    "a cache that keeps an absence": Row(lie=served(lambda _: Reply(status=404))),
    "a cache that answers a part": Row(lie=served(lambda right: replace(right, status=206, body=right.body[:900]))),
    "a cache that says not modified": Row(lie=served(lambda _: Reply(status=304))),
    "200 and nothing": Row(lie=served(lambda _: Reply())),
    "200 and an error page": Row(lie=served(lambda _: page_reply("<h1>502 Bad Gateway</h1>"))),
    "200 and a page to sign in": Row(lie=served(lambda _: LOGIN)),
    "a redirect to a page to sign in": Row(lie=served(lambda _: TO_LOGIN)),
    "500 with the right bytes": Row(lie=served(lambda right: replace(right, status=500))),
    "404 with the right bytes": Row(lie=served(lambda right: replace(right, status=404))),
    "compressed, and says so": Row(lie=served(lambda right: _with(ZIPPED)(_zipped(right))), heals=True),
    "compressed, and does not say so": Row(lie=served(_zipped)),
    "says compressed, and is not": Row(lie=served(_with(ZIPPED))),
    "ends before its length": Row(lie=served(lambda right: replace(right, cut=True))),
    "gives two lengths": Row(lie=served(_with(("Content-Length", "900")))),
    "a store that keeps nothing": Row(lie=keeps(lambda _: None)),
    "a store that keeps half": Row(lie=keeps(lambda body: body[: len(body) // 2])),
    "a store that keeps what was there": Row(lie=keeps(lambda _: OLD, POINTERS), old=True),
    "a store that makes its own of it": Row(lie=keeps(lambda _: saved(photograph(), "PNG", optimize=True), POINTERS)),
    "a store that sends to sign in": Row(lie=on("PUT", STORE, lambda _: TO_LOGIN)),
    "a store that answers an error page with 200": Row(lie=on("PUT", STORE, lambda _: LOGIN)),
    "users see it later": Row(lie=after(2, CDN, Reply(status=404)), heals=True),
    "the store shows it later": Row(lie=after(2, OBJECTS, Reply(status=404)), heals=True),
    "a swap that is done and answered as a conflict": Row(
        lie=on("PUT", POINTERS, lambda _: Reply(status=412)), heals=True
    ),
    "a swap that is done and answered as a failure": Row(
        lie=on("PUT", POINTERS, lambda _: Reply(status=500)), heals=True
    ),
}


@pytest.mark.parametrize("name", ROWS)
async def test_no_lie_of_a_store_or_a_cache_is_a_success_unless_users_got_the_right_bytes(name: str) -> None:
    row = ROWS[name]
    async with workshop(file_reply(PICTURE), media=Judge(), calls=1, verify="PT3S") as shop:
        given: list[bytes] = []
        pointer = shop.assets.pointer(shop.task(missing_image()).failure.org_id)
        if row.old:
            shop.assets.files[pointer] = OLD

        def answers(seen: Seen, right: Reply) -> Reply:
            reply = row.lie(shop.assets, seen, right)
            if seen.path.startswith(CDN) and reply.status == 200 and not reply.cut:
                given.append(reply.body)
            return reply

        shop.assets.answers = answers
        ended = await healed_in_the_end(shop)
        assert ended == row.heals
        right = {PICTURE, gzip.compress(PICTURE)} if "compressed" in name else {PICTURE}
        assert not ended or right & set(given), "healed, and users were never given it"


async def healed_in_the_end(shop: Workshop) -> bool:
    """Go on as long as the heal is suspended, as the service does."""
    given = shop.task(missing_image())
    ended = await shop.strategy.heal(given, shop.gate)
    for _ in range(20):
        if not isinstance(ended, Suspended):
            return isinstance(ended, Healed)
        ended = await shop.go_on(given, ended.state)  # type: ignore[arg-type]
    raise AssertionError(f"it never ends: {ended}")


@pytest.mark.parametrize("name", ["a cache that serves the old one", "200 and nothing", "a cache that answers a part"])
async def test_a_read_back_that_believes_whatever_it_gets_has_its_lie_believed(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def believes(*_: object) -> bool:
        return True

    monkeypatch.setattr(read_back, "_is", believes)
    monkeypatch.setattr(Judge, "validate", _sees_the_right_one)
    with pytest.raises(AssertionError):
        await test_no_lie_of_a_store_or_a_cache_is_a_success_unless_users_got_the_right_bytes(name)


async def _sees_the_right_one(_: Judge, content: bytes, expected: MediaExpectation, *, of: OrgId) -> MediaVerdict:
    del content, of
    return validate(PICTURE, expected)
