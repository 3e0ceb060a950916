"""Credentials by reference: where they go, and that no answer, error or log carries them further."""

import base64
import html
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from urllib.parse import quote, quote_plus
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.catalog import Secret
from consumer.model.call import Answer, EgressRefused, NotSent, OutboundRequest
from consumer.outbound.calls import open_calls
from consumer.outbound.echoes import Echoes
from tests.support.healing import policy
from tests.support.worlds.egress_ground import LIMIT, guarded
from tests.support.worlds.http_world import Reply, World, http_world, json_reply

SECRET = 's3cr3t/of+the "host"=<&\'\\>'
NAME = "TEST_EGRESS_KEY"
DECLARED = {"KEY": Secret(env=NAME, hosts=("127.0.0.1",), methods="*", paths="*", headers="*")}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda text: quote(text, safe=""),
    "percent, lower case": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%2B", "%2b").lower(),
    "path": quote,
    "form": quote_plus,
    "json": lambda text: json.dumps(text)[1:-1],
    "json, slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "json in json": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "json for pages": lambda text: json.dumps(text)[1:-1].translate({ord(c): f"\\u{ord(c):04x}" for c in "<>&"}),
    "json, all": lambda text: (
        json.dumps(text)[1:-1].translate({ord(c): f"\\u{ord(c):04X}" for c in "<>&'+`"}).replace('\\"', "\\u0022")
    ),
    "html": html.escape,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 behind others": lambda text: base64.b64encode(b"user:" + text.encode()).decode(),
    "base64 between others": lambda text: base64.b64encode(b"1234567:" + text.encode() + b"::").decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(b"a:" + text.encode()).decode().rstrip("="),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "json, each sign": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "json, each sign in capitals": lambda text: "".join(f"\\U00{ord(c):02X}".replace("U", "u") for c in text),
    "json, every third sign": lambda text: "".join(
        f"\\u{ord(c):04X}" if n % 3 == 0 else json.dumps(c)[1:-1] for n, c in enumerate(text)
    ),
    "json in json, each sign": lambda text: "".join(f"\\\\u{ord(c):04x}" for c in text),
    "percent, each sign": lambda text: "".join(f"%{ord(c):02x}" for c in text),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "html, each sign": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "html, each sign in hex": lambda text: "".join(f"&#x{ord(c):X};" for c in text),
    "quoted-printable": lambda text: "".join(f"={ord(c):02X}" for c in text),
    "a string of Python": lambda text: "".join(f"\\x{ord(c):02x}" for c in text),
    "capitals": str.upper,
    "a list of bytes": lambda text: ",".join(map(str, text.encode())),
    "a list of bytes, spaced": lambda text: ", ".join(map(str, text.encode())),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base32 between others": lambda text: base64.b32encode(b"abc" + text.encode() + b"d").decode(),
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_an_echo_of_a_credential_is_taken_out_however_it_is_spelled(
    world: World, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    spelled = SPELLINGS[spelling]
    secret = SECRET.lower() if "lower" in spelling else SECRET
    monkeypatch.setenv(NAME, secret)
    world.on(
        "/",
        lambda _, seen: Reply(
            body=f"before {spelled(seen.headers['x-key'])} after".encode(),
            headers=(("X-Echo", spelled(seen.headers["x-key"])),),
        ),
    )
    request = OutboundRequest(method="GET", url=world.url("/"), headers=(("X-Key", "secret://KEY"),))
    result = await guarded(request, policy(world.port, secrets=("KEY",)), secrets=DECLARED)
    assert world.seen[0].headers["x-key"] == secret
    assert isinstance(result, Answer)
    told = result.body.decode() + (result.header("x-echo") or "")
    assert spelled(secret) not in told
    assert told.count("secret://KEY") == 2
    assert result.body.startswith(b"before ")
    assert result.body.endswith(b" after")


@settings(max_examples=200)
@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=64),
    spelling=st.sampled_from([name for name in SPELLINGS if "lower" not in name]),
    before=st.text(st.characters(codec="ascii"), max_size=9),
)
def test_no_spelling_of_any_credential_stays(secret: str, spelling: str, before: str) -> None:
    spelled = SPELLINGS[spelling](secret)
    told = Echoes({"KEY": secret}).taken_out(f"{before}|{spelled}|".encode())
    assert spelled.encode() not in told.replace(b"secret://KEY", b"\n")


