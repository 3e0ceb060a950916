"""Address filter of the egress guard: a heal may dial public IP addresses, and the networks that the operator lists."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_NOT_PUBLIC_V4: Final = tuple(
    (IPv4Network(network), what)
    for network, what in (
        ("169.254.0.0/16", "link-local, metadata services among them"),
        ("127.0.0.0/8", "loopback"),
        ("10.0.0.0/8", "private"),
        ("172.16.0.0/12", "private"),
        ("192.168.0.0/16", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("0.0.0.0/8", "this network"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "AMT"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarking"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
"""IANA's special-purpose address registry.

What the registry calls globally reachable (AS112, AMT, anycast of the network itself) is denied too: no API is there.
"""
_NOT_PUBLIC_V6: Final = tuple(
    (IPv6Network(network), what)
    for network, what in (
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("::/96", "IPv4-compatible"),
        ("::ffff:0:0:0/96", "IPv4-translated"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("100::/64", "discard"),
        ("100:0:0:1::/64", "a dummy prefix"),
        ("2001::/32", "Teredo"),
        ("2001:db8::/32", "documentation"),
        ("2001::/23", "protocol assignments"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "segment routing"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_UNICAST_V6: Final = IPv6Network("2000::/3")
"""All that is assigned for global unicast; the rest of the address space is reserved, and stays denied."""
_METADATA: Final = tuple(
    ip_address(address)
    for address in (
        *("168.63.129.16", "100.100.100.200", "192.0.0.192"),
        *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42", "fe80::a9fe:a9fe", "fd00:c1::a9fe:a9fe"),
    )
)
"""Metadata services of the clouds: each gives credentials to any client inside, at an otherwise ordinary address."""
_LINK_LOCAL_V4: Final = IPv4Network("169.254.0.0/16")
_ENDS_IN_V4: Final = tuple(
    IPv6Network(network) for network in ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_6TO4: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")
_ISATAP: Final = (0x00005EFE, 0x02005EFE)
"""The upper half of the interface id that carries an IPv4 address through an ISATAP tunnel."""
_LOW_32: Final = 0xFFFFFFFF


def parse_address(text: str) -> Address:
    """Parse an IP address; an IPv4-mapped one becomes the IPv4 address that would really be dialled."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def denial(address: Address, allowed: Sequence[Network]) -> str | None:
    """Return why an address must not be dialled, or None where it is public, or within the allowed networks.

    A metadata service is allowed only where it is listed by its exact address: a private network that happens to
    contain it does not allow it. Nor does a listed prefix allow every IPv4 address that is embedded in it.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    listed = [network for network in allowed if network.version == address.version and address in network]
    if any(network.num_addresses == 1 for network in listed):
        return None
    if address in _METADATA or (isinstance(address, IPv4Address) and address in _LINK_LOCAL_V4):
        return "a metadata service, or beside one: it has to be listed by its own address"
    wrapped = (denial(inner, allowed) for inner in wrapped_addresses(address)) if listed else ()
    return next((what for what in wrapped if what), None) if listed else _not_public(address)


def wrapped_addresses(address: Address) -> Iterator[IPv4Address]:
    """Yield the embedded IPv4 addresses to which a tunnel or translator would pass packets for an IPv6 address."""
    if isinstance(address, IPv4Address):
        return
    number = int(address)
    if any(address in network for network in _ENDS_IN_V4) and number > 1:  # :: and ::1 are themselves
        yield IPv4Address(number & _LOW_32)
    elif address in _6TO4:
        yield IPv4Address(number >> 80 & _LOW_32)
    elif address in _TEREDO:
        yield IPv4Address(number >> 64 & _LOW_32)
        yield IPv4Address(~number & _LOW_32)
    if _is_isatap(address):
        yield IPv4Address(number & _LOW_32)


def _not_public(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        what = next((what for network, what in _NOT_PUBLIC_V4 if address in network), None)
    else:
        what = next((what for network, what in _NOT_PUBLIC_V6 if address in network), None) or _special_v6(address)
    # The standard library's table is only the fallback behind ours: alone it has gaps.
    return what or (None if address.is_global else "not public")


def _special_v6(address: IPv6Address) -> str | None:
    if address not in _UNICAST_V6:
        return "outside global unicast"
    if address.scope_id is not None:
        return "bound to one interface"
    return "ISATAP" if _is_isatap(address) else None


def _is_isatap(address: IPv6Address) -> bool:
    return (int(address) >> 32) & _LOW_32 in _ISATAP
