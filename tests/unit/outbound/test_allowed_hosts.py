"""Where a heal may connect: the pure half of the guard."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from uuid import UUID

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer.catalog import Host, Secret, WorkflowPolicy
from consumer.model.call import EgressRefused
from consumer.outbound.allowed_hosts import Target, host_matches, target_of
from consumer.outbound.credentials import forbidden_reference, read_credentials, references
from consumer.outbound.forbidden_addresses import _NOT_PUBLIC_V4, _NOT_PUBLIC_V6, Network, denial, parse_address

DENIED = [
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "0.0.0.0", "0.1.2.3"),
    *("169.254.169.254", "169.254.0.1", "168.63.129.16", "100.64.0.1", "100.100.100.200", "192.0.0.8", "192.0.0.192"),
    *("192.0.2.1", "198.51.100.7", "203.0.113.9", "192.88.99.1", "198.18.0.1", "198.19.255.255", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255", "192.31.196.1", "192.52.193.1", "192.175.48.1"),
    *("::", "::1", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1", "2001::1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2001:10::1", "2001:20::1", "fe80::1", "fec0::1"),
    *("feff::1", "fc00::1", "fd00:ec2::254", "ff02::1", "3fff::1", "3fff:fff::1", "5f00::1", "100::1", "4000::1"),
    *("2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "fe80::1%eth0", "2606:4700::1111%eth0"),
    *("100:0:0:1::1", "2001:1::1", "2001:3::1", "2001:4:112::1", "2001:30::1", "2001:1ff:ffff::1", "2620:4f:8000::1"),
    *("::ffff:0:127.0.0.1", "64:ff9b:1:7f00:0:100::", "6000::1", "8000::1", "e000::1", "fe00::1", "fbff::1", "1fff::1"),
    *("192.0.0.9", "192.0.0.170", "198.51.100.255", "203.0.113.0", "100.127.255.255", "169.254.170.2", "172.31.0.1"),
]
PUBLIC = [
    *(
        "8.8.8.8",
        "1.1.1.1",
        "93.184.216.34",
        "172.32.0.1",
        "172.15.255.255",
        "100.128.0.1",
        "100.63.255.255",
        "9.9.9.9",
    ),
    *("11.0.0.1", "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.1", "168.63.129.17", "192.0.1.1"),
    *("192.0.3.1", "192.88.98.1", "192.88.100.1", "192.167.255.255", "192.169.0.1", "198.17.255.255", "198.20.0.1"),
    *("198.51.99.1", "198.51.101.1", "203.0.112.1", "203.0.114.1", "223.255.255.255", "1.0.0.0"),
    *("2606:4700:4700::1111", "2a00:1450::1", "2001:200::1", "2001:4860:4860::8888", "2001:db7::1", "2001:db9::1"),
    *("2003::1", "2620:4f:8001::1", "3ffe::1", "3fff:1000::1", "2400:cb00::1", "2800::1", "2c0f:f248::1"),
]


@pytest.mark.parametrize("address", DENIED)
def test_an_address_that_is_not_public_is_denied(address: str) -> None:
    assert denial(parse_address(address), ()) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert denial(parse_address(address), ()) is None


def test_a_mapped_address_becomes_the_one_that_is_dialled() -> None:
    assert str(parse_address("::ffff:8.8.8.8")) == "8.8.8.8"
    assert denial(parse_address("::ffff:8.8.8.8"), ()) is None


def test_a_listed_network_allows_its_addresses_and_no_others() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/32"))
    assert denial(parse_address("10.1.2.3"), allowed) is None
    assert denial(parse_address("::ffff:10.1.2.3"), allowed) is None
    assert denial(parse_address("fd00:1::5"), allowed) is None
    assert denial(parse_address("10.2.0.1"), allowed) == "private"
    assert denial(parse_address("169.254.169.254"), allowed) is not None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("169.254.169.254", "169.254.0.0/16"),
        ("169.254.170.2", "169.254.170.0/31"),
        ("169.254.169.254", "0.0.0.0/0"),
        ("100.100.100.200", "100.64.0.0/10"),
        ("168.63.129.16", "168.63.129.0/24"),
        ("192.0.0.192", "192.0.0.0/24"),
        ("fd00:ec2::254", "fd00::/8"),
        ("fd20:ce::254", "fc00::/7"),
        ("64:ff9b::a9fe:a9fe", "64:ff9b::/96"),
        ("64:ff9b::7f00:1", "64:ff9b::/96"),
        ("64:ff9b::a00:1", "::/0"),
        ("2002:7f00:1::", "2002::/16"),
        ("2001:0:7f00:1::", "2001::/32"),
        ("2001:0:808:808::80ff:fffe", "2001::/32"),
        ("::127.0.0.1", "::/96"),
        ("fd00::5efe:127.0.0.1", "fd00::/8"),
        ("fd00::200:5efe:169.254.169.254", "fd00::/8"),
    ],
)
def test_a_listed_network_opens_neither_metadata_services_nor_what_is_wrapped_in_its_addresses(
    address: str, network: str
) -> None:
    assert denial(parse_address(address), (ip_network(network),)) is not None
    assert denial(parse_address(address), (ip_network(address),)) is None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("::1", "::/64"),
        ("64:ff9b::808:808", "64:ff9b::/96"),
        ("fd00::1", "fd00::/8"),
        ("fe80::1%eth0", "fe80::/10"),
        ("2002:808:808::1", "2002::/16"),
        ("100.64.0.1", "100.64.0.0/10"),
        ("127.0.0.1", "127.0.0.0/8"),
    ],
)
def test_a_listed_network_opens_all_else_in_it(address: str, network: str) -> None:
    assert denial(parse_address(address), (ip_network(network),)) is None


INSIDE: tuple[Network, ...] = (
    *(network for network, _ in _NOT_PUBLIC_V4),
    *(network for network, _ in _NOT_PUBLIC_V6),
)


def wrapped(inner: IPv4Address) -> list[IPv6Address]:
    """An IPv4 address in each of the ways in which an IPv6 one can carry it."""
    number = int(inner)
    prefixes = ("::ffff:0:0", "::", "64:ff9b::", "::ffff:0:0:0", "2606:4700::5efe:0:0", "2606:4700::200:5efe:0:0")
    tunnels = [0x2002 << 112 | number << 80, 0x20010000 << 96 | number << 64, 0x20010000 << 96 | number ^ 0xFFFFFFFF]
    return [IPv6Address(int(IPv6Address(prefix)) | number) for prefix in prefixes] + [*map(IPv6Address, tunnels)]


@st.composite
def inside(draw: st.DrawFn) -> IPv4Address | IPv6Address:
    network = draw(st.sampled_from(INSIDE))
    return network[draw(st.integers(0, network.num_addresses - 1))]


@given(inside(), st.sampled_from([str, str.upper, lambda text: ip_address(text).exploded]))
def test_any_address_inside_any_special_network_is_denied_in_any_spelling(
    address: IPv4Address | IPv6Address, spelled: Callable[[str], str]
) -> None:
    assert denial(parse_address(spelled(str(address))), ()) is not None
    if isinstance(address, IPv4Address):
        for carrier in (one for one in wrapped(address) if int(one) > 1):  # :: and ::1 carry nothing
            assert denial(parse_address(str(carrier)), ()) is not None
            assert denial(carrier, ()) is not None
            assert denial(carrier, (ip_network("2000::/3"), ip_network("::/3"))) is not None


@given(st.ip_addresses())
def test_what_is_not_denied_is_public_by_the_standard_librarys_table_too(address: IPv4Address | IPv6Address) -> None:
    if denial(address, ()) is None:
        seen = getattr(address, "ipv4_mapped", None) or address
        assert seen.is_global
        assert not any((seen.is_private, seen.is_loopback, seen.is_link_local, seen.is_multicast, seen.is_reserved))


HOSTS = (
    Host(host="api.example.com"),
    Host(host="*.partner.example", ports=(443, 8443)),
    Host(host="plain.example", ports=(80,), schemes=("http",)),
    Host(host="bücher.example"),
    Host(host="8.8.8.8"),
    Host(host="[2606:4700::1111]"),
    Host(host="svc.internal.", addresses=(ip_network("10.0.0.0/8"),)),
)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://api.example.com/v1?x=1#y", "api.example.com", 443),
        ("HTTPS://API.Example.COM/", "api.example.com", 443),
        ("https://a.b.partner.example:8443/", "a.b.partner.example", 8443),
        ("http://plain.example/", "plain.example", 80),
        ("https://bücher.example/", "xn--bcher-kva.example", 443),
        ("https://8.8.8.8/", "8.8.8.8", 443),
        ("https://[2606:4700:0:0::1111]/", "2606:4700::1111", 443),
        ("https://svc.internal./", "svc.internal.", 443),
        ("https://api.example.com/@me", "api.example.com", 443),
    ],
)
def test_a_listed_host_is_allowed(url: str, host: str, port: int) -> None:
    target = target_of(url, HOSTS)
    assert isinstance(target, Target)
    assert (target.host, target.port) == (host, port)
    assert target.url.raw_host.decode() == host


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("https://evil.example/", "not allowed"),
        ("https://partner.example/", "not allowed"),
        ("https://api.example.com.evil.example/", "not allowed"),
        ("https://xapi.example.com/", "not allowed"),
        ("https://api.example.com:8443/", "port 8443"),
        ("http://api.example.com/", "http to port 80"),
        ("http://api.example.com:443/", "http to port 443"),
        ("https://user:pw@api.example.com/", "user name"),
        ("https://@api.example.com/", "user name"),
        ("https://api.example.com@evil.example/", "user name"),
        ("https://evil.example\\@api.example.com/", "backslash"),
        ("ftp://api.example.com/", "http(s)"),
        ("file:///etc/passwd", "http(s)"),
        ("//api.example.com/", "http(s)"),
        ("https:///path", "http(s)"),
        ("https://api.example.com./", "trailing dot"),
        ("https://api.example.com\t/", "whitespace"),
        (" https://api.example.com/", "whitespace"),
        ("https://2130706433/", "notation"),
        ("https://0x7f000001/", "notation"),
        ("https://0x7f.0.0.1/", "notation"),
        ("https://127.1/", "notation"),
        ("https://0177.0.0.1/", "cannot be read"),
        ("https://a.partner.example.127/", "notation"),
        ("https://a..partner.example/", "not a host name"),
        ("https://a%2fb.partner.example/", "not a host name"),
        ("https://-a.partner.example/", "not a host name"),
        ("https://" + "a" * 64 + ".partner.example/", "not a host name"),
        ("https://[::1]/", "not allowed"),
        ("https://[::1", "cannot be read"),
        ("https://api.example.com:99999999/", "cannot be read"),
        ("https://api.example.com:65536/", "cannot be read"),
        ("https://api.example.com:0/", "cannot be read"),
        ("https://api.example.com:-1/", "cannot be read"),
        ("https://api.example.com:+443/", "cannot be read"),
        ("https://api.example.com:4_43/", "cannot be read"),
        ("https://api.example.com:\uff14\uff14\uff13/", "cannot be read"),
        ("https://[2606:4700::1111]443/", "cannot be read"),
        ("https://[fe80::1%25eth0]/", "cannot be read"),
        ("https://api\u3002example.com/", "look-alikes"),
        ("https://api.e\u212aample.com/", "look-alikes"),
        ("https://\uff41pi.example.com/", "cannot be read"),
        ("https://a\u00ad.partner.example/", "control character"),
        ("https://api.example.com\u200b/", "control character"),
        ("https://*.partner.example/", "not a host name"),
        ("https:api.example.com/", "http(s)"),
        ("https:/api.example.com/", "http(s)"),
        ("https://8.8.8.8./", "trailing dot"),
        ("https://134744072/", "notation"),
        ("https://[::ffff:8.8.8.8]/", "not allowed"),
        ("https://api.example.com/?k=secret://KEY", "secret"),
    ],
)
def test_any_other_url_is_refused_with_the_reason(url: str, word: str) -> None:
    refused = target_of(url, HOSTS)
    assert isinstance(refused, EgressRefused)
    assert word in refused.reason
    assert "pw" not in refused.reason


ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize("asking", [OTHER, None])
def test_a_host_that_is_listed_for_others_is_refused_in_the_words_for_one_that_is_not_listed(
    asking: UUID | None,
) -> None:
    hosts = (Host(host="theirs.example", organisations=(ONE,)), Host(host="api.example.com"))
    theirs = target_of("https://theirs.example/", hosts, asking)
    nobodys = target_of("https://nobodys.example/", hosts, asking)
    assert isinstance(theirs, EgressRefused)
    assert isinstance(nobodys, EgressRefused)
    assert theirs.reason.replace("theirs", "nobodys") == nobodys.reason
    assert isinstance(target_of("https://theirs.example/", hosts, ONE), Target)
    assert isinstance(target_of("https://api.example.com/", hosts, asking), Target)


@pytest.mark.parametrize(
    "host",
    ["https://a.example", "a.example/", "a.example:443", "*", "a.*.example", "*a.example", "a b", "", "u@a", "::1%lo"],
)
def test_a_host_that_could_never_match_is_a_fault_of_the_catalog(host: str) -> None:
    with pytest.raises(ValidationError, match="a host is a name"):
        Host(host=host)


@pytest.mark.parametrize("redirects", [-1, 6])
def test_the_catalog_bounds_redirects(redirects: int) -> None:
    with pytest.raises(ValidationError):
        Host(host="a.example", redirects=redirects)


HOSTILE = st.one_of(
    st.text(max_size=40),
    st.from_regex(r"(https?:)?//[\[\]0-9a-fx.:@%\\#?/a-z-]{0,30}", fullmatch=True),
    st.tuples(
        st.text(max_size=9), st.sampled_from(["api.example.com", "8.8.8.8", "a.partner.example"]), st.text(max_size=9)
    ).map(lambda parts: "https://" + "".join(parts)),
)


@given(HOSTILE)
def test_whatever_the_url_only_a_listed_host_port_and_scheme_come_out(url: str) -> None:
    target = target_of(url, HOSTS)
    if isinstance(target, Target):
        rules = [rule for rule in HOSTS if host_matches(target.host, rule.host)]
        assert any(target.port in rule.ports and target.url.scheme in rule.schemes for rule in rules)
        dialled = httpx2.URL(str(target.url))
        assert dialled.raw_host.decode() == target.host
        assert (dialled.port or {"http": 80, "https": 443}[dialled.scheme]) == target.port
        assert not dialled.userinfo


DECLARED = {
    "KEY": Secret(env="THE_KEY", hosts=("api.example.com", "*.partner.example"), methods="*", paths="*", headers="*"),
    "OTHER": Secret(env="OTHER_KEY", hosts=(), methods="*", paths="*", headers="*"),
}
POLICY = WorkflowPolicy(name="*", hosts=HOSTS, secrets=("KEY", "OTHER"))


@pytest.mark.parametrize(
    ("name", "host", "allowed"),
    [
        ("KEY", "api.example.com", True),
        ("KEY", "a.partner.example", True),
        ("KEY", "plain.example", False),
        ("OTHER", "api.example.com", False),
        ("UNKNOWN", "api.example.com", False),
    ],
)
def test_a_secret_goes_only_where_both_the_workflow_and_the_secret_allow_it(
    name: str, host: str, *, allowed: bool
) -> None:
    assert (forbidden_reference((name,), host, POLICY, DECLARED) is None) is allowed


def test_a_secret_that_the_workflow_does_not_list_is_forbidden() -> None:
    assert forbidden_reference(("KEY",), "api.example.com", WorkflowPolicy(name="*"), DECLARED) is not None


def test_secrets_are_put_in_wherever_they_stand_in_a_value() -> None:
    headers = (("Authorization", "Bearer secret://KEY"), ("X-Key", "secret://KEY"))
    found = read_credentials(references(headers), DECLARED, {"THE_KEY": "abcdef-123\n"})
    assert not isinstance(found, EgressRefused)
    assert [found.put_in(value) for _, value in headers] == ["Bearer abcdef-123", "abcdef-123"]
    assert "abcdef" not in repr(found)
    assert found.taken_out(b'{"you sent": "abcdef-123"}') == b'{"you sent": "secret://KEY"}'


@pytest.mark.parametrize("value", ["", "  ", "line\nbreak", "n\u00fcll", "x\0y"])
def test_a_value_that_cannot_be_sent_is_refused_without_being_quoted(value: str) -> None:
    refused = read_credentials(("KEY",), DECLARED, {"THE_KEY": value})
    assert isinstance(refused, EgressRefused)
    assert "THE_KEY" in refused.reason
    assert "break" not in refused.reason
