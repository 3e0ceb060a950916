"""Redirects through the guard, from servers that really redirect, beside a client that follows them all."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from typing import Final
from uuid import UUID

import httpx2
import pytest

from consumer.catalog import Host, Secret, WorkflowPolicy
from consumer.model.call import Ambiguous, Answer, OutboundRequest
from consumer.outbound.allowed_hosts import Target, target_of
from consumer.outbound.redirects import NotFollowed, next_call
from tests.support.worlds.egress_ground import forbidden_ground, guarded, tls
from tests.support.worlds.http_world import Reply, World, http_world, json_reply

LOCAL: Final = ip_network("127.0.0.0/8")
SECRET: Final = "s3cr3t-of-the-first-host"


@dataclass(frozen=True, slots=True)
class Two:
    """A host whose redirects may be followed, and a server beside it that is in nobody's catalog."""

    listed: World
    forbidden: World

    def redirects(self, place: str, status: int = 302, path: str = "/") -> None:
        where = place.replace("LISTED", str(self.listed.port)).replace("FORBIDDEN", str(self.forbidden.port))
        # The server writes latin-1; what is more than that goes out as the UTF-8 that servers send.
        raw = where.encode().decode("latin-1")
        self.listed.on(path, Reply(status=status, headers=(("Location", raw),)))

    def policy(self, *more: Host, redirects: int = 3, secrets: tuple[str, ...] = ()) -> WorkflowPolicy:
        first = Host(
            host="127.0.0.1",
            ports=(self.listed.port,),
            schemes=("http",),
            addresses=(LOCAL,),
            redirects=redirects,
        )
        return WorkflowPolicy(name="*", hosts=(first, *more), secrets=secrets)


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    async with http_world() as listed, http_world() as forbidden:
        for path in ("/", "/inner", "/evil"):
            forbidden.on(path, json_reply({"inside": "of the house"}))
        yield Two(listed, forbidden)


REACHABLE = (
    *(
        "http://127.0.0.1:FORBIDDEN/",
        "//127.0.0.1:FORBIDDEN/",
        "http://127.1:FORBIDDEN/",
        "http://localhost:FORBIDDEN/",
    ),
    *("http://2130706433:FORBIDDEN/", "http://0x7f.1:FORBIDDEN/", "http://0:FORBIDDEN/inner", "//localhost:FORBIDDEN/"),
    *(
        "http://[::ffff:127.0.0.1]:FORBIDDEN/",
        "http://[0:0:0:0:0:ffff:7f00:1]:FORBIDDEN/",
        "HTTP://127.0.0.1:FORBIDDEN/",
    ),
    *("http://127.0.0.1:LISTED@127.0.0.1:FORBIDDEN/", "http://@127.0.0.1:FORBIDDEN/", "//u:p@127.0.0.1:FORBIDDEN/"),
    *(
        "http://127\u30020.0.1:FORBIDDEN/",
        "http://127.0.0.1:FORBIDDEN#@127.0.0.1:LISTED/",
        "http://127.1:FORBIDDEN/?@x",
    ),
)
"""A client that follows redirects ends at the forbidden server by these."""
HARMLESS = (
    *("http://169.254.169.254/latest/", "https://127.0.0.1:LISTED/", "http://127.0.0.1/", "http://[::1]:FORBIDDEN/"),
    *("file:///etc/passwd", "ftp://127.0.0.1:LISTED/", "gopher://127.0.0.1:FORBIDDEN/_x", "javascript:alert(1)"),
    *("http:\\\\127.0.0.1:FORBIDDEN/", "\\\\127.0.0.1:FORBIDDEN/", "http://127.0.0.1:FORBIDDEN\\@127.0.0.1:LISTED/"),
    *("http://127.0.0.1:LISTED\\@127.0.0.1:FORBIDDEN/", "/\t/127.0.0.1:FORBIDDEN/", "http:// 127.0.0.1:FORBIDDEN/"),
    *("", "http://", "http:///", "http://127.0.0.1:99999/", "http://127.0.0.1:0/", "http://[::1/", "http://%31.0.0.1/"),
    *("data:text/html,x", "//", "http://127.0.0.1:LISTED./", "http://\u24db\u24deca\u24dbhost:FORBIDDEN/"),
    *("/?k=secret://KEY", "http://127.0.0.1.:FORBIDDEN/", "http://127.0.0.1:\uff11/"),
)
"""By these it does not, as it is; the guard must not either."""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_out_of_the_catalog_where_a_client_without_the_guard_follows(
    two: Two, status: int
) -> None:
    leaked = []
    for place in (*REACHABLE, *HARMLESS):
        two.redirects(place, status)
        if place in REACHABLE:
            await follows_all(two.listed.url("/"))
            leaked += [place] if two.forbidden.seen else []
        two.forbidden.seen.clear()
        result = await guarded(two.listed.url("/"), two.policy())
        assert isinstance(result, Answer), place
        assert result.status == status, place
        assert result.not_followed is not None, place
        assert two.forbidden.seen == [], place
    assert len(leaked) >= 12, leaked