def test_of_two_credentials_of_which_one_begins_like_the_other_nothing_stays() -> None:
    echoes = Echoes({"SHORT": "abcdef", "LONG": "abcdefghijkl"})
    assert echoes.taken_out(b"abcdefghijkl abcdef") == b"secret://LONG secret://SHORT"


async def test_the_two_halves_of_basic_authentication_are_taken_out_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, base64.b64encode(b"user:hunter2-the-password").decode())
    world.on("/", json_reply({"you": "user:hunter2-the-password", "password": "hunter2-the-password"}))
    request = OutboundRequest(method="GET", url=world.url("/"), headers=(("Authorization", "Basic secret://KEY"),))
    result = await guarded(request, policy(world.port, secrets=("KEY",)), secrets=DECLARED)
    assert isinstance(result, Answer)
    assert b"hunter2" not in result.body


@pytest.mark.parametrize("cut", range(6, len("s3cr3t-of-the-host-1234")))
async def test_a_body_that_is_cut_within_a_credential_keeps_no_part_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    secret = "s3cr3t-of-the-host-1234"
    monkeypatch.setenv(NAME, secret)
    world.on("/", Reply(body=b"x" * 100 + secret.encode() * 2))
    request = OutboundRequest(method="GET", url=world.url("/"), headers=(("X-Key", "secret://KEY"),))
    result = await guarded(request, policy(world.port, secrets=("KEY",)), secrets=DECLARED, max_bytes=100 + cut)
    assert isinstance(result, Answer)
    assert result.truncated
    assert result.body == b"x" * 100


@pytest.mark.parametrize("org", [UUID(int=1), UUID(int=2), None])
async def test_a_credential_is_named_only_by_the_organisations_it_is_listed_for(
    world: World, monkeypatch: pytest.MonkeyPatch, org: UUID | None
) -> None:
    monkeypatch.setenv(NAME, SECRET)
    world.on("/", json_reply({}))
    declared = {
        "KEY": Secret(env=NAME, hosts=("127.0.0.1",), organisations=(UUID(int=1),), methods="*", paths="*", headers="*")
    }
    request = OutboundRequest(method="GET", url=world.url("/"), headers=(("X-Key", "secret://KEY"),), org_id=org)
    result = await guarded(request, policy(world.port, secrets=("KEY",)), secrets=declared)
    assert isinstance(result, Answer if org == UUID(int=1) else EgressRefused)
    assert len(world.seen) == (org == UUID(int=1))


async def test_a_reference_counts_in_header_values_and_nowhere_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, SECRET)
    world.on("/", json_reply({}))
    allowed = policy(world.port, secrets=("KEY",))
    plain = OutboundRequest(method="POST", url=world.url("/"), body=b'{"k": "secret://KEY"}')
    assert isinstance(await guarded(plain, allowed, secrets=DECLARED), Answer)
    assert world.seen[0].body == plain.body
    for broken in (
        replace(plain, url=world.url("/?k=secret://KEY")),
        replace(plain, url=world.url("/secret://KEY")),
        replace(plain, headers=(("secret://KEY", "x"),)),
    ):
        assert isinstance(await guarded(broken, allowed, secrets=DECLARED), EgressRefused)
    assert len(world.seen) == 1


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", (("X-A", "one\r\nX-B: two"),)),
        ("GET", (("X-A: b\r\nX-B", "two"),)),
        ("GET", (("X-A", "nul\0"),)),
        ("GET", (("X-A", "half \ud800"),)),
        ("GET", (("\u00e4", "x"),)),
        ("GET", (("", "x"),)),
        ("GET / HTTP/1.1\r\nX: y\r\n\r\nGET", ()),
        ("", ()),
        ("connect", ()),
        ("POST", (("X-HTTP-Method-Override", "DELETE"),)),
        ("POST", (("x_http_method_override", "DELETE"),)),
        ("POST", (("X-Original-URL", "/admin"),)),
        ("POST", (("X-Rewrite-Url", "/admin"),)),
        ("Trace", ()),
    ],
)
async def test_what_would_break_out_of_its_place_in_the_message_is_refused(
    world: World, method: str, headers: tuple[tuple[str, str], ...]
) -> None:
    request = OutboundRequest(method=method, url=world.url("/"), headers=headers)
    assert isinstance(await guarded(request, policy(world.port)), EgressRefused)
    assert world.seen == []


