"""Where a heal may connect: the pure half of the guard."""

from ipaddress import ip_network

import pytest

from consumer.call import EgressRefused
from consumer.catalog import Host, Secret, WorkflowPolicy
from consumer.outbound.addresses import denial, parse_address
from consumer.outbound.credentials import forbidden_reference, read_credentials, references
from consumer.outbound.egress import Target, target_of

DENIED = [
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "0.0.0.0", "0.1.2.3"),
    *("169.254.169.254", "169.254.0.1", "168.63.129.16", "100.64.0.1", "100.100.100.200", "192.0.0.8", "192.0.0.192"),
    *("192.0.2.1", "198.51.100.7", "203.0.113.9", "192.88.99.1", "198.18.0.1", "198.19.255.255", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255", "192.31.196.1", "192.52.193.1", "192.175.48.1"),
    *("::", "::1", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1", "2001::1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2001:10::1", "2001:20::1", "fe80::1", "fec0::1"),
    *("feff::1", "fc00::1", "fd00:ec2::254", "ff02::1", "3fff::1", "3fff:fff::1", "5f00::1", "100::1", "4000::1"),
    *("2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "fe80::1%eth0"),
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450::1"]


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
        ("https://api.example.com:99999999/", "not allowed"),
        ("https://api.example.com/?k=secret://KEY", "secret"),
    ],
)
def test_any_other_url_is_refused_with_the_reason(url: str, word: str) -> None:
    refused = target_of(url, HOSTS)
    assert isinstance(refused, EgressRefused)
    assert word in refused.reason
    assert "pw" not in refused.reason


DECLARED = {
    "KEY": Secret(env="THE_KEY", hosts=("api.example.com", "*.partner.example")),
    "OTHER": Secret(env="OTHER_KEY", hosts=()),
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