async def follows_all(url: str) -> None:
    async with httpx2.AsyncClient(verify=tls(), trust_env=False, follow_redirects=True, timeout=5) as plain:
        with suppress(httpx2.HTTPError, httpx2.InvalidURL):
            await plain.get(url)


FOLLOWED = (
    ("/next", "/next"),
    ("next", "/next"),
    ("./a/../next", "/next"),
    ("?page=2", "/?page=2"),
    ("http://127.0.0.1:LISTED/next", "/next"),
    ("HTTP://127.0.0.1:LISTED/next#part", "/next"),
    ("//127.0.0.1:LISTED/next", "/next"),
    ("/mail/a@b.example", "/mail/a@b.example"),
    ("/a?to=http://u@evil/", "/a?to=http://u@evil/"),
)


@pytest.mark.parametrize(("place", "path"), FOLLOWED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_redirect_within_the_catalog_is_followed(two: Two, place: str, path: str, method: str) -> None:
    if path.startswith("/?"):
        two.listed.on("/", Reply(status=302, headers=(("Location", place),)), json_reply({"found": 1}))
    else:
        two.redirects(place)
        two.listed.on(path.partition("?")[0], json_reply({"found": 1}))
    result = await guarded(OutboundRequest(method=method, url=two.listed.url("/")), two.policy())
    assert isinstance(result, Answer)
    assert (result.status, result.not_followed) == (200, None)
    assert [(seen.method, seen.path) for seen in two.listed.seen] == [(method, "/"), (method, path)]


async def test_without_leave_in_the_catalog_no_redirect_is_followed(two: Two) -> None:
    two.redirects("/next")
    result = await guarded(two.listed.url("/"), two.policy(redirects=0))
    assert isinstance(result, Answer)
    assert (result.status, result.not_followed) == (302, None)
    assert len(two.listed.seen) == 1


@pytest.mark.parametrize(
    ("method", "body"),
    [("POST", b"{}"), ("PUT", b"{}"), ("DELETE", None), ("POST", None), ("GET", b"{}"), ("get", None)],
)
@pytest.mark.parametrize("status", [302, 303, 307, 308])
async def test_a_call_that_may_have_an_effect_is_never_made_at_another_place(
    two: Two, method: str, body: bytes | None, status: int
) -> None:
    two.redirects("/next", status)
    result = await guarded(OutboundRequest(method=method, url=two.listed.url("/"), body=body), two.policy())
    assert isinstance(result, Answer)
    assert result.status == status
    assert len(two.listed.seen) == 1


async def test_a_chain_ends_at_the_hosts_limit_and_a_loop_at_its_first_repetition(two: Two) -> None:
    for n in range(9):
        two.redirects(f"/{n + 1}", path=f"/{n}")
    result = await guarded(two.listed.url("/0"), two.policy(redirects=3))
    assert isinstance(result, Answer)
    assert "redirects" in (result.not_followed or "")
    assert [seen.path for seen in two.listed.seen] == ["/0", "/1", "/2", "/3"]
    two.listed.seen.clear()
    two.redirects("/b", path="/a")
    two.redirects("/a", path="/b")
    result = await guarded(two.listed.url("/a"), two.policy(redirects=5))
    assert isinstance(result, Answer)
    assert "back" in (result.not_followed or "")
    assert [seen.path for seen in two.listed.seen] == ["/a", "/b"]


async def test_several_places_are_none(two: Two) -> None:
    two.listed.on("/", Reply(status=302, headers=(("Location", "/one"), ("Location", "/two"))))
    result = await guarded(two.listed.url("/"), two.policy())
    assert isinstance(result, Answer)
    assert result.not_followed is not None
    assert len(two.listed.seen) == 1


def calling(two: Two, path: str = "/") -> OutboundRequest:
    headers = (
        ("Authorization", "Bearer secret://KEY"),
        ("X-Tenant-Key", "t0ken"),
        ("Cookie", "a=b"),
        ("Accept", "text/x"),
        ("Accept-Language", "secret://KEY"),
    )
    return OutboundRequest(method="GET", url=two.listed.url(path), headers=headers)


async def test_credentials_stay_at_their_origin_and_do_not_come_back(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_REDIRECT_KEY", SECRET)
    declared = {"KEY": Secret(env="TEST_REDIRECT_KEY", hosts=("127.0.0.1",), methods="*", paths="*", headers="*")}
    other = Host(host="127.0.0.1", ports=(two.forbidden.port,), schemes=("http",), addresses=(LOCAL,), redirects=5)
    two.redirects("/same")
    two.redirects("http://127.0.0.1:FORBIDDEN/away", path="/same")
    back = Reply(status=307, headers=(("Location", two.listed.url("/back")),))
    two.forbidden.on("/away", back)
    two.listed.on("/back", json_reply({}))
    result = await guarded(calling(two), two.policy(other, redirects=5, secrets=("KEY",)), secrets=declared)
    assert isinstance(result, Answer)
    assert result.status == 200
    (away,) = two.forbidden.seen
    first, same, back_again = two.listed.seen
    assert first.headers["authorization"] == same.headers["authorization"] == f"Bearer {SECRET}"
    for seen in (away, back_again):
        assert not {"authorization", "x-tenant-key", "cookie"} & set(seen.headers)
        assert seen.headers["accept"] == "text/x"
        assert SECRET not in repr(seen)
    assert away.headers["host"] == f"127.0.0.1:{two.forbidden.port}"


async def test_a_name_that_leads_inside_is_not_dialled_after_a_redirect_to_it() -> None:
    async with forbidden_ground({"first.test": ["8.8.8.8"], "inside.test": ["8.8.4.4", "127.0.0.1"]}) as (
        world,
        network,
    ):
        world.on("/", Reply(status=302, headers=(("Location", "http://inside.test/"),)))
        hosts = tuple(
            Host(host=name, ports=(80,), schemes=("http",), redirects=2) for name in ("first.test", "inside.test")
        )
        result = await guarded("http://first.test/", WorkflowPolicy(name="*", hosts=hosts), network)
    assert isinstance(result, Answer)
    assert result.status == 302
    assert "loopback" in (result.not_followed or "")
    assert network.dialled == [("8.8.8.8", 80)]


async def test_a_redirect_from_https_to_http_is_not_followed_even_where_both_are_listed() -> None:
    host = Host(host="api.example.com", ports=(80, 443), schemes=("http", "https"), redirects=5)
    target = target_of("https://api.example.com/", (host,))
    assert isinstance(target, Target)
    request = OutboundRequest(method="GET", url="https://api.example.com/")
    for place, stays in (("http://api.example.com/", True), ("https://api.example.com/x", False)):
        answer = Answer(status=302, headers=(("location", place),), body=b"", truncated=False, elapsed=timedelta(0))
        assert isinstance(next_call(request, target, answer, {request.url}), NotFollowed) is stays


async def test_a_call_that_breaks_after_a_redirect_is_not_taken_for_one_that_was_never_sent(two: Two) -> None:
    async with http_world() as gone:
        port = gone.port
    other = Host(host="127.0.0.1", ports=(port,), schemes=("http",), addresses=(LOCAL,))
    two.redirects(f"http://127.0.0.1:{port}/")
    assert isinstance(await guarded(two.listed.url("/"), two.policy(other)), Ambiguous)


async def test_the_time_of_a_call_is_one_over_all_its_redirects(two: Two) -> None:
    two.redirects("/slow")
    two.listed.on("/slow", Reply(never=True))
    result = await guarded(two.listed.url("/"), two.policy(), within=timedelta(seconds=0.4))
    assert isinstance(result, Ambiguous)
    assert result.elapsed < timedelta(seconds=2)


async def test_an_organisations_redirect_ends_where_another_ones_host_begins(two: Two) -> None:
    other = Host(
        host="127.0.0.1",
        ports=(two.forbidden.port,),
        schemes=("http",),
        addresses=(LOCAL,),
        organisations=(UUID(int=1),),
    )
    two.redirects("http://127.0.0.1:FORBIDDEN/")
    for asking, status in ((UUID(int=1), 200), (UUID(int=2), 302)):
        request = OutboundRequest(method="GET", url=two.listed.url("/"), org_id=asking)
        result = await guarded(request, two.policy(other))
        assert isinstance(result, Answer)
        assert result.status == status
    assert len(two.forbidden.seen) == 1