async def test_the_framing_and_the_encoding_of_a_message_are_taken_from_no_event(world: World) -> None:
    world.on("/", json_reply({}))
    names = (
        "Accept-Encoding",
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Connection",
        "Upgrade",
        "Proxy-Authorization",
    )
    request = OutboundRequest(method="GET", url=world.url("/"), headers=tuple((name, "br") for name in names))
    assert isinstance(await guarded(request, policy(world.port)), Answer)
    (seen,) = world.seen
    assert "br" not in seen.headers.values()
    assert seen.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("reply", [Reply(drop=True), Reply(body=b"x" * 99, cut=True), Reply(body=b"{"), None])
async def test_a_credential_stands_in_no_result_representation_or_log_whatever_goes_wrong(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, reply: Reply | None
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "s3cr3t-of-the-host-1234"
    monkeypatch.setenv(NAME, secret)
    world.on("/", reply or Reply(body=b"no gzip " + secret.encode(), headers=(("Content-Encoding", "gzip"),)))
    request = OutboundRequest(method="GET", url=world.url("/"), headers=(("Authorization", "Bearer secret://KEY"),))
    async with open_calls(DECLARED) as calls:
        result = await calls.send(request, policy(world.port, secrets=("KEY",)), within=LIMIT, max_bytes=1000)
    assert world.seen[0].headers["authorization"] == f"Bearer {secret}"
    assert secret not in repr((request, result, vars(calls))) + caplog.text
    monkeypatch.setenv(NAME, secret + "\nX-Injected: 1")
    async with open_calls(DECLARED) as calls:
        refused = await calls.send(request, policy(world.port, secrets=("KEY",)), within=LIMIT, max_bytes=1000)
    assert isinstance(refused, EgressRefused | NotSent)
    assert secret not in repr(refused) + caplog.text


@pytest.mark.parametrize("spelling", ["plain", "json, each sign", "html, each sign in hex", "base64"])
@pytest.mark.parametrize("before", [0, 64 * 1024 - 300, 64 * 1024 - 1, 64 * 1024, 128 * 1024 - 40])
async def test_an_echo_in_a_large_body_is_taken_out_wherever_it_lies(spelling: str, before: int) -> None:
    spelled = SPELLINGS[spelling](SECRET).encode()
    body = b"." * before + spelled + b"." * 70_000 + spelled + spelled + b"." * 70_000
    told = await Echoes({"KEY": SECRET}).taken_out_of_body(body, cut=False)
    assert told == Echoes({"KEY": SECRET}).taken_out(body)
    assert spelled not in told
    assert told.count(b"secret://KEY") == 3


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be"])
async def test_an_echo_in_another_encoding_of_characters_is_taken_out(charset: str) -> None:
    told = await Echoes({"KEY": SECRET}).taken_out_of_body(f"before {SECRET} after".encode(charset), cut=False)
    assert SECRET not in told.decode(charset, "replace")


@pytest.mark.parametrize("name", ["Transfer_Encoding", "transfer-encoding", "Content_Length", "Proxy_Authorization"])
async def test_what_belongs_to_the_connection_is_never_taken_from_an_event_however_it_is_spelled(
    world: World, name: str
) -> None:
    world.on("/", json_reply({}))
    request = OutboundRequest(method="POST", url=world.url("/"), headers=((name, "chunked"),), body=b"{}")
    assert isinstance(await guarded(request, policy(world.port)), Answer)
    assert world.seen[0].body == b"{}"
    assert "chunked" not in {value for key, value in world.seen[0].headers.items() if key != "content-type"}
