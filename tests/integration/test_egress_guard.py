"""The egress guard against every spelling of a forbidden place, beside a client without it that reaches them."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest

from consumer.catalog import Host, WorkflowPolicy
from consumer.model.call import Answer, EgressRefused, NotSent, OutboundRequest
from consumer.outbound.calls import open_calls
from tests.support.patience import PATIENCE
from tests.support.worlds.egress_ground import forbidden_ground, guarded, tls, unguarded
from tests.support.worlds.http_world import http_world, json_reply
from tests.support.worlds.name_server import name_server

ADDRESSES = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "169.254.170.2", "168.63.129.16", "100.64.0.1", "100.100.100.200", "192.0.0.8"),
    *("192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1"),
    *("240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1"),
    *("::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b::8.8.8.8", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:7f00:1::", "2001:db8::1", "2001:10::1", "2001:1::1"),
    *("2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1"),
    *(
        "fe80::1%1",
        "2606:4700::1111%1",
        "fec0::1",
        "ff02::1",
        "100::1",
        "100:0:0:1::1",
        "3fff::1",
        "5f00::1",
        "4000::1",
    ),
)
"""Where the names of the table lead."""
LOCAL_FORMS = (
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7F.1", "0x7f.0x0.0x0.0x1", "017700000001"),
    *("0177.1", "0", "0.0.0.0", "00.0.0.0", "0x0", "localhost", "LOCALHOST", "localhost.", "127.0.0.1."),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::FFFF:127.0.0.1]"),
    *("127\u30020\u30020\u30021", "127\uff0e0\uff0e0\uff0e1", "127\uff610\uff610\uff611", "\uff4cocalhost"),
)
"""Spellings of this machine, as its own resolver and other readers of URLs understand them."""
FORMS = (
    *(f"http://{form}/" for form in LOCAL_FORMS),
    *("http://[::1]/", "http://[::]/", "http://[::127.0.0.1]/", "http://[0:0:0:0:0:0:0:1]/", "http://[fe80::1%25lo]/"),
    *("http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[fd00:ec2::254]/", "http://[::1]80/"),
    *(
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://0xA9FEA9FE/",
        "http://0251.0376.43518/",
    ),
    *(
        "http://[::ffff:a9fe:a9fe]/",
        "http://metadata.google.internal/",
        "http://instance-data/",
        "http://100.100.100.200/",
    ),
    *("http://printer.local/", "http://db.internal/", "http://127.0.0.1.nip.test/", "http://app.localhost/"),
    *("http://ip6-localhost/", "http://ip6-loopback/", "http://under_score.internal/", "http://xn--80ak6aa92e.test/"),
    *("http://api.example.com@127.0.0.1/", "http://api.example.com:80@127.0.0.1/", "http://@127.0.0.1/"),
    *("http://127.0.0.1#@api.example.com/", "http://127.0.0.1?@api.example.com/", "http://127.0.0.1/@api.example.com"),
    *("http://127.0.0.1\\@api.example.com/", "http://api.example.com\\@127.0.0.1/", "http://a@b@127.0.0.1/"),
    *("http://127.0.0.1:80\\@api.example.com:80/", "http://api.example.com%40127.0.0.1/", "http://%31%32%37.0.0.1/"),
    *("http://127.0.0.1%2f.example.com/", "http://127.0.0.1%00.example.com/", "http://127.0.0.1 .example.com/"),
    *("http://127.0.0.1\t/", "http://127.0.0.1\r\nHost:api.example.com/", "\thttp://127.0.0.1/", "http://127.0.0.1\n/"),
    *(
        "http://loc\u00adalhost/",
        "http://local\u200dhost/",
        "http://\u24db\u24deca\u24dbhost/",
        "http://\u2460\u2461\u2466.1/",
    ),
    *("http://\uff11\uff12\uff17.0.0.1/", "http://127.0.0.1../", "http://localhost../", "http://.localhost/"),
    *(
        "http://127..1/",
        "http://127.0.0.1:80:80/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65616/",
        "http://127.0.0.1:/",
    ),
    *("http://127.0.0.1:080/", "http://127.0.0.1:+80/", "http://127.0.0.1:\uff18\uff10/", "http://127.0.0.1:8_0/"),
    *("HTTP://127.0.0.1/", "hTtP://localhost/", "//127.0.0.1/", "http:127.0.0.1/", "http:/127.0.0.1/"),
    *("ftp://127.0.0.1/", "gopher://127.0.0.1:80/_GET", "file:///etc/passwd", "file://127.0.0.1/", "ws://127.0.0.1/"),
    *("javascript:alert(1)", "data:text/plain,x", "dict://127.0.0.1:80/", "unix:///run/docker.sock", "http+unix://x/"),
    *("http://host.docker.internal/", "http://kubernetes.default.svc/", "http://consul.service/", "http://[::ffff:0/"),
)
NAMES: dict[str, Sequence[str]] = {
    **{f"n{n}.evil.test": (address,) for n, address in enumerate(ADDRESSES)},
    **dict.fromkeys(
        ("127.0.0.1.nip.test", "app.localhost", "ip6-localhost", "ip6-loopback", "under_score.internal"), ("127.0.0.1",)
    ),
    **dict.fromkeys(("printer.local", "db.internal", "host.docker.internal", "consul.service"), ("10.0.0.7",)),
    **dict.fromkeys(("metadata.google.internal", "instance-data"), ("169.254.169.254",)),
    "kubernetes.default.svc": ("fd00::1",),
    "xn--80ak6aa92e.test": ("192.168.0.9",),
    "api.example.com": ("93.184.216.34",),
    "mixed.evil.test": ("93.184.216.34", "10.0.0.1"),
    "mixed6.evil.test": ("2606:4700::1111", "93.184.216.34", "::ffff:127.0.0.1"),
}
URLS = (
    *FORMS,
    *(f"http://n{n}.evil.test/" for n in range(len(ADDRESSES))),
    *("http://mixed.evil.test/", "http://mixed6.evil.test/"),
)
USUAL = Host(host="api.example.com", ports=(80,), schemes=("http",))


def catalogs(url: str) -> list[WorkflowPolicy]:
    """What operators may have written: the usual, with one public host; and the very host of the URL, carelessly."""
    try:
        host = Host(host=httpx2.URL(url).host, ports=(80,), schemes=("http", "https"))
    except (httpx2.InvalidURL, ValueError):
        return [WorkflowPolicy(name="*", hosts=(USUAL,))]
    return [WorkflowPolicy(name="*", hosts=(USUAL,)), WorkflowPolicy(name="*", hosts=(USUAL, host))]


async def test_no_spelling_of_a_forbidden_place_is_reached_where_a_client_without_the_guard_reaches_most() -> None:
    async with forbidden_ground(NAMES) as (world, network):
        leaked = [url for url in URLS if await unguarded(url, network) is not None]
        control = len(world.seen)
        network.dialled.clear()
        passed = [
            (url, network.dialled[-1:])
            for url in URLS
            for allowed in catalogs(url)
            if not isinstance(await guarded(url, allowed, network), EgressRefused | NotSent)
        ]
        assert passed == []
        assert network.dialled == []
        assert len(world.seen) == control, "the forbidden server was reached"
    assert len(URLS) >= 150
    assert control == len(leaked) >= 110, "a control that reaches nothing proves nothing"


@pytest.mark.parametrize("form", LOCAL_FORMS)
async def test_this_machine_is_not_reached_by_its_real_resolver_and_sockets_either(form: str) -> None:
    async with http_world() as world:
        world.on("/", json_reply({}))
        url = f"http://{form}:{world.port}/"
        async with httpx2.AsyncClient(verify=tls(), trust_env=False) as plain:
            try:
                reached = (await plain.get(url)).status_code
            except (httpx2.HTTPError, httpx2.InvalidURL):
                reached = None
        control = len(world.seen)
        assert control == (reached is not None)
        hosts = tuple(
            Host(host=name, ports=(world.port,), schemes=("http",))
            for name in {"127.0.0.1", "localhost", form.strip("[]"), form.lower()}
        )
        result = await guarded(url, WorkflowPolicy(name="*", hosts=hosts))
        assert isinstance(result, EgressRefused | NotSent)
        assert len(world.seen) == control


async def test_the_plain_client_reaches_this_machine_by_most_of_these_spellings() -> None:
    reached = []
    async with http_world() as world, httpx2.AsyncClient(verify=tls(), trust_env=False) as plain:
        world.on("/", json_reply({}))
        for form in LOCAL_FORMS:
            try:
                await plain.get(f"http://{form}:{world.port}/")
                reached.append(form)
            except (httpx2.HTTPError, httpx2.InvalidURL):
                continue
        assert len(reached) == len(world.seen) >= 15


def rule(host: str, *ports: int, scheme: str = "http", addresses: tuple[str, ...] = ()) -> Host:
    return Host.model_validate({"host": host, "ports": ports or (80,), "schemes": (scheme,), "addresses": addresses})


ALLOWED: tuple[tuple[str, Host, Sequence[str], str], ...] = (
    ("http://api.example.com/", rule("api.example.com"), ["93.184.216.34"], "93.184.216.34"),
    ("HTTP://API.EXAMPLE.COM/", rule("api.example.com"), ["93.184.216.34"], "93.184.216.34"),
    ("http://api.example.com", rule("API.example.com"), ["93.184.216.34"], "93.184.216.34"),
    ("http://api.example.com:80/", rule("api.example.com"), ["93.184.216.34"], "93.184.216.34"),
    ("http://api.example.com:/", rule("api.example.com"), ["93.184.216.34"], "93.184.216.34"),
    ("http://api.example.com:8080/", rule("api.example.com", 8080), ["93.184.216.34"], "93.184.216.34"),
    ("http://api.example.com:443/", rule("api.example.com", 443), ["93.184.216.34"], "93.184.216.34"),
    ("http://a.b.example.com/", rule("*.example.com"), ["1.1.1.1"], "1.1.1.1"),
    ("http://a_b.example.com/", rule("*.example.com"), ["1.1.1.1"], "1.1.1.1"),
    ("http://4u.example.com/", rule("*.example.com"), ["1.1.1.1"], "1.1.1.1"),
    ("http://10.example.com/", rule("*.example.com"), ["1.1.1.1"], "1.1.1.1"),
    ("http://b\u00fccher.example/", rule("b\u00fccher.example"), ["8.8.8.8"], "8.8.8.8"),
    ("http://xn--bcher-kva.example/", rule("b\u00fccher.example"), ["8.8.8.8"], "8.8.8.8"),
    ("http://B\u00dcCHER.example/", rule("xn--bcher-kva.example"), ["8.8.8.8"], "8.8.8.8"),
    ("http://\u65e5\u672c.example/", rule("\u65e5\u672c.example"), ["8.8.8.8"], "8.8.8.8"),
    ("http://8.8.8.8/", rule("8.8.8.8"), ["8.8.8.8"], "8.8.8.8"),
    ("http://[2606:4700::1111]/", rule("2606:4700::1111"), ["2606:4700::1111"], "2606:4700::1111"),
    ("http://[2606:4700:0:0::1111]/", rule("[2606:4700::1111]"), ["2606:4700::1111"], "2606:4700::1111"),
    ("http://v6.example/", rule("v6.example"), ["2a00:1450:4001::200e"], "2a00:1450:4001::200e"),
    ("http://v6.example/", rule("v6.example"), ["2001:200::1"], "2001:200::1"),
    ("http://v6.example/", rule("v6.example"), ["2001:4860:4860::8888", "8.8.8.8"], "2001:4860:4860::8888"),
    ("http://mapped.example/", rule("mapped.example"), ["::ffff:8.8.8.8"], "8.8.8.8"),
    ("http://edge.example/", rule("edge.example"), ["172.32.0.1"], "172.32.0.1"),
    ("http://edge.example/", rule("edge.example"), ["100.128.0.1"], "100.128.0.1"),
    ("http://edge.example/", rule("edge.example"), ["192.0.1.1"], "192.0.1.1"),
    ("http://edge.example/", rule("edge.example"), ["198.20.0.1"], "198.20.0.1"),
    ("http://edge.example/", rule("edge.example"), ["223.255.255.254"], "223.255.255.254"),
    ("http://edge.example/", rule("edge.example"), ["2003::1"], "2003::1"),
    ("http://edge.example/", rule("edge.example"), ["11.0.0.1"], "11.0.0.1"),
    ("http://ledger.internal/", rule("ledger.internal", addresses=("10.20.0.0/16",)), ["10.20.3.4"], "10.20.3.4"),
    ("http://ledger.internal/", rule("ledger.internal", addresses=("fd00:1::/32",)), ["fd00:1::5"], "fd00:1::5"),
    ("http://localhost/", rule("localhost", addresses=("127.0.0.0/8", "::1/128")), ["::1", "127.0.0.1"], "::1"),
    ("http://vm.test/", rule("vm.test", addresses=("169.254.169.254/32",)), ["169.254.169.254"], "169.254.169.254"),
    ("http://nat.test/", rule("nat.test", addresses=("64:ff9b::/96",)), ["64:ff9b::808:808"], "64:ff9b::808:808"),
    ("http://dot.internal./", rule("dot.internal."), ["8.8.8.8"], "8.8.8.8"),
    ("http://api.example.com/?to=http://127.0.0.1/@x", rule("api.example.com"), ["8.8.8.8"], "8.8.8.8"),
    ("http://api.example.com/a%2f%40b#frag@x", rule("api.example.com"), ["8.8.8.8"], "8.8.8.8"),
    ("http://api.example.com/?mail=a@b.example", rule("api.example.com"), ["8.8.8.8"], "8.8.8.8"),
)


@pytest.mark.parametrize(("url", "allowed", "resolved", "dialled"), ALLOWED)
async def test_what_the_catalog_allows_is_reached(
    url: str, allowed: Host, resolved: Sequence[str], dialled: str
) -> None:
    async with forbidden_ground() as (world, network):
        world.scripts = {path: lambda *_: json_reply({}) for path in ("/", "/a%2f%40b")}
        name = httpx2.URL(url).raw_host.decode()
        network.names = {name: resolved}
        result = await guarded(url, WorkflowPolicy(name="*", hosts=(allowed,)), network)
        assert isinstance(result, Answer), result
        assert result.status == 200
        assert [address for address, _ in network.dialled] == [dialled]


ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("asking", "reached"), [(ONE, True), (OTHER, False), (None, False)], ids=["listed", "another", "nobody"]
)
async def test_an_organisation_reaches_only_the_hosts_that_are_listed_for_it(
    asking: UUID | None, *, reached: bool
) -> None:
    theirs = Host(host="partner.test", ports=(80,), schemes=("http",), organisations=(ONE,))
    allowed = WorkflowPolicy(name="*", hosts=(USUAL, theirs))
    async with forbidden_ground({"partner.test": ["8.8.8.8"], **NAMES}) as (_, network):
        request = OutboundRequest(method="GET", url="http://partner.test/", org_id=asking)
        result = await guarded(request, allowed, network)
        assert isinstance(result, Answer if reached else EgressRefused)
        assert bool(network.dialled) is reached
        shared = OutboundRequest(method="GET", url="http://api.example.com/", org_id=asking)
        assert isinstance(await guarded(shared, allowed, network), Answer)


async def test_a_network_that_is_allowed_to_one_organisation_is_no_others() -> None:
    inside = {"ports": (80,), "schemes": ("http",), "host": "both.test"}
    mine = Host.model_validate(inside | {"addresses": ("10.0.0.0/8",), "organisations": (ONE,)})
    allowed = WorkflowPolicy(name="*", hosts=(mine, Host.model_validate(inside)))
    async with forbidden_ground({"both.test": ["10.0.0.9"]}) as (_, network):
        for asking, kind in ((ONE, Answer), (OTHER, EgressRefused)):
            request = OutboundRequest(method="GET", url="http://both.test/", org_id=asking)
            assert isinstance(await guarded(request, allowed, network), kind)
    assert [address for address, _ in network.dialled] == ["10.0.0.9"]


async def test_a_name_server_that_changes_its_mind_is_asked_once_and_its_first_word_is_dialled() -> None:
    allowed = WorkflowPolicy(name="*", hosts=(Host(host="rebind.test", ports=(80,), schemes=("http",)),))
    answers: dict[str, tuple[Sequence[str], ...]] = {"rebind.test": (["93.184.216.34"], ["127.0.0.1"])}
    async with forbidden_ground() as (world, network), name_server(answers) as names:
        network.ask = names.resolve
        # The guard that many write: resolve, look, and let the client resolve once more.
        assert await names.resolve("rebind.test", 80) == ["93.184.216.34"]
        assert await unguarded("http://rebind.test/", network) == 200
        assert network.dialled == [("127.0.0.1", 80)]
        assert len(world.seen) == 1

        names.asked.clear()
        network.dialled.clear()
        first = await guarded("http://rebind.test/", allowed, network)
        assert names.asked == {"rebind.test": 1}
        assert network.dialled == [("93.184.216.34", 80)]
        assert isinstance(first, Answer)
        for _ in range(3):
            assert isinstance(await guarded("http://rebind.test/", allowed, network), EgressRefused)
        assert network.dialled == [("93.184.216.34", 80)]
        assert isinstance(
            await guarded("http://gone.test/", WorkflowPolicy(name="*", hosts=(rule("gone.test"),)), network), NotSent
        )


async def test_the_system_is_asked_for_a_name_once_and_never_for_the_address_that_is_dialled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, really = [], socket.getaddrinfo

    def noting(host: str, *args: object, **kwargs: object) -> object:
        asked.append(host)
        return really(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", noting)
    async with http_world() as world:
        world.on("/", json_reply({}))
        allowed = WorkflowPolicy(name="*", hosts=(rule("localhost", world.port, addresses=("127.0.0.0/8", "::1/128")),))
        assert isinstance(await guarded(world.url("/", "localhost"), allowed), Answer)
    assert asked == ["localhost"]


async def test_names_whose_server_is_silent_hold_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    over, really = threading.Event(), socket.getaddrinfo

    def silent(host: str, *args: object, **kwargs: object) -> object:
        if host.endswith("silent.test"):
            over.wait(PATIENCE)
        return really(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    allowed = WorkflowPolicy(name="*", hosts=(rule("*.silent.test"),))
    try:
        async with open_calls({}) as calls, http_world() as world:
            world.on("/", json_reply({}))
            asked = (OutboundRequest(method="GET", url=f"http://n{n}.silent.test/") for n in range(40))
            given_up = await asyncio.gather(
                *(calls.send(one, allowed, within=timedelta(seconds=0.3), max_bytes=1) for one in asked)
            )
            assert {result.kind for result in given_up if isinstance(result, NotSent)} == {"ConnectTimeout"}
            # Its threads are all still waiting; the loop's own, and further questions, are not.
            async with asyncio.timeout(PATIENCE):
                await asyncio.get_running_loop().getaddrinfo("localhost", 1)
                request = OutboundRequest(method="GET", url=world.url("/", "localhost"))
                local = WorkflowPolicy(
                    name="*", hosts=(rule("localhost", world.port, addresses=("127.0.0.0/8", "::1/128")),)
                )
                result = await calls.send(request, local, within=timedelta(seconds=9), max_bytes=100)
            assert isinstance(result, Answer)
    finally:
        over.set()
